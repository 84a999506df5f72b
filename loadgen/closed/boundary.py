"""Keep the load in the lab: a request to another address than --host is a failure, and opens no connection.

A redirect or an absolute URL can lead anywhere, for example to a production system that an API names in its redirects.
Every hop of HttpUser (requests) and FastHttpUser (geventhttpclient) is compared with the scheme, host and port of
--host. A proxy counts as another address. Blocked requests are counted by target, without path and query, which may
contain secrets. The firewall of the load host (see tasks/firewall.yml of the role) blocks requests of other clients.
"""

import ipaddress
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy

from loadgen.closed.failure_kind import KnownError
from loadgen.shared.request_record import BLOCKED

# The part of a URL that urllib3, which requests uses to connect, takes for user, host and port. It ends at a backslash
# too.
AUTHORITY = re.compile(r"[^\\/?#]*")
DEFAULT_PORTS = {"http": 80, "https": 443}
# The number of targets that are named. A server that redirects each request to another host would fill the memory.
MAX_TARGETS = 50
# A host name has at most 253 characters (RFC 1035). A longer text is not a name, and only fills the page.
MAX_CHARACTERS = 280
# The number of cached spellings of the lab's address, such as with and without a user's name.
MAX_SPELLINGS = 64


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in one spelling: lower case, no user, no final dot, always with the port."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
        port = DEFAULT_PORTS.get(scheme, 0) if parts.port is None else parts.port
    except ValueError:
        return "(a URL that cannot be read)"
    try:
        address = ipaddress.ip_address(host)
        host = f"[{address}]" if address.version == 6 else str(address)
    except ValueError:
        pass
    return f"{scheme}://{host}:{port}"[:MAX_CHARACTERS]


class LeftLabError(KnownError, OSError):
    """The error for FastHttpUser. Its text is the same for all requests to one target."""

    outcome = BLOCKED


class LeftLabRequestError(KnownError, requests.RequestException):
    """The same error for HttpUser."""

    outcome = BLOCKED


class Boundary:
    """The allowed address, and the blocked requests.

    ``blocked`` counts requests by their target. ``passed`` counts those that went to the network, of all clients that
    are guarded; each hop of a redirect is one.
    """

    def __init__(self, environment: Any) -> None:
        self.blocked: Counter[str] = Counter()
        self.passed = 0
        self._environment = environment
        self._inside: set[tuple[str, str]] = set()
        self._lab = ""
        self._settle()

    def outside(self, scheme: str, netloc: str) -> str | None:
        """Why a request may not go to ``scheme``://``netloc``, which is then counted; None if it may."""
        if (scheme, netloc) in self._inside:
            return None
        target = origin(f"{scheme}://{netloc}")
        if target != self._settle():
            return self.block(target)
        if len(self._inside) < MAX_SPELLINGS:
            self._inside.add((scheme, netloc))
        return None

    def block(self, target: str) -> str:
        """Count a request that may not be sent; return the text of its error."""
        known = target in self.blocked or len(self.blocked) < MAX_TARGETS
        self.blocked[target if known else "(other targets)"] += 1
        return f"not sent to {target}: the load may not leave the lab, whose address is {self._lab or 'not known'}"

    def _settle(self) -> str:
        """Set the lab's address. A worker may receive it only with the order to start; after that it never changes."""
        if not self._lab:
            options = self._environment.parsed_options
            host = getattr(options, "host", None) or self._environment.host
            self._lab = origin(host) if host else ""
        return self._lab


def guard(environment: Any) -> Boundary:
    """Block requests to addresses outside the lab from now on. Returns the boundary with its live counts."""
    # Imported here, because importing Locust changes sockets and threads of the whole process.
    from locust.contrib.fasthttp import LocustUserAgent

    boundary = Boundary(environment)
    send_fast, send = LocustUserAgent._urlopen, requests.Session.send

    def guarded_fast(agent: Any, request: Any) -> Any:
        url = request.url_split
        if reason := boundary.outside(url.scheme, url.netloc):
            raise LeftLabError(reason)
        settings = agent.clientpool.client_args
        if proxy := settings.get("proxy_host"):
            raise LeftLabError(boundary.block(origin(f"http://{proxy}:{settings.get('proxy_port') or 80}")))
        boundary.passed += 1
        return send_fast(agent, request)

    def guarded(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        scheme, _, rest = (request.url or "").partition("://")
        reason = boundary.outside(scheme, AUTHORITY.match(rest).group())
        if reason is None and (proxy := select_proxy(request.url, options.get("proxies"))):
            reason = boundary.block(origin(proxy if "://" in proxy else f"http://{proxy}"))
        if reason:
            raise LeftLabRequestError(reason)
        boundary.passed += 1
        return send(session, request, **options)

    LocustUserAgent._urlopen = guarded_fast
    requests.Session.send = guarded
    return boundary
