"""Tracks requests of Locust's HTTP clients without a response, and those that never reach Locust's statistics.

Locust fires an event when a request has ended. If the user is killed at the end of a test, its request ends without an
event. The same happens when a scenario raises within ``with self.client.get(..., catch_response=True)``. Without this
module, both would be missing from every figure, the slowest ones first.
"""

import time
from collections.abc import Callable
from typing import Any

from gevent import GreenletExit, getcurrent
from locust import clients
from locust.contrib import fasthttp

from loadgen.closed.boundary import LeftLabError, LeftLabRequestError
from loadgen.closed.broken_body import broken_by
from loadgen.closed.failure_kind import client_error, kind_of_exception, outcome_of_response
from loadgen.shared.request_record import ERROR_STATUS

# For each client: its session, the response for a with block, and the method that sends each hop.
CLIENTS = (
    (clients.HttpSession, clients.ResponseContextManager, clients.HttpSession, "send"),
    (fasthttp.FastHttpSession, fasthttp.ResponseContextManager, fasthttp.LocustUserAgent, "_urlopen"),
)
# Where a client says no more than that there was no response.
UNKNOWN = Exception()


class Request:
    """One call of a client, with the ``method`` and the ``name`` that Locust would report.

    ``latency_ms`` is set once the client has returned. ``error`` says why it never returned, None where the load ended
    first. ``failure`` is the kind of its failure, None if it has not failed. ``broken`` is what ended its response
    before it was whole, None as long as nothing did. ``has_lost_hop``: its last hop had no response. ``is_setup``: it
    belongs to no task, but to ``on_start`` or ``on_stop``.
    """

    __slots__ = (
        *("broken", "error", "failure", "has_lost_hop", "is_named", "is_reported", "is_sent", "is_setup", "latency_ms"),
        *("method", "name", "start_seconds"),
    )

    def __init__(self, is_setup: bool, method: Any, url: Any, name: Any) -> None:
        self.start_seconds = time.time()
        self.is_setup = is_setup
        self.method, self.name = method, name or url
        self.is_named = bool(name)
        self.latency_ms: float | None = None
        self.is_sent = False
        self.has_lost_hop = False
        self.error: str | None = None
        self.failure: float | None = None
        self.broken: BaseException | None = None
        self.is_reported = False

    def outcome(self, response: Any, error: BaseException | None) -> float:
        """The outcome of a request that Locust reports with this response and exception."""
        return outcome_of_response(response, error, self.broken, is_judged=self.latency_ms is not None)


