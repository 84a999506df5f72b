"""Bounds the size and the time of one response in FastHttpUser and HttpUser.

Without the bounds, a server could fill the memory or block a user. A response fails when it is longer than `MAX_BYTES`,
compressed or not, or when its last byte comes later than `MAX_SECONDS` after its first ones. No data beyond the bound
is decompressed. For a response that comes in one piece, as nearly all do, the cost is one comparison.

HttpUser's time begins with the body. Python's http.client bounds number and length of its headers, but not their time:
a server that sends its headers very slowly blocks such a user until the load ends.
"""

import math
import time
import zlib
from collections.abc import Iterator
from typing import Any

import brotli
import gevent
import requests
from geventhttpclient.response import HTTPResponse, HTTPSocketPoolResponse, HTTPSocketResponse
from locust.contrib.fasthttp import FastResponse

from loadgen.closed.broken_body import noting, noting_chunks
from loadgen.closed.failure_kind import KnownError
from loadgen.shared.request_record import TIMEOUT, UNREADABLE

# The same value as in open/lean_http.py for open-loop load.
MAX_BYTES = 16 << 20
# Far longer than a scenario's timeouts. HAProxy allows a silent server the same time. A body that is sent very slowly
# would never end by itself.
MAX_SECONDS = 60.0
TOO_LONG = f"response longer than {MAX_BYTES >> 20} MiB"


class BoundError(KnownError, OSError):
    """The error for FastHttpUser."""

    outcome = UNREADABLE


class SlowError(BoundError):
    """The error for FastHttpUser, of a response that takes too long."""

    outcome = TIMEOUT


class BoundRequestError(KnownError, requests.RequestException):
    """The same error for HttpUser."""

    outcome = UNREADABLE


class SlowRequestError(BoundRequestError):
    """The error for HttpUser, of a response that takes too long."""

    outcome = TIMEOUT


def too_slow() -> str:
    """The text of that error."""
    return f"response not complete {MAX_SECONDS:g} s after its first bytes"


def unpack(packed: bytes, encoding: str) -> bytes:
    """Decompress a whole body of gzip, deflate (with or without the header of zlib) or br.

    Raises:
        BoundError: it is longer than `MAX_BYTES`.
        zlib.error: it is damaged, or ends too early.
        brotli.error: it is damaged, or ends too early (br).
    """
    if encoding == "br":
        return _unpack_brotli(packed)
    if encoding == "gzip":
        return _inflate(packed, 16 + zlib.MAX_WBITS)
    try:
        return _inflate(packed, -zlib.MAX_WBITS)
    except zlib.error:
        return _inflate(packed, zlib.MAX_WBITS)


def _inflate(packed: bytes, window_bits: int) -> bytes:
    stream = zlib.decompressobj(window_bits)
    content = stream.decompress(packed, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BoundError(TOO_LONG)
    if not stream.eof:
        raise zlib.error("incomplete or truncated stream")
    return content


def _unpack_brotli(packed: bytes) -> bytes:
    stream = brotli.Decompressor()
    content = stream.process(packed, output_buffer_limit=MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BoundError(TOO_LONG)
    if not stream.is_finished():
        raise brotli.error("incomplete or truncated stream")
    return content


def _feed(response: HTTPSocketPoolResponse, data: bytes) -> None:
    """Replaces the parser's ``feed``, which gets the data of each read of the socket."""
    sock = response._sock
    HTTPResponse.feed(response, data)
    state = response.__dict__
    if response.message_complete:
        # The connection is kept, and its next response has the scenario's timeout again.
        if "bound_patience" in state:
            sock.settimeout(state["bound_patience"])
        return
    if not response.headers_complete and not data:
        return
    now = time.monotonic()
    if "bound_end" not in state:
        state["bound_end"], state["bound_patience"], state["bound_bytes"] = now + MAX_SECONDS, sock.gettimeout(), 0
    state["bound_bytes"] += len(data)
    if state["bound_bytes"] > MAX_BYTES:
        raise BoundError(TOO_LONG)
    left = state["bound_end"] - now
    if left <= 0:
        raise SlowError(too_slow())
    patience = state["bound_patience"]
    # The shorter of the two times. A server that stops sending near the end must not get all of the scenario's timeout.
    sock.settimeout(left if patience is None else min(left, patience))


def _read(response: HTTPSocketPoolResponse, length: int | None = None) -> bytes:
    """Replaces ``read``, and reports which of the two timeouts ended it."""
    try:
        return HTTPSocketResponse.read(response, length)
    except TimeoutError:
        if response.__dict__.get("bound_end", math.inf) > time.monotonic():
            raise
        raise SlowError(too_slow()) from None


def _unzipped(response: FastResponse, gzip: bool = True, br: bool = False) -> bytes:
    return unpack(response._response.read(), "gzip" if gzip else "br" if br else "deflate")


def _bounded_chunks(response: requests.Response, chunks: Iterator[Any]) -> Iterator[Any]:
    """The rest of a response's body in chunks."""
    end, received = time.monotonic() + MAX_SECONDS, 0
    while True:
        # One read may wait for many small pieces, because urllib3 collects them.
        timer = gevent.Timeout.start_new(max(end - time.monotonic(), 0.001))
        try:
            chunk = next(chunks, None)
        except gevent.Timeout as late:
            if late is not timer:
                raise
            response.close()
            raise SlowRequestError(too_slow()) from None
        finally:
            timer.close()
        if chunk is None:
            return
        received += len(chunk)
        if received > MAX_BYTES:
            response.close()
            raise BoundRequestError(TOO_LONG)
        yield chunk


def set_bounds() -> None:
    """Bound all responses of this process from now on, and note what breaks their bodies (see broken_body.py)."""
    read_chunks = requests.Response.iter_content

    def iter_content(response: requests.Response, *arguments: Any, **options: Any) -> Iterator[Any]:
        whole = response._content_consumed
        chunks = read_chunks(response, *arguments, **options)
        return chunks if whole else noting_chunks(response, _bounded_chunks(response, chunks))

    requests.Response.iter_content = iter_content
    HTTPSocketPoolResponse.feed, HTTPSocketPoolResponse.read = _feed, noting(_read)
    HTTPSocketPoolResponse.readline = noting(HTTPSocketResponse.readline)
    FastResponse.unzipped = noting(_unzipped)
