"""Requests to servers on this machine only."""

import http.client
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from swarmsweep.errors import LabError

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Response:
    """The response of a server; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def require_loopback(url: str) -> None:
    """Raise LabError unless the host is a loopback address written as a number, because a name can lead anywhere."""
    host = urlsplit(url).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise LabError(f"{url}: a benchmark loads addresses of 127.0.0.0/8 only, not {host!r}")


def send_request(url: str, body: bytes | None = None) -> Response:
    """Send GET, or POST with a JSON body.

    Raises:
        LabError: the host is not loopback.
        OSError, http.client.HTTPException: there was no response.
    """
    require_loopback(url)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", parts.path, body, headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
