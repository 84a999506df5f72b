"""A small API for tests of the ready check: `python refusing_api.py ADDRESS PORT STATUS [HOST]`.

It prints its port when it listens. GET /ready returns STATUS; with HOST, it returns 400 to every other header Host.
Another path returns 404, another method 405.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    host: str | None = None

    def do_GET(self) -> None:
        if self.host is not None and self.headers["Host"] != self.host:
            status = 400
        elif self.path == "/predict":
            status = 405
        else:
            status = self.status if self.path == "/ready" else 404
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not of interest."""


if __name__ == "__main__":
    address, port, status, *host = sys.argv[1:]
    Api.status, Api.host = int(status), host[0] if host else None
    with ThreadingHTTPServer((address, int(port)), Api) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
