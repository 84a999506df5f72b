"""The setting that the role writes, with this machine's apt. Of two package sources, the first is busy at first."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SETTINGS = Path(__file__).parents[2] / "roles/apt_downloads/files/90swarmsweep-downloads"
# apt ends in one second, or never.
PATIENCE_SECONDS = 30
BUSY = "/busy/dists/stable/"


class Sources(ThreadingHTTPServer):
    """Two empty package sources, http://.../busy and http://.../ready. The first is too busy for its InRelease once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[str] = []


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sources

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        refused = self.path == BUSY + "InRelease" and self.server.asked.count(self.path) == 1
        code = 503 if refused else 200 if self.path.endswith("/Packages") else 404
        self.send_response(code)
        body = b"" if code == 200 else b"no"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the server's log out of the tests' output."""


@pytest.fixture
def sources() -> Iterator[Sources]:
    with Sources() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt")
def test_a_download_from_a_busy_server_is_retried(sources: Sources, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{sources.server_address[1]}"
    listed = tmp_path / "sources.list"
    listed.write_text(f"deb [trusted=yes] {address}/busy stable main\ndeb [trusted=yes] {address}/ready stable main\n")
    (tmp_path / "lists/partial").mkdir(parents=True)
    own = {
        "Dir::Etc::SourceList": listed,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": tmp_path / "lists",
        "Dir::Cache": tmp_path,
        "APT::Sandbox::User": "",
        "Acquire::http::Proxy": "DIRECT",
    }
    options = [part for name, value in own.items() for part in ("-o", f"{name}={value}")]
    done = subprocess.run(
        ["apt-get", "update", *options],
        env=os.environ | {"APT_CONFIG": str(SETTINGS)},
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sources.asked.count(BUSY + "InRelease") == 2
    assert any(path.startswith(BUSY + "main/") for path in sources.asked)
