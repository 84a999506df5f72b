"""HAProxy as the lab sets it up, in front of one server of this machine."""

import re
import socket
import subprocess
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import jinja2
import yaml

from bench.lib import packages
from bench.lib.loopback import send_request
from bench.lib.paths import ROOT
from bench.lib.processes import Tree
from swarmsweep.errors import LabError

TEMPLATE = ROOT / "roles/platform/templates/haproxy.cfg.j2"
DEFAULTS = ROOT / "roles/platform/defaults/main.yml"
PACKAGE = ("haproxy", "usr/sbin/haproxy")
READY_PATH = "/ready"
# HAProxy refuses a response without a text. The word is never requested, as there is one server on loopback.
WORD = "bench"
BACKLOG = 4096
READY_SECONDS = 15.0
POLL_SECONDS = 0.02
# What is different here: one server with a known address instead of a service of the Swarm, and files of our own.
# Whatever else the lab's template says, balancing, checks, connections and deadlines, is as in the lab.
CHANGES = (
    (r"stats socket \S+ ", "stats socket {folder}/haproxy.sock "),
    (r"resolvers docker\n(?:  .*\n)+\n", ""),
    (r"bind :8080\n", "bind fd@{listener}\n"),
    (r"server-template .*\n", "server api-1 127.0.0.1:{port}\n"),
)


def program() -> Path:
    """The system's HAProxy, or an unpacked one.

    Raises:
        LabError: there is none, and it could not be unpacked.
    """
    return packages.unpacked(*PACKAGE)


def version(program: Path) -> str:
    """Such as 2.6.12-1+deb12u4."""
    return subprocess.run([program, "-v"], capture_output=True, text=True).stdout.split()[2]


def config(folder: Path, listener: int, port: int) -> str:
    """The lab's configuration, with the role's defaults, for a server on ``port`` of 127.0.0.1.

    Args:
        folder: of the statistics socket.
        listener: number of the file that HAProxy inherits and accepts connections from.

    Raises:
        LabError: the template is not what it was when `CHANGES` were written.
    """
    names = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    names |= {"platform_api_ready_path": READY_PATH, "platform_word": WORD}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(names)
    for old, new in CHANGES:
        text, count = re.subn(old, new.format(folder=folder, listener=listener, port=port), text)
        if count != 1:
            raise LabError(f"{TEMPLATE} holds {old!r} {count} times, not once: adapt {__name__}")
    return text


def start(program: Path, folder: Path, port: int, prefix: list[str]) -> tuple[str, Tree]:
    """Start it on a free loopback port before a server on ``port``; its URL, without a path, and its processes.

    Args:
        program: from `program`.
        prefix: put before the command.

    Raises:
        LabError: the server could not be reached through it in time; the end of its log is in the text.
    """
    home = folder / "haproxy"
    # Its listening socket is inherited: a port that was only probed could be taken by another process meanwhile.
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        file = listener.fileno()
        path = folder / "haproxy.cfg"
        path.write_text(config(home, file, port), encoding="utf-8")
        command = [*prefix, str(program), "-db", "-f", str(path)]
        tree = Tree("haproxy", command, {"PATH": "/usr/bin:/bin"}, home, pass_fds=(file,))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with suppress(OSError, HTTPException):
            if send_request(url + READY_PATH).status == 200:
                return url, tree
        if tree.root.poll() is not None or time.monotonic() > deadline:
            log = tree.log_end()
            tree.end()
            raise LabError(f"HAProxy did not respond within {READY_SECONDS:g} s: {log}")
        time.sleep(POLL_SECONDS)
