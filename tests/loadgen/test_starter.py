"""The scenario that ./lab new writes, in a real Locust: the API gets what the document or the curl line describes."""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from swarmsweep.starter import curl, openapi
from swarmsweep.starter.body import PIXEL_PNG
from swarmsweep.starter.files import scenario_text
from tests.loadgen.locust_run import LOCUST, run
from tests.swarmsweep.starter.documents import FASTAPI, SWAGGER

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen[f"{self.command} {self.path}"].append((dict(self.headers), body))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = answer  # noqa: N815 (names of the library's)

    def log_message(self, *_):
        pass


def sent(folder, api, **env):
    """Headers and bodies by method and path, as a server got them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.seen = True, defaultdict(list)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = scenario_text(api, "mine").replace("constant(1)", "constant(0.02)")
        outcome = run(folder, text, f"http://127.0.0.1:{server.server_address[1]}", 2, **env)
        server.shutdown()
    assert outcome.failures == {}
    return server.seen, outcome


def test_an_openapi_document(tmp_path):
    seen, outcome = sent(tmp_path, openapi.api_of(FASTAPI, "openapi.json"))
    assert set(seen) == {"POST /predict/", "POST /classify"} == {f"POST {name}" for name in outcome.rows}
    headers, body = seen["POST /predict/"][0]
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"rows": [{"sepal": 5, "kind": "setosa"}] * 2}
    headers, body = seen["POST /classify"][0]
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="pixel.png"\r\nContent-Type: image/png\r\n\r\n' + PIXEL_PNG in body
    assert b'name="size"\r\n\r\n224\r\n' in body


def test_a_secret_comes_from_the_environment(tmp_path):
    seen, _ = sent(tmp_path, openapi.api_of(SWAGGER, "swagger.json"), API_X_API_KEY="s3cret")
    headers, body = seen["POST /v1/score"][0]
    assert (headers["X-API-Key"], headers["X-Client"]) == ("s3cret", "shop")
    assert json.loads(body) == {"text": 'it\'s "good"'}


def test_a_curl_line(tmp_path):
    seen, outcome = sent(tmp_path, curl.api_of(["http://a/p?x=1", "-d", "a=1&b=ä", "-H", "X-A: b"]))
    assert set(outcome.rows) == {"/p"}
    headers, body = seen["POST /p?x=1"][0]
    assert (headers["Content-Type"], headers["X-A"]) == ("application/x-www-form-urlencoded", "b")
    assert body == "a=1&b=ä".encode()
