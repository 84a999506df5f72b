"""Writes servers.json beside it: processes and sockets of real servers under load, as /proc shows them.

Run it with the Python of an environment that has uvicorn, uvloop, httptools and gunicorn: python record.py [NAME ...].
With names, only these are recorded, and the others are kept. It also runs node and nginx (NGINX names the program). It
takes two minutes. Each server serves twelve connections, which stay open if the server keeps them.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
CONNECTIONS = 12
APPLICATION = """
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

# Processes that each worker forks: when it starts, before its first request, or late, at its first request.
POOL = os.environ.get("POOL")
pool = ProcessPoolExecutor(2, get_context("fork")) if POOL else None

def fork():
    [one.result() for one in [pool.submit(abs, -1) for _ in range(4)]]

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if POOL == "early" and message["type"] == "lifespan.startup":
                fork()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if POOL == "late":
        fork()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
"""
NODE = """
const cluster = require("cluster"), http = require("http"), count = Number(process.env.COUNT);
if (count && cluster.isPrimary) { for (let i = 0; i < count; i++) cluster.fork(); }
else http.createServer((request, response) => response.end()).listen(Number(process.env.PORT));
"""
# An image with a proxy: nginx holds the port, and gunicorn's workers accept on a unix socket.
NGINX = """
daemon off;
user root;
worker_processes 2;
pid nginx.pid;
error_log error.log;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass http://unix:SOCKET:/; }
  }
}
"""
BEHIND_NGINX = """
sed "s#PORT#$PORT#; s#SOCKET#$PWD/gunicorn.sock#" nginx.conf.in > nginx.conf
"$PYTHON" -m gunicorn application:wsgi --bind unix:gunicorn.sock &
exec "${NGINX:-nginx}" -p "$PWD" -e error.log -c nginx.conf
"""
UVICORN = [sys.executable, "-m", "uvicorn", "application:app", "--loop", "uvloop", "--port", "{port}"]
GUNICORN = [sys.executable, "-m", "gunicorn", "application:wsgi", "--bind", "127.0.0.1:{port}"]
# Command and environment by name.
SERVERS = {
    "uvicorn": (UVICORN, {}),
    "uvicorn_web_concurrency_1": (UVICORN, {"WEB_CONCURRENCY": "1"}),
    "uvicorn_workers_2": (UVICORN, {"WEB_CONCURRENCY": "2"}),
    "uvicorn_workers_4": ([*UVICORN, "--workers", "4"], {}),
    "uvicorn_in_a_shell": (["sh", "-c", " ".join([*UVICORN, "--workers 2; true"])], {}),
    "uvicorn_workers_with_pools": ([*UVICORN, "--workers", "2"], {"POOL": "early"}),
    "uvicorn_workers_with_late_pools": ([*UVICORN, "--workers", "2"], {"POOL": "late"}),
    "gunicorn_1": (GUNICORN, {}),
    "gunicorn_sync_3": ([*GUNICORN, "--workers", "3"], {}),
    "gunicorn_threads_3": ([*GUNICORN, "--workers", "3", "--threads", "2"], {}),
    "gunicorn_1_behind_nginx": (["sh", "start.sh"], {"WEB_CONCURRENCY": "1"}),
    "gunicorn_3_behind_nginx": (["sh", "start.sh"], {"WEB_CONCURRENCY": "3"}),
    "node": (["node", "server.js"], {}),
    "node_cluster_3": (["node", "server.js"], {"COUNT": "3"}),
    "http_server": ([sys.executable, "-m", "http.server", "{port}"], {}),
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def stat(pid: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text()
    return ""


def tree(root: int) -> list[str]:
    """A process and all of its descendants."""
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    parents = {pid: stat(pid).rpartition(")")[2].split()[1:2] for pid in pids}
    found = [str(root)]
    for pid in found:
        found += [one for one, parent in parents.items() if parent == [pid]]
    return found


def sockets(pid: str) -> list[str]:
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            targets.append(str(link.readlink()))
    return sorted(target for target in targets if target.startswith("socket:"))


def ask(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    connection.getresponse().read()
    return connection


def record(command: list[str], env: dict[str, str], folder: Path) -> dict:
    port = free_port()
    env = os.environ | {"PORT": str(port), "PYTHON": sys.executable} | env
    words = [word.format(port=port) for word in command]
    with subprocess.Popen(
        words, cwd=folder, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    ask(port).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, command
                    time.sleep(0.2)
            time.sleep(4)  # all workers listen
            connections = [ask(port) for _ in range(CONNECTIONS)]
            tables = {name: Path(f"/proc/{server.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")}
            processes = {pid: {"stat": stat(pid), "sockets": sockets(pid)} for pid in tree(server.pid)}
            for connection in connections:
                connection.close()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            time.sleep(1)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
    # The tables have all sockets of the machine.
    kept = {name: [line for line in table.splitlines() if f":{port:04X} " in line] for name, table in tables.items()}
    return {"port": port, "processes": processes, **kept}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "application.py").write_text(APPLICATION)
        (folder / "server.js").write_text(NODE)
        (folder / "nginx.conf.in").write_text(NGINX)
        (folder / "start.sh").write_text(BEHIND_NGINX)
        path = HERE / "servers.json"
        kept = json.loads(path.read_text()) if sys.argv[1:] else {}
        for name in sys.argv[1:] or SERVERS:
            kept[name] = record(*SERVERS[name], folder)
    path.write_text(json.dumps({name: kept[name] for name in SERVERS}, indent=1) + "\n")
    shutil.rmtree(HERE / "__pycache__", ignore_errors=True)