class InFlight:
    """Tracks both clients of this process, from its creation on.

    Args:
        event: Locust's event of a request. A session with another event is ignored.
        on_lost: called with a request that Locust will never report, as soon as that is known.
        is_setup: whether a request that begins now belongs to ``on_start`` or ``on_stop``.

    ``sent`` counts what the clients gave to the network. A request has further hops, counted in ``redirects``, where
    the client follows a redirect, and in ``retries``, where it sends the request again after an error.
    """

    def __init__(self, event: Any, on_lost: Callable[[Request], None], is_setup: Callable[[], bool]) -> None:
        self._event, self._on_lost, self._is_setup = event, on_lost, is_setup
        # Called with each request when it begins, and with one that turned out to be no valid call.
        self.on_begin: Callable[[Request], None] = lambda _: None
        self.on_invalid: Callable[[Request], None] = lambda _: None
        self.sent = self.redirects = self.retries = 0
        self._open: dict[int, Request] = {}
        # Greenlet -> the request whose client or with block is running in it. An event from that greenlet belongs to
        # the request.
        self._current: dict[Any, Request] = {}
        for session, response, agent, send in CLIENTS:
            self._watch_session(session)
            self._watch_response(response)
            self._watch_sending(agent, send)

    def is_waiting(self, began_until: float) -> bool:
        """Whether a request that began up to this time (epoch seconds) has no response yet."""
        return any(one.latency_ms is None and one.start_seconds <= began_until for one in self._open.values())

    def not_ended(self) -> list[Request]:
        """Requests without a response, and those whose with block has not ended."""
        return list(self._open.values())

    def on_event(self, url: str | None) -> Request | None:
        """Call this at each of Locust's request events, in the greenlet that fired it, with the event's URL.

        Returns the request of the client of Locust that fired it. Otherwise the scenario fired it itself, perhaps in a
        listener of the client's event. Only the clients give a URL.
        """
        request = self._current.get(getcurrent())
        if request is None or request.is_reported or url is None:
            return None
        request.is_reported = True
        return request

    def close(self) -> None:
        """The load is over: requests that are still open are lost."""
        for request in list(self._open.values()):
            self._end(request)

    def _end(self, request: Request) -> None:
        if self._open.pop(id(request), None) is not None and not request.is_reported:
            self._on_lost(request)

    def _watch_session(self, session: type) -> None:
        original = session.request

        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if client.request_event is not self._event:
                return original(client, *args, **kwargs)
            entry = Request(self._is_setup(), *_method_url_and_name(client, *args, **kwargs))
            greenlet = getcurrent()
            self._open[id(entry)] = entry
            outer, self._current[greenlet] = self._current.get(greenlet), entry
            self.on_begin(entry)
            try:
                response = original(client, *args, **kwargs)
            except BaseException as error:
                if entry.is_sent:
                    # A client turns errors into failures. This one ends its user: it is the scenario's own
                    # gevent.Timeout, or a response that the client cannot read.
                    if not isinstance(error, GreenletExit):
                        entry.error, entry.failure = type(error).__name__, kind_of_exception(error)
                    self._end(entry)
                else:
                    # The call was invalid for the client, for example a URL without a scheme.
                    self._open.pop(id(entry), None)
                    self.on_invalid(entry)
                raise
            finally:
                self._restore(greenlet, outer)
            if entry.is_reported:
                self._open.pop(id(entry), None)
                return response
            # The event is fired when the with block ends.
            meta = getattr(response, "request_meta", {"exception": None})
            entry.name = meta.get("name", entry.name)
            entry.latency_ms = meta.get("response_time", max(0.0, time.time() - entry.start_seconds) * 1000)
            entry.broken = client_error(response, meta["exception"])
            if not 0 < response.status_code < ERROR_STATUS:
                entry.failure = outcome_of_response(response, getattr(response, "error", None) or UNKNOWN)
            if getattr(response, "_catch_response", False):
                response.sweep_request = entry
            else:
                # Nothing heard the event, because the scenario removed the listeners.
                self._end(entry)
            return response

        session.request = request

    def _watch_sending(self, agent: type, name: str) -> None:
        original = getattr(agent, name)

        def send(client: Any, *args: Any, **kwargs: Any) -> Any:
            entry = self._current.get(getcurrent())
            if entry is None:
                return original(client, *args, **kwargs)
            if not entry.is_named:
                # HttpUser names a request by the first path that it sends, with its parameters.
                entry.is_named, entry.name = True, getattr(next(iter(args), None), "path_url", entry.name)
            if entry.is_sent:
                # The hops of requests are nested, and those of geventhttpclient follow each other.
                if entry.has_lost_hop:
                    self.retries += 1
                else:
                    self.redirects += 1
            entry.is_sent, entry.has_lost_hop = True, False
            self.sent += 1
            try:
                return original(client, *args, **kwargs)
            except (LeftLabError, LeftLabRequestError) as error:
                # Each of the nested hops passes the error on, and only the last one was not sent.
                if not getattr(error, "is_counted", False):
                    error.is_counted = True
                    self.sent -= 1
                raise
            except Exception:
                entry.has_lost_hop = True
                raise

        setattr(agent, name, send)

    def _watch_response(self, response: type) -> None:
        original = response.__exit__

        def leave(block: Any, *raised: Any) -> Any:
            entry = getattr(block, "sweep_request", None)
            if entry is None:
                return original(block, *raised)
            # The scenario may have given it another name.
            entry.name = block.request_meta.get("name", entry.name)
            entry.broken = entry.broken or broken_by(block)
            if entry.failure is None and entry.broken is not None:
                entry.failure = kind_of_exception(entry.broken)
            greenlet = getcurrent()
            outer, self._current[greenlet] = self._current.get(greenlet), entry
            try:
                return original(block, *raised)
            finally:
                self._restore(greenlet, outer)
                self._end(entry)

        response.__exit__ = leave

    def _restore(self, greenlet: Any, outer: Request | None) -> None:
        if outer is None:
            del self._current[greenlet]
        else:
            self._current[greenlet] = outer


def _method_url_and_name(
    client: Any, method: Any = None, url: Any = None, name: Any = None, *_: Any, **__: Any
) -> tuple[Any, Any, Any]:
    """Those of a call of ``client.request`` with these arguments. An invalid call may lack some."""
    return method, url, name or client.request_name
