"""A document from a file or a server, within bounds."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hostlink import read_document
from hostlink.read_document import DocumentError, read

ROOT = Path(__file__).parents[2]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            threading.Event().wait(3)
            # The client has ended meanwhile.
            return
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            while not threading.Event().wait(0.2):
                self.wfile.write(b"x")
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
        self.wfile.write(b"x" * (1000 if self.path == "/long" else 5))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_url_and_a_file(url, tmp_path):
    assert read(f"{url}/openapi.json") == b"xxxxx"
    (tmp_path / "a.json").write_text("{}")
    assert read(str(tmp_path / "a.json")) == b"{}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{url}/missing", "returned status 404; allowed: 200 with an OpenAPI document. FastAPI serves this document"),
        # The limit of this test is a part of a MiB.
        ("{url}/long", "has more than 0 MiB; allowed: up to 0 MiB"),
        ("{url}/slow", "timed out"),
        ("http://127.0.0.1:1/x", "Connection refused"),
        ("file:///etc/passwd", "cannot be read; allowed: a file, an http or https URL"),
        ("/nonexistent", "no such file; allowed: a file, an http or https URL, or curl"),
        ("http://", "cannot be read"),
        ("http://127.0.0.1:x/", "cannot be read"),
        ("http://127.0.0.1:1/a b", "cannot be read"),
    ],
)
def test_refused(url, monkeypatch, source, message):
    monkeypatch.setattr(read_document, "MAX_BYTES", 100)
    # The other responses are no subject of the timeout, however busy the machine is.
    if source.endswith("/slow"):
        monkeypatch.setattr(read_document, "TIMEOUT_SECONDS", 1)
    with pytest.raises(DocumentError) as refused:
        read(source.format(url=url))
    assert message in str(refused.value)


def test_a_server_that_sends_a_byte_now_and_then_is_not_waited_for(url):
    program = (
        f"import sys; from hostlink import read_document as r; r.DEADLINE_SECONDS = 1; sys.argv[1:] = ['{url}/drip']"
    )
    command = [sys.executable, "-c", f"{program}; sys.exit(r.main())"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "/drip: is not complete after 1 s. Save the document as a file, and name this file" in done.stderr


def test_the_command(url):
    command = [sys.executable, "-m", "hostlink.read_document", f"{url}/missing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
