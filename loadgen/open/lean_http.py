"""An HTTP/1.1 client for gevent with a very low cost per request, which still judges every response.

There is no greenlet per request. Everything runs in callbacks of gevent's loop, with one watcher per connection and one
timer. So this code never blocks, and no callback may block. Requests are encoded before the load; llhttp (httptools)
parses the responses. At most one request is in flight on a connection. A connection is kept for the next request, the
last used first, unless the server wants it closed.

A request fails with a short reason: refused, reset, timed out, incomplete, not HTTP, or the reason from the scenario's
check. If the scenario requires it, it also fails when the same request had a different response before.
One case is not a failure: a server may close a kept connection at the very moment when it is used again. This is
assumed when a used connection is lost within `RESEND_WITHIN_SECONDS` of sending, without any byte of the response. Then
the request is sent a second time on a new connection, with its time still running, and is counted in ``resent``. RFC
9112, section 9.3.1, allows this for a request that is known to be harmless when repeated, as a prediction is.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from errno import EINPROGRESS
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.monkey import get_original
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from loadgen.common.errno_kind import BY_ERRNO
from loadgen.common.secrets_folder import hide
from loadgen.shared.request_record import (
    BY_SCENARIO,
    DIFFERENT,
    HIGHEST_STATUS,
    OK,
    OTHER,
    REDIRECT_STATUS,
    RESET,
    TIMED_OUT,
    UNREADABLE,
)

# Gevent's constants for the events of a watcher.
READ, WRITE = 1, 2
# Bytes per read. Many responses to predictions fit into it; a longer read would delay the other connections.
READ_BYTES = 65536
# A response without end must not fill the memory.
MAX_RESPONSE_BYTES = 16 << 20
# How late a timeout may be noticed, in seconds.
SWEEP_SECONDS = 0.05
# A close that crosses a request arrives within a round trip. A server that closes later has processed the request.
RESEND_WITHIN_SECONDS = 0.25
# Seconds to find out which address of a host name accepts connections.
PROBE_SECONDS = 5.0
OTHER_RESPONSE = "the response differs from an earlier one to the same request"
# A response to HEAD lacks the body that its header announces, and CONNECT opens a tunnel: neither is a load.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# (status, headers by name as the server spells them, body) -> None, or why the response is wrong.
Check = Callable[[int, Mapping[bytes, bytes], bytes], str | None]
# (token, sent, finished, outcome, reason, headers, bytes of the body). Times are of `time.monotonic`. Headers are None
# without a whole response. They belong to the client: the next response overwrites them.
OnDone = Callable[[Any, float, float, float, str | None, Mapping[bytes, bytes] | None, int], None]

# Gevent's own socket would switch greenlets where this one reports that it would block.
plain_socket = get_original("socket", "socket")
monotonic = time.monotonic


@dataclass(frozen=True)
class Target:
    """The target of requests: an address, the text of the Host header, and the URL's path, if any."""

    family: int
    address: tuple
    host: str
    prefix: str = ""


