"""nginx with a constant response: the fastest possible server for a load generator, with its own count of requests."""

import re
import socket
import subprocess
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from bench.lib import cores, packages
from bench.lib.loopback import send_request
from bench.lib.processes import Tree
from swarmsweep.errors import LabError

PACKAGE = ("nginx", "usr/sbin/nginx")
PATH = "/predict"
# The response of the API to POST /predict with one row.
RESPONSE_BODY = '{"predictions":[2],"model_version":"1"}'
# More connections than any open-loop load keeps in flight.
MAX_CONNECTIONS = 16384
READY_SECONDS = 10.0
POLL_SECONDS = 0.02
CONFIG = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  # As long as a load wants: a peer that has to connect anew would be measured with that.
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = {path} {{
      default_type application/json;
      add_header X-Served-By nginx/1;
      return 200 '{body}';
    }}
    location = /status {{ stub_status; }}
  }}
}}
"""


def program() -> Path:
    """The system's nginx, or an unpacked one.

    Raises:
        LabError: there is none, and it could not be unpacked.
    """
    return packages.unpacked(*PACKAGE)


def version(nginx: Path) -> str:
    """Such as 1.22.1; printed to stderr."""
    return subprocess.run([nginx, "-v"], capture_output=True, text=True).stderr.strip().rpartition("/")[2]


def start(folder: Path, core: int) -> tuple[str, Tree]:
    """Start it on one core and a free loopback port; its URL, without a path, and its processes.

    Raises:
        LabError: it did not respond in time; the end of its log is in the text.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = folder / "nginx"
    config = folder / "nginx.conf"
    facts = {"folder": home, "connections": MAX_CONNECTIONS, "files": 2 * MAX_CONNECTIONS, "port": port}
    config.write_text(CONFIG.format(**facts, path=PATH, body=RESPONSE_BODY), encoding="utf-8")
    command = [str(program()), "-p", str(home), "-c", str(config), "-e", "stderr"]
    tree = Tree("nginx", cores.pin(command, core), {"PATH": "/usr/bin:/bin"}, home)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with suppress(OSError, HTTPException):
            if send_request(url + PATH).body.decode() == RESPONSE_BODY:
                break
        if tree.root.poll() is not None or time.monotonic() > deadline:
            log = tree.log_end()
            tree.end()
            raise LabError(f"nginx did not respond within {READY_SECONDS:g} s: {log}")
        time.sleep(POLL_SECONDS)
    tree.require_pinned(core)
    return url, tree


def requests(url: str) -> int:
    """The number of requests since its start, including this one."""
    return parse_status(send_request(f"{url}/status").body.decode())


def parse_status(text: str) -> int:
    """The requests in the text of ngx_http_stub_status_module.

    Raises:
        LabError: it is not such a text.
    """
    counters = re.search(r"^server accepts handled requests\s+(\d+) (\d+) (\d+)", text, re.MULTILINE)
    if not counters:
        raise LabError(f"nginx's status is not understood: {text[:200]!r}")
    return int(counters[3])
