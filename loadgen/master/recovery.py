"""Waits after an overload until the API responds in time again, so that no probe begins with the queue of the last one.

A request that has timed out is over for the generator, but the API may still work on it. The master sends one recovery
probe after the other, of the scenario's own kind. They are neither in Locust's statistics nor in the files of requests.
Their number is in timeline.json, for a comparison with the counters of the proxy.
"""

import logging
from time import monotonic
from typing import Any

import gevent
from gevent.event import AsyncResult

from loadgen.open.lean_http import Client, Target, encode, resolve
from loadgen.open.user import OpenLoopUser
from loadgen.shared.request_record import OK

logger = logging.getLogger("recovery")

# The minimum wait in seconds after an overload. Connections are closed and sockets of the server drained meanwhile.
MIN_SECONDS = 1.0
# The maximum wait in seconds. A longer queue comes from requests that wait longer than any timeout.
MAX_SECONDS = 10.0
# Seconds between a recovery probe with a late or bad response and the next one.
PAUSE_SECONDS = 0.25


class Recovery:
    """Sends recovery probes for one scenario. ``requests_sent`` is their number (``questions`` in timeline.json).

    Raises:
        ValueError: the target is invalid, see `lean_http.resolve`.
    """

    def __init__(self, user: type[OpenLoopUser], host: str) -> None:
        self._user = user
        self._target: Target = resolve(user.host or host)
        body = user.payloads[0]
        self._request = encode(self._target, user.method, user.path, user.headers if body is not None else {}, body)
        self.requests_sent = 0

    def wait(self, within_seconds: float) -> None:
        """Wait until one recovery probe has a good response in time, or for `MAX_SECONDS`."""
        deadline = monotonic() + MAX_SECONDS
        gevent.sleep(MIN_SECONDS)
        while (left := deadline - monotonic()) > 0:
            outcome, seconds = self._request_once(max(left, within_seconds))
            if outcome == OK and seconds <= within_seconds:
                return
            gevent.sleep(PAUSE_SECONDS)
        logger.warning(
            "waited %g s, but the API still does not respond correctly within %g s", MAX_SECONDS, within_seconds
        )

    def _request_once(self, timeout_seconds: float) -> tuple[float, float]:
        response: AsyncResult = AsyncResult()

        def on_done(_: Any, sent: float, end: float, outcome: float, *__: Any) -> None:
            response.set((outcome, end - sent))

        client = Client(self._target, self._user.check, on_done, timeout_seconds)
        self.requests_sent += 1
        try:
            client.send(self._request, None)
            return response.get()
        finally:
            client.close()