def resolve(url: str) -> Target:
    """Look up the host once for all requests. Of several addresses, the first that accepts a connection is used.

    Raises:
        ValueError: not an http:// URL, or the name is unknown.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is not a target; allowed: http://HOST[:PORT], without TLS")
    port = parts.port or 80
    try:
        addresses = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(f"the host of {url!r} is unknown: {error}") from None
    # User and password are not part of a Host header.
    host = parts.netloc.rpartition("@")[2]
    targets = [Target(family, address, host, parts.path.rstrip("/")) for family, _, _, _, address in addresses]
    return next((target for target in targets if len(targets) > 1 and _accepts(target)), targets[0])


def _accepts(target: Target) -> bool:
    with socket.socket(target.family, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        return probe.connect_ex(target.address) == 0


def encode(target: Target, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    """The bytes of a request, ready to send.

    Raises:
        ValueError: a method that is not supported, or a header that contains a line break.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}: allowed are {', '.join(METHODS)}")
    if not path.startswith("/"):
        raise ValueError(f"path {path!r} does not start with /")
    lines = {"Host": target.host, "User-Agent": "swarmsweep", "Accept": "*/*"} | dict(headers)
    if body is not None:
        lines["Content-Length"] = str(len(body))
    head = [f"{method} {target.prefix}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    if any(set(line) & set("\r\n") for line in head) or " " in path:
        raise ValueError(f"request {head!r} holds a line break, or its path a space")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (body or b"")


class Client:
    """Sends requests to one target and reports the outcome of each to ``on_done``, exactly once.

    Args:
        target: from `resolve`.
        check: judges every whole response.
        on_done: called on gevent's hub, also from within `send`; must not block.
        timeout_seconds: from sending to the last byte of the response, connecting included.
        known: bodies of responses by request. The first one is added; a different one fails. None if they may differ.
        on_sweep: called with the time every `SWEEP_SECONDS`.
    """

    def __init__(
        self,
        target: Target,
        check: Check,
        on_done: OnDone,
        timeout_seconds: float,
        on_sweep: Callable[[float], None] = lambda now: None,
        known: dict[bytes, bytes] | None = None,
    ) -> None:
        self.target, self.check, self.on_done, self.known = target, check, on_done, known
        self.timeout_seconds = timeout_seconds
        self.loop = gevent.get_hub().loop
        # In the order of sending: the first is the next to time out.
        self.in_flight: dict[Connection, None] = {}
        self.idle: list[Connection] = []
        self.opening: set[Connection] = set()
        self.opened = self.closed_idle = self.resent = self._closed_seen = 0
        self._on_sweep = on_sweep
        self._timer = self.loop.timer(SWEEP_SECONDS, SWEEP_SECONDS)
        self._timer.start(self._sweep)

    def open(self, number: int) -> None:
        """Open connections for later requests; one that fails is ignored."""
        for _ in range(number):
            Connection(self).open()

    def send(self, request: bytes, token: Any) -> None:
        """Send now, on an idle connection or a new one. ``token`` is returned with the outcome."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if connection.is_open:
                break
        else:
            connection = Connection(self)
        connection.start(request, token, monotonic())

    def send_again(self, request: bytes, token: Any, sent: float) -> None:
        """Send a request a second and last time; its timeout is not restarted."""
        self.resent += 1
        Connection(self).start(request, token, sent)

    def close(self) -> None:
        """Close all connections. Requests that are still in flight are dropped without a callback."""
        self._timer.stop()
        self._timer.close()
        for connection in [*self.in_flight, *self.idle, *self.opening]:
            connection.close()
        for connections in (self.in_flight, self.idle, self.opening):
            connections.clear()

    def _sweep(self) -> None:
        now = monotonic()
        late = []
        for connection in self.in_flight:
            if now - connection.sent < self.timeout_seconds:
                break
            late.append(connection)
        for connection in late:
            connection.time_out(now)
        if self.closed_idle != self._closed_seen:
            self._closed_seen = self.closed_idle
            self.idle = [connection for connection in self.idle if connection.is_open]
        self._on_sweep(now)


class Connection:
    """One connection and the parser of its responses.

    It is in ``in_flight`` or in ``idle`` of its client, or closed, or being opened for later.
    """

    def __init__(self, client: Client) -> None:
        self.is_open, self.sent = True, 0.0
        self._client = client
        self._token: Any = None
        self._request = b""
        # The part of the request that is not sent yet: all of it until the connection is established.
        self._unsent: bytes | memoryview = b""
        self._busy = self._connected = self._used = self._has_response = False
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._received = 0
        self._head_whole = self._whole = self._extra = self._keep = False
        # The parser looks these up when it is created. The two are C functions, and cost no Python call per header.
        self.on_header, self.on_body = self._headers.__setitem__, self._body.append
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._socket: Any = None
        self._recv: Any = None
        self._send: Any = None
        self._readable: Any = None
        self._writable: Any = None

    def open(self) -> None:
        """Connect, without a request."""
        try:
            self._connect()
        except OSError:
            self.close()
            return
        self._client.opening.add(self)

    def start(self, request: bytes, token: Any, sent: float) -> None:
        """Send a request; ``sent`` is when its timeout began to run."""
        self._request, self._token, self.sent = request, token, sent
        self._busy, self._has_response = True, False
        self._client.in_flight[self] = None
        if self._connected:
            self._headers.clear()
            self._transmit(request)
            return
        self._unsent = request
        try:
            self._connect()
        except OSError as error:
            self._lose(_words(error), _kind(error.errno))

    def time_out(self, now: float) -> None:
        """End the request with a timeout."""
        self._end(now, TIMED_OUT, f"timed out after {self._client.timeout_seconds:g} s")

    def close(self) -> None:
        """Close at once. Safe to repeat."""
        self.is_open = False
        for watcher in (self._readable, self._writable):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._readable = self._writable = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        self._extra = self._whole

    def on_headers_complete(self) -> None:
        self._head_whole = True

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            # 100, 102 and 103 only announce the response.
            self._headers.clear()
            self._head_whole = False
            return
        self._whole = True
        self._keep = self._parser.should_keep_alive()

    # The loop's callbacks.

    def _on_writable(self) -> None:
        if not self._connected:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._lose(os.strerror(code).lower(), _kind(code))
                return
            self._stand()
        if self._busy:
            self._transmit(self._unsent)
            return
        self._stop_writable()
        self._client.opening.discard(self)
        self._client.idle.append(self)

    def _on_readable(self) -> None:
        try:
            data = self._recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(_words(error), _kind(error.errno))
            return
        if not self._busy or not data:
            # A server sends nothing on an idle connection but its end; some servers announce it with a 408.
            self._on_end()
            return
        self._has_response = True
        try:
            self._feed(data)
        except HttpParserError as error:
            self._end(monotonic(), UNREADABLE, f"bad response: {str(error)[:80] or type(error).__name__}")
            return
        except HttpParserUpgrade:
            self._end(monotonic(), UNREADABLE, "bad response: it switches to another protocol")
            return
        if self._whole:
            self._finish()
            return
        self._received += len(data)
        if self._received > MAX_RESPONSE_BYTES:
            self._end(monotonic(), UNREADABLE, f"response longer than {MAX_RESPONSE_BYTES} bytes")

    def _on_end(self) -> None:
        """The server has closed the connection, or has sent data on an idle one."""
        if self in self._client.opening:
            self._client.opening.discard(self)
            self.close()
        elif not self._busy:
            self._client.closed_idle += 1
            self.close()
        elif self._head_whole and not {name.lower() for name in self._headers} & {
            b"content-length",
            b"transfer-encoding",
        }:
            # Without a length, the end of the connection is the end of the response.
            self._keep = False
            self._finish()
        elif self._has_response:
            self._end(monotonic(), RESET, "connection closed in the middle of the response")
        else:
            self._lose("connection closed before any response", RESET)

    # Steps.

    def _connect(self) -> None:
        client = self._client
        self._socket = plain_socket(client.target.family, socket.SOCK_STREAM)
        client.opened += 1
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._recv, self._send = self._socket.recv, self._socket.send
        code = self._socket.connect_ex(client.target.address)
        if code not in (0, EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._wait_writable()

    def _stand(self) -> None:
        self._connected = True
        self._readable = self._client.loop.io(self._socket.fileno(), READ)
        # One watcher for the life of the connection: starting and stopping it for each request would cost two system
        # calls.
        self._readable.start(self._on_readable)

    def _wait_writable(self) -> None:
        if self._writable is None:
            self._writable = self._client.loop.io(self._socket.fileno(), WRITE)
            self._writable.start(self._on_writable)

    def _stop_writable(self) -> None:
        self._writable.stop()
        self._writable.close()
        self._writable = None

    def _transmit(self, data: bytes | memoryview) -> None:
        try:
            done = self._send(data)
        except BlockingIOError:
            done = 0
        except OSError as error:
            self._lose(_words(error), _kind(error.errno))
            return
        if done < len(data):
            self._unsent = memoryview(data)[done:]
            self._wait_writable()
        elif self._writable is not None:
            self._unsent = b""
            self._stop_writable()

    def _finish(self) -> None:
        """A whole response is there: judge it."""
        now = monotonic()
        if self._extra:
            self._end(now, UNREADABLE, "bad response: more data after its end")
            return
        client, body, status = self._client, self._body, self._parser.get_status_code()
        content = body[0] if len(body) == 1 else b"".join(body)
        failure = min(float(status), HIGHEST_STATUS) if status >= REDIRECT_STATUS else BY_SCENARIO
        try:
            reason = client.check(status, self._headers, content)
        except Exception as error:
            # If a check raises an error, the response counts as wrong.
            # A part of a secret would not be found after the text was cut.
            reason = hide(f"check of the response: {error!r}")[:200]
        known = client.known
        if reason is None and known is not None and known.setdefault(self._request, content) != content:
            reason, failure = OTHER_RESPONSE, DIFFERENT
        token, self._token, self._busy = self._token, None, False
        del client.in_flight[self]
        if self._keep and not self._unsent:
            self._used, self._whole, self._head_whole, self._received = True, False, False, 0
            body.clear()
            client.idle.append(self)
        else:
            self.close()
        outcome = OK if reason is None else failure
        client.on_done(token, self.sent, now, outcome, reason, self._headers, len(content))

    def _lose(self, reason: str, kind: float) -> None:
        """The connection is lost."""
        now = monotonic()
        if self._busy and self._used and not self._has_response and now - self.sent < RESEND_WITHIN_SECONDS:
            client, request, token = self._client, self._request, self._token
            del client.in_flight[self]
            self._busy = False
            self.close()
            client.send_again(request, token, self.sent)
        elif self._busy:
            self._end(now, kind, reason)
        else:
            self._on_end()

    def _end(self, now: float, outcome: float, reason: str) -> None:
        """The request has ended without a whole response."""
        client, token = self._client, self._token
        del client.in_flight[self]
        self._token, self._busy = None, False
        self.close()
        client.on_done(token, self.sent, now, outcome, reason, None, 0)


def _kind(number: int | None) -> float:
    return BY_ERRNO.get(number, OTHER) if number else OTHER


def _words(error: OSError) -> str:
    """The system's text for an error, without the parts that differ between connections."""
    return os.strerror(error.errno).lower() if error.errno else str(error).lower()
