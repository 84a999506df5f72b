"""The kind of a failed request of closed-loop users: from the status and the exception's type, never from its text.

A scenario may give any text to a failure, in any language. So its words show nothing about the cause.
"""

import http.client
import socket
import ssl
import zlib
from collections.abc import Iterator
from typing import Any

import brotli
import gevent
import requests
import urllib3.exceptions
from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed
from geventhttpclient.useragent import ConnectionError as ClientError

from loadgen.common.errno_kind import BY_ERRNO
from loadgen.shared.request_record import (
    BY_SCENARIO,
    DIFFERENT,
    HIGHEST_STATUS,
    KIND_NAMES,
    LOAD_HOST,
    LOWEST_STATUS,
    OK,
    OTHER,
    REDIRECT_STATUS,
    REFUSED,
    RESET,
    TIMEOUT,
    UNREACHABLE,
    UNREADABLE,
)

# A client wraps an error of the system a few times. The bound ends a chain that leads back to itself.
MAX_CHAIN = 12
# geventhttpclient's parser gives a text and a number. Without the number, the connection ended within the response.
PARSER_ARGUMENTS = 2
# The first type that fits decides, so a subclass comes before its base.
BY_TYPE: tuple[tuple[tuple[type[BaseException], ...], float], ...] = (
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), UNREACHABLE),
    (
        (
            *(TimeoutError, gevent.Timeout, requests.exceptions.Timeout),
            *(urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.ReadTimeoutError),
        ),
        TIMEOUT,
    ),
    ((ConnectionRefusedError,), REFUSED),
    ((MemoryError,), LOAD_HOST),
    (
        (
            *(ConnectionResetError, BrokenPipeError, ConnectionAbortedError, HTTPConnectionClosed),
            *(http.client.IncompleteRead, http.client.RemoteDisconnected, urllib3.exceptions.IncompleteRead),
        ),
        RESET,
    ),
    (
        (
            *(ssl.SSLError, zlib.error, brotli.error, http.client.HTTPException),
            *(requests.exceptions.ContentDecodingError, requests.exceptions.InvalidHeader),
            *(urllib3.exceptions.DecodeError, urllib3.exceptions.InvalidHeader, urllib3.exceptions.ResponseNotChunked),
        ),
        UNREADABLE,
    ),
    ((urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError), RESET),
)


class KnownError(Exception):
    """Base of the errors of this package that end a request. ``outcome`` is its kind."""

    outcome = OTHER


def outcome_of_response(
    response: Any, error: BaseException | None, broken: BaseException | None = None, is_judged: bool = False
) -> float:
    """OK, or the kind of a failed request of Locust's HTTP clients: what happened to the response comes first.

    Args:
        response: as Locust's event has it. Its status is 0 where there was no response.
        error: the exception of the event: the client's, or that of the scenario's ``response.failure``.
        broken: what ended the response before it was whole, as far as it is known apart from ``error``.
        is_judged: whether the scenario had the response before the event. Then ``error`` may be any of its objects.
    """
    status = _status(response)
    if error is not None and (status >= REDIRECT_STATUS or _is_about_status(status, error)):
        return min(float(status), HIGHEST_STATUS)
    if broken is not None:
        return kind_of_exception(broken)
    if error is None:
        return OK
    if status > 0 and getattr(error, "failure_kind", None) == KIND_NAMES[DIFFERENT]:
        return DIFFERENT
    if status > 0 and is_judged:
        return BY_SCENARIO
    return kind_of_exception(getattr(response, "error", None) or error)


def client_error(response: Any, error: BaseException | None) -> BaseException | None:
    """Why a client's call had no whole response; None where it had one, or does not say.

    Args:
        response: as Locust's clients return it for a with block.
        error: the exception that it would report now.
    """
    error = error or getattr(response, "error", None)
    return None if _is_about_status(_status(response), error) else error


def kind_of_own(response: Any, error: BaseException) -> float:
    """The kind of a failure that a locustfile fired itself. ``response`` is any object of its own client, or None."""
    status = _status(response)
    return min(float(status), HIGHEST_STATUS) if status >= REDIRECT_STATUS else kind_of_exception(error)


def kind_of_exception(error: BaseException) -> float:
    """The kind of an exception: of the most exact cause in its chain."""
    kinds = [kind for one in _chain(error) if (kind := _kind_of_one(one)) is not None]
    # The innermost error is the system's, the outer ones are those of libraries.
    return kinds[-1] if kinds else OTHER


def _is_about_status(status: int, error: Any) -> bool:
    """Whether FastHttpUser's client refused the status of a response, as it does with 300 and 305."""
    return status >= LOWEST_STATUS and isinstance(error, ClientError) and getattr(error, "code", None) is not None


def _status(response: Any) -> int:
    status = getattr(response, "status_code", 0)
    return status if isinstance(status, int) else 0


def _kind_of_one(error: BaseException) -> float | None:
    if isinstance(error, KnownError):
        return error.outcome
    if isinstance(error, HTTPParseError) and len(error.args) < PARSER_ARGUMENTS:
        return RESET
    for types, kind in BY_TYPE:
        if isinstance(error, types):
            return kind
    return BY_ERRNO.get(error.errno) if isinstance(error, OSError) and error.errno is not None else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it wraps, from the outside to the inside."""
    seen: list[BaseException] = []
    one: Any = error
    while isinstance(one, BaseException) and one not in seen and len(seen) < MAX_CHAIN:
        seen.append(one)
        yield one
        wrapped = (getattr(one, "original", None), getattr(one, "reason", None), *one.args[:2])
        one = next((part for part in wrapped if isinstance(part, BaseException)), one.__cause__)
