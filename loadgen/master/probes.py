"""The master's part of open-loop load: orders probes of all workers and waits for their reports. See open/order.py.

    probes = Probes(environment)             # on the master, or alone, when Locust initialises
    probes.wait_ready(workers, 60)           # once the users have been started, one per worker
    summary = probes.run("poisson", {"p95_ms": 300}, rate_rps=200, seconds_settle=8, seconds_measure=60, seed=7)

`run` blocks its greenlet. merge.py says what a merged summary has.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gevent
from locust.runners import STATE_MISSING, MasterRunner

from loadgen.master.merge import merge
from loadgen.open.order import DONE, DRAIN_MARGIN_SECONDS, LEAD_SECONDS, PROBE, READY, STOP, Order

# Seconds for compressing the files of a long probe, and for messages on a busy network.
HAND_IN_SECONDS = 60.0
POLL_SECONDS = 0.1


class ProbeError(Exception):
    """A probe could not be made; the text names the worker and its reason."""


class Probes:
    """Orders probes, one at a time. Create it when Locust initialises, before any worker reports."""

    def __init__(self, environment: Any) -> None:
        self._runner = environment.runner
        self._distributed = isinstance(self._runner, MasterRunner)
        # Node -> (host, index), in the order of their reports.
        self._ready: dict[str, tuple[str, str]] = {}
        self._done: dict[str, dict[str, Any]] = {}
        self._number = 0
        self._runner.register_message(READY, self._on_ready)
        self._runner.register_message(DONE, self._on_done)

    def wait_ready(self, workers: int, timeout_seconds: float) -> None:
        """Wait until a user is ready on each worker.

        Raises:
            ProbeError: after ``timeout_seconds`` there are fewer.
        """
        deadline = time.monotonic() + timeout_seconds
        while len(self._present()) < workers:
            if time.monotonic() > deadline:
                raise ProbeError(
                    f"{len(self._present())} of {workers} workers are ready after {timeout_seconds:g} s. "
                    "The log of a worker says why it is not ready. "
                    f"Each worker needs a user, so --users must be {workers} or more"
                )
            gevent.sleep(POLL_SECONDS)

    def run(
        self, kind: str, limits_ms: Mapping[str, float] | None = None, trial: int | None = None, **settings: Any
    ) -> dict[str, Any]:
        """One probe by all connected workers; ``settings`` are those of `Order`.

        ``limits_ms``: latencies within which requests are counted, by name. ``trial``: its number; by default, that of
        the last probe and 1.

        Raises:
            ValueError: a setting that is invalid.
            ProbeError: no worker is connected, none reported, or one could not make the probe.
        """
        nodes = self._present()
        if not nodes:
            raise ProbeError("no worker is ready")
        self._number = self._number + 1 if trial is None else trial
        whole = Order(self._number, kind, workers=len(nodes), **settings)
        self._done.clear()
        for number, node in enumerate(nodes):
            order = dataclasses.asdict(dataclasses.replace(whole, worker=number))
            self._runner.send_message(PROBE, order, node if self._distributed else None)
        self._wait(nodes, whole)
        reports = [self._done[node] for node in nodes if node in self._done]
        for node, report in self._done.items():
            if "error" in report:
                raise ProbeError(f"probe {whole.trial} on {'/'.join(self._ready[node])}: {report['error']}")
        if not reports:
            raise ProbeError(f"probe {whole.trial}: none of {len(nodes)} workers reported")
        return merge(whole, reports, limits_ms or {})

    def stop(self) -> None:
        """End the running probe, from another greenlet; `run` returns the result so far, marked as stopped."""
        for node in self._present():
            self._runner.send_message(STOP, {"trial": self._number}, node if self._distributed else None)

    def _on_ready(self, msg: Any, **_: Any) -> None:
        self._ready[msg.node_id] = (msg.data["host"], msg.data["index"])

    def _on_done(self, msg: Any, **_: Any) -> None:
        # A late report of an earlier probe must not be taken for one of this probe.
        if msg.data.get("trial") == self._number:
            self._done[msg.node_id] = msg.data

    def _present(self) -> list[str]:
        """Nodes that can make load, by host and index, so that the same worker gets the same part each time."""
        if not self._distributed:
            return list(self._ready)
        there = {worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING}
        return sorted(self._ready.keys() & there, key=lambda node: (self._ready[node], node))

    def _wait(self, nodes: Sequence[str], order: Order) -> None:
        longest = LEAD_SECONDS + order.seconds_settle + order.seconds_measure + order.timeout_seconds
        deadline = time.monotonic() + longest + DRAIN_MARGIN_SECONDS + HAND_IN_SECONDS
        while time.monotonic() < deadline and set(self._present()) & set(nodes) - self._done.keys():
            gevent.sleep(POLL_SECONDS)
