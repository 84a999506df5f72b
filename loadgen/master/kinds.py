"""What a search with the lean client and one with iterations of any scenario do differently on the master."""

import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any, Protocol

import gevent
from locust.runners import MasterRunner

from loadgen.closed.master_requests import MasterRequests
from loadgen.closed.unloaded import ENOUGH
from loadgen.iterations.pool import PoolError, shares_of
from loadgen.master.probes import ProbeError, Probes
from loadgen.master.recovery import MAX_SECONDS, MIN_SECONDS, PAUSE_SECONDS, Recovery
from loadgen.master.search_order import SearchOrder
from loadgen.open.user import OpenLoopUser

logger = logging.getLogger("conductor")

# The number of a probe whose figures are in no file of the search.
UNCOUNTED = 0
# Seconds of such a probe: a few responses of an API that keeps its limits.
RECOVERY_SECONDS = 0.5


class Kind(Protocol):
    """One of the two searches."""

    requests_sent: int

    def refusal(self, classes: list[type]) -> str | None:
        """Why these classes of users are not suitable; None where they are."""

    def prepare(self) -> None:
        """All workers are ready."""

    def most_in_flight(self, rate: float | None) -> int:
        """Requests or iterations that a worker may have in progress at this rate."""

    def add(self, summary: Mapping[str, Any]) -> None:
        """A probe is over."""

    def waited_seconds(self, summary: Mapping[str, Any]) -> float:
        """How long the workers waited before the probe until they could make its load."""

    def sent(self, summaries: int) -> int:
        """The requests that all probes so far have recorded; ``summaries`` of them are in their summaries."""

    def wait(self, within_seconds: float) -> None:
        """After an overload: wait until the API responds within this time again, for some seconds at most."""

    def timeline(self) -> dict[str, Any]:
        """Further values of timeline.json."""


class LeanKind:
    """Requests of the lean client. ``requests_sent``: recovery probes of the master."""

    def __init__(self, environment: Any, order: SearchOrder) -> None:
        self._environment, self._order = environment, order
        self._recovery: Recovery | None = None

    @property
    def requests_sent(self) -> int:
        return self._recovery.requests_sent if self._recovery is not None else 0

    def refusal(self, classes: list[type]) -> str | None:
        wrong = sorted(user.__name__ for user in classes if not issubclass(user, OpenLoopUser))
        if not wrong and len(classes) == 1:
            return None
        names = ", ".join(wrong) or ", ".join(user.__name__ for user in classes) or "none"
        return f"the scenario must hold exactly one OpenLoopUser, and no other user; found: {names}"

    def prepare(self) -> None:
        self._recovery = Recovery(self._environment.user_classes[0], self._environment.host or "")

    def most_in_flight(self, rate: float | None) -> int:
        return self._order.most_in_flight(rate)

    def add(self, summary: Mapping[str, Any]) -> None:
        pass

    def waited_seconds(self, summary: Mapping[str, Any]) -> float:
        return 0.0

    def sent(self, summaries: int) -> int:
        return summaries

    def wait(self, within_seconds: float) -> None:
        if self._recovery is not None:
            self._recovery.wait(within_seconds)

    def timeline(self) -> dict[str, Any]:
        return {}


class ArrivalsKind:
    """Iterations of any scenario. Workers count all requests, also those of recovery, so ``requests_sent`` is 0."""

    requests_sent = 0

    def __init__(self, environment: Any, order: SearchOrder, probes: Probes) -> None:
        self._order, self._probes = order, probes
        is_master = isinstance(environment.runner, MasterRunner)
        self._requests = MasterRequests(environment) if is_master else None
        if is_master:
            # The recorder of a worker reports that its probe of one user is over, which is not made here.
            environment.runner.register_message(ENOUGH, lambda **_: None)
        # Of the last probe: requests of an iteration, and its seconds.
        self._requests_each, self._seconds_each = 1.0, 0.0
        self._recorded: int | None = None

    def refusal(self, classes: list[type]) -> str | None:
        wrong = sorted(user.__name__ for user in classes if issubclass(user, OpenLoopUser))
        if wrong or not classes:
            return f"load.by: arrivals needs users that make requests themselves; found: {', '.join(wrong) or 'none'}"
        try:
            shares_of(classes)
        except PoolError as error:
            return str(error)
        return None

    def prepare(self) -> None:
        pass

    def most_in_flight(self, rate: float | None) -> int:
        return self._order.most_in_flight(rate, self._requests_each, self._seconds_each)

    def add(self, summary: Mapping[str, Any]) -> None:
        measured = summary["measured"]
        iterations = measured["iterations"]
        if iterations["without_request"] and not measured["offered"]:
            raise ProbeError(
                "no iteration sent a request with a client of Locust (HttpUser, FastHttpUser). "
                "Use load.by: users for other clients"
            )
        if iterations["due"] and iterations["seconds_mean"] is not None:
            self._requests_each = max(1.0, measured["offered"] / iterations["due"])
            self._seconds_each = iterations["seconds_mean"]
        self._recorded = summary["recorded"]

    def waited_seconds(self, summary: Mapping[str, Any]) -> float:
        """For the ``on_start`` of further users, which is a load of the API, too."""
        return summary["measured"]["iterations"]["waited_seconds"]

    def sent(self, summaries: int) -> int:
        return summaries if self._recorded is None else self._recorded

    def wait(self, within_seconds: float) -> None:
        deadline = monotonic() + MAX_SECONDS
        gevent.sleep(MIN_SECONDS)
        while (left := deadline - monotonic()) > 0:
            summary = self._probes.run(
                "closed",
                {"limit": within_seconds * 1000},
                trial=UNCOUNTED,
                connections=1,
                seconds_measure=RECOVERY_SECONDS,
                timeout_seconds=max(left, within_seconds),
                most_in_flight=1,
            )
            self._recorded = summary["recorded"]
            if summary["stopped"] or 0 < summary["measured"]["offered"] == summary["within_limits"]["limit"]:
                return
            gevent.sleep(PAUSE_SECONDS)
        logger.warning(
            "waited %g s, but the API still does not respond correctly within %g s", MAX_SECONDS, within_seconds
        )

    def timeline(self) -> dict[str, Any]:
        return {} if self._requests is None else self._requests.summary()
