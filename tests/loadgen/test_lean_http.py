"""The load's HTTP client against a real server of another process, with good and bad responses."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PEER = Path(__file__).with_name("http_peer.py")
gevent = pytest.importorskip("gevent", reason="gevent is not installed")
pytest.importorskip("httptools", reason="httptools is not installed")

from loadgen.open import lean_http  # noqa: E402
from loadgen.open.lean_http import Client, encode, resolve  # noqa: E402
from loadgen.shared.request_record import (  # noqa: E402
    BY_SCENARIO,
    DIFFERENT,
    OK,
    REFUSED,
    RESET,
    TIMED_OUT,
    UNREADABLE,
)

# Longer than any response takes on a busy machine. The timeout is tested with a shorter one.
PATIENCE_SECONDS = 20.0


@contextmanager
def running_peer(address: str = "127.0.0.1") -> Iterator[tuple[str, subprocess.Popen]]:
    """The URL of a server and its process."""
    with subprocess.Popen([sys.executable, str(PEER), address], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            yield (f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"), process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def shared_peer() -> Iterator[str]:
    with running_peer() as (url, _):
        yield url


@pytest.fixture
def peer() -> Iterator[str]:
    with running_peer() as (url, _):
        yield url


def counts(url: str) -> dict:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", "/counts")
    content = json.loads(connection.getresponse().read())
    connection.close()
    return content


def check(status: int, headers: dict[bytes, bytes], body: bytes) -> str | None:
    if status != 200:
        return f"status {status}"
    return None if b'"predictions"' in body else "no predictions"


@dataclass
class Session:
    """A client, and the outcomes that it has reported."""

    url: str
    timeout_seconds: float = PATIENCE_SECONDS
    check: object = check
    known: dict | None = None
    outcomes: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.target = resolve(self.url)
        self.client = Client(self.target, self.check, self.note, self.timeout_seconds, known=self.known)

    def note(self, token, sent, finished, outcome, reason, headers, size) -> None:
        assert sent <= finished
        self.outcomes.append((token, outcome, reason, None if headers is None else dict(headers), size))

    def send(self, path: str, token: object = None, body: bytes | None = b"{}", method: str = "POST") -> None:
        self.client.send(encode(self.target, method, path, {}, body), token)

    def wait(self, number: int) -> list:
        """Wait until so many requests have ended, and a little longer, so that a second outcome would be seen."""
        with gevent.Timeout(PATIENCE_SECONDS + 10):
            while len(self.outcomes) < number:
                gevent.sleep(0.005)
        gevent.sleep(0.02)
        assert len(self.outcomes) == number
        assert not self.client.in_flight
        return self.outcomes

    def ask(self, path: str, **options) -> tuple:
        """(outcome, reason) of one request."""
        self.send(path, **options)
        return self.wait(len(self.outcomes) + 1)[-1][1:3]


@contextmanager
def session(url: str, **options) -> Iterator[Session]:
    made = Session(url, **options)
    try:
        yield made
    finally:
        made.client.close()


BAD = "bad response: "
RESPONSES = {
    # path: (outcome, reason, BAD alone for its beginning, whether the connection can be used again)
    "/length": (OK, None, True),
    "/pieces": (OK, None, True),
    "/chunked": (OK, None, True),
    "/continue": (OK, None, True),
    "/large": (OK, None, True),
    "/slow": (OK, None, True),
    "/close": (OK, None, False),
    "/until-close": (OK, None, False),
    "/http10": (OK, None, False),
    "/status": (503, "status 503", True),
    "/moved": (307, "status 307", True),
    "/no-content": (BY_SCENARIO, "status 204", True),
    "/wrong": (BY_SCENARIO, "no predictions", True),
    "/unknown": (404, "status 404", True),
    "/garbage": (UNREADABLE, BAD, False),
    "/bad-chunk": (UNREADABLE, BAD, False),
    "/two-lengths": (UNREADABLE, BAD, False),
    "/two-answers": (UNREADABLE, BAD + "more data after its end", False),
    "/trailing": (UNREADABLE, BAD, False),
    "/upgrade": (UNREADABLE, BAD + "it switches to another protocol", False),
    "/cut": (RESET, "connection closed in the middle of the response", False),
    "/cut-head": (RESET, "connection closed in the middle of the response", False),
    "/cut-chunk": (RESET, "connection closed in the middle of the response", False),
    "/nothing": (RESET, "connection closed before any response", False),
    "/reset": (RESET, "connection reset by peer", False),
    "/early": (413, "status 413", False),
    "/endless": (UNREADABLE, f"response longer than {lean_http.MAX_RESPONSE_BYTES} bytes", False),
}


@pytest.mark.parametrize("path", RESPONSES)
def test_a_response_is_judged_and_the_connection_kept_or_not(shared_peer, path):
    outcome, reason, kept = RESPONSES[path]
    with session(shared_peer) as load:
        found = load.ask(path)
        assert found[0] == outcome
        if reason == BAD:
            # The text is the parser's own. It must not be empty.
            assert found[1].startswith(BAD) and found[1] != BAD
        else:
            assert found[1] == reason
        assert [connection.is_open for connection in load.client.idle] == ([True] if kept else [])
        # No response affects the next request.
        assert load.ask("/length") == (OK, None)
        assert load.client.opened == (1 if kept else 2)
        assert load.client.resent == 0


@pytest.mark.parametrize("path", ["/silent", "/stall"])
def test_a_request_times_out_and_its_connection_is_closed(shared_peer, path):
    with session(shared_peer, timeout_seconds=0.2) as load:
        assert load.ask(path) == (TIMED_OUT, "timed out after 0.2 s")
        assert load.client.idle == []


def test_body_and_headers_reach_the_check(shared_peer):
    seen = []
    with session(shared_peer, check=lambda *answer: seen.append(answer[:1] + answer[2:])) as load:
        for path in ("/length", "/chunked", "/until-close", "/lower-case"):
            assert load.ask(path) == (OK, None)
        body = b'{"predictions":[2],"model_version":"1"}'
        assert seen == [(200, body)] * 4
        headers = [outcome[3] for outcome in load.outcomes]
        assert headers[0] == {b"X-Served-By": b"peer/1", b"Content-Length": b"39"}
        # Those of an earlier response are gone.
        assert headers[1] == {b"Transfer-Encoding": b"chunked", b"Some-Trailer": b"x"}
        assert headers[3][b"x-served-by"] == b"peer/1"
        assert {outcome[4] for outcome in load.outcomes} == {len(body)}


def test_headers_of_an_interim_response_are_not_the_final_ones(shared_peer):
    with session(shared_peer) as load:
        load.ask("/continue")
        assert load.outcomes[0][3] == {b"X-Served-By": b"peer/1", b"Content-Length": b"39"}


def test_check_that_stumbles_is_a_failure(shared_peer):
    def stumble(status, headers, body):
        raise KeyError("predictions")

    with session(shared_peer, check=stumble) as load:
        assert load.ask("/length") == (BY_SCENARIO, "check of the response: KeyError('predictions')")


OTHER = (DIFFERENT, "the response differs from an earlier one to the same request")


@pytest.mark.parametrize(
    ("path", "bodies", "expected"),
    [
        ("/length", [b"a", b"a", b"b"], [(OK, None)] * 3),
        ("/fickle", [b"a", b"b", b"a", b"b", b"c"], [(OK, None), (OK, None), OTHER, OTHER, (OK, None)]),
        # A response that failed for another reason is neither compared nor stored.
        ("/status", [b"a", b"a"], [(503, "status 503")] * 2),
    ],
)
def test_the_same_request_must_get_the_same_response_where_the_scenario_says_so(shared_peer, path, bodies, expected):
    with session(shared_peer, known={}) as load:
        assert [load.ask(path, body=body) for body in bodies] == expected
        # A complete response leaves the connection as it was.
        assert load.client.opened == 1
    with session(shared_peer) as load:
        assert OTHER not in [load.ask(path, body=body) for body in bodies]


@pytest.mark.parametrize("path", ["/close-later", "/timeout-later"])
def test_connection_closed_while_idle_is_opened_again_and_is_no_failure(peer, path):
    with session(peer) as load:
        assert load.ask(path) == (OK, None)
        with gevent.Timeout(PATIENCE_SECONDS):
            while not load.client.closed_idle:
                gevent.sleep(0.01)
        assert load.ask(path) == (OK, None)
        assert (load.client.opened, load.client.closed_idle, load.client.resent) == (2, 1, 0)
    assert counts(peer)["requests"] == {path: 2}


@pytest.mark.parametrize("path", ["/once", "/once-reset"])
def test_request_that_crosses_a_close_is_sent_again_once(peer, path, monkeypatch):
    # However late a busy machine lets the server close.
    monkeypatch.setattr(lean_http, "RESEND_WITHIN_SECONDS", PATIENCE_SECONDS)
    with session(peer) as load:
        load.ask(path)
        assert load.ask(path) == (OK, None)
        assert (load.client.opened, load.client.resent) == (2, 1)
    # The server says the same: three requests on two connections (and one for this question).
    assert counts(peer) == {"requests": {path: 3}, "connections": 3}


def test_request_that_the_server_had_for_long_is_not_sent_again(peer):
    with session(peer) as load:
        load.ask("/once-late")
        assert load.ask("/once-late") == (RESET, "connection closed before any response")
        assert load.client.resent == 0
    assert counts(peer)["requests"] == {"/once-late": 2}


def test_nothing_is_sent_again_on_a_new_connection(peer):
    with session(peer) as load:
        assert load.ask("/nothing")[0] == RESET
    assert counts(peer)["requests"] == {"/nothing": 1}


def test_refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with session(f"http://127.0.0.1:{port}") as load:
        assert load.ask("/length") == (REFUSED, "connection refused")


def test_a_server_that_dies_fails_requests_in_flight_and_later_ones():
    with running_peer() as (url, process), session(url) as load:
        load.ask("/length")
        load.send("/silent")
        # Later than a close that merely crosses the request.
        gevent.sleep(2 * lean_http.RESEND_WITHIN_SECONDS)
        process.kill()
        assert load.wait(2)[1][1:3] == (RESET, "connection closed before any response")
        assert load.ask("/length") == (REFUSED, "connection refused")


def test_many_requests_at_once_get_their_own_responses_on_as_many_connections(peer):
    bodies: list[bytes] = []
    with session(peer, check=lambda status, headers, body: bodies.append(body)) as load:
        for number in range(60):
            load.send("/echo", f"request {number}".encode(), body=f"request {number}".encode())
        tokens = [outcome[0] for outcome in load.wait(60)]
        assert tokens == bodies
        assert len(set(bodies)) == 60
        assert load.client.opened == 60
        # One after the other, the last used first: one connection is enough.
        for number in range(60):
            load.ask("/echo", body=b"x%d" % number)
        assert load.client.opened == 60
        assert len(load.client.idle) == 60
    assert counts(peer) == {"requests": {"/echo": 120}, "connections": 61}


def test_large_request_is_sent_in_parts(shared_peer):
    body = b'"predictions"' + b"x" * 20_000_000
    with session(shared_peer) as load:
        # The response is larger than a client accepts, but the server has got the whole request.
        assert load.ask("/echo", body=body)[1] == f"response longer than {lean_http.MAX_RESPONSE_BYTES} bytes"
        assert load.ask("/slow", body=body) == (OK, None)
        assert load.ask("/length") == (OK, None)


def test_closing_cancels_requests_in_flight(shared_peer):
    with session(shared_peer) as load:
        load.send("/silent")
        gevent.sleep(0.05)
        load.client.close()
        gevent.sleep(0.1)
        assert load.outcomes == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "user:secret@127.0.0.1"])
def test_host_may_be_an_address_or_a_name(shared_peer, name):
    with session(shared_peer.replace("127.0.0.1", name)) as load:
        assert load.ask("/length") == (OK, None)


def test_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with running_peer("::1") as (url, _), session(url) as load:
        assert load.ask("/length") == (OK, None)
        assert load.target.host.startswith("[::1]:")


@pytest.mark.parametrize("url", ["https://127.0.0.1", "127.0.0.1:80", "", "http://", "http://no-such-host.invalid"])
def test_target_that_cannot_be_loaded_is_refused(url):
    with pytest.raises(ValueError, match=r"is not a target|is unknown"):
        resolve(url)


def test_request_bytes():
    target = lean_http.Target(socket.AF_INET, ("127.0.0.1", 80), "api:8080", "/v1")
    expected = b"POST /v1/predict HTTP/1.1\r\nHost: api:8080\r\nUser-Agent: swarmsweep\r\nAccept: */*\r\n"
    expected += b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    assert encode(target, "POST", "/predict", {"Content-Type": "application/json"}, b"{}") == expected
    assert encode(target, "GET", "/empty", {}).endswith(b"Accept: */*\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("HEAD", "/", {}),
        ("CONNECT", "/", {}),
        ("get", "/", {}),
        ("GET", "predict", {}),
        ("GET", "/a b", {}),
        ("GET", "/\r\nX: y", {}),
        ("GET", "/", {"X": "y\r\nZ: z"}),
    ],
)
def test_request_that_would_not_be_one_is_refused(method, path, headers):
    with pytest.raises(ValueError, match=r"allowed are|does not start|line break"):
        encode(lean_http.Target(socket.AF_INET, ("127.0.0.1", 80), "api"), method, path, headers)
