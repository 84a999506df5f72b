"""Finds the highest rate at which an API holds its SLO: a search on Locust's master, over probes by all workers.

Locust loads it by entry/conductor.py, on the master only; a Locust without workers does both. One user per worker must
be started. search/ says which probe comes next and judges it, probes.py makes it.
Settings are environment variables:

SWEEP_SEARCH       JSON, see search_order.py
SWEEP_OUTPUT_DIR   where the files go
SWEEP_START_FILE   see common/workers.py

Files, all of which appear whole or not at all:

trial-<n>.json     what `Probes.run` returned
capacity.json      order, profile and judged probes so far; written after each of them, so that a search that is
                   interrupted leaves what it has. ``ended`` says why a search came to its end, ``error`` why it did not
timeline.json      when it all was, which workers took part, and how many requests were sent and counted
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from locust.runners import WorkerRunner
from search import BAD, GENERATOR, PROFILES, Search, Step

from loadgen.common.outputs import output_directory
from loadgen.common.workers import Workers, wait_for_start
from loadgen.master.kinds import ArrivalsKind, LeanKind
from loadgen.master.probes import ProbeError, Probes
from loadgen.master.search_conductor import SearchConductor
from loadgen.master.search_order import SearchOrder

logger = logging.getLogger("conductor")

# Seconds for all users to be ready, once the workers are connected.
READY_SECONDS = 30.0


class Conductor(SearchConductor):
    """A search over the rates of the lean client, or of iterations.

    Raises:
        ValueError: a setting of the order is invalid.
    """

    def __init__(self, environment: Any, directory: Path, order: SearchOrder) -> None:
        search = Search(PROFILES[order.profile], order.slo, order.connections, order.arrivals, order.max_rps)
        self._probes = Probes(environment)
        self._kind = ArrivalsKind(environment, order, self._probes) if order.by else LeanKind(environment, order)
        self._sent = 0
        super().__init__(environment, directory, order, search, Workers(environment, on_lost=self._probes.stop))

    def begin(self) -> None:
        """Start when all users are ready. If the scenario is not suitable, end at once.

        Raises:
            SystemExit: it is not suitable.
        """
        self.workers.watch()
        if refusal := self._kind.refusal(self.environment.user_classes):
            # Checked before Locust starts users that could not be stopped in time.
            self.fail(refusal)
            self.end()
            sys.exit(1)
        self.start()

    def prepare(self) -> None:
        """Wait for the users of all workers."""
        self._probes.wait_ready(self.order.workers, READY_SECONDS)
        self._kind.prepare()

    def load(self, step: Step, number: int) -> None:
        """Order one probe of all workers."""
        order = self.order
        self.refuse_lost_workers(f"before probe {number}")
        summary = self._probes.run(
            step.kind,
            order.limits_ms,
            rate_rps=step.rate_rps,
            connections=step.connections,
            seconds_settle=step.seconds_settle,
            seconds_measure=step.seconds_measure,
            seed=order.seed_of(number),
            timeout_seconds=order.timeout_seconds,
            trial=number,
            most_in_flight=self._kind.most_in_flight(step.rate_rps),
        )
        self._sent += sum(summary[name] for name in ("ok", "failed", "timed_out"))
        self.refuse_lost_workers(f"in probe {number}")
        self.refuse_missing_reports(summary, number)
        if summary["stopped"]:
            raise ProbeError(f"probe {number}: {summary['stopped']}")
        self._kind.add(summary)
        seconds = step.seconds + self._kind.waited_seconds(summary)
        judgement = self.search.add(step, summary, seconds)
        logger.info("Probe %d, %s: %s, %s", number, self._words(step), judgement.verdict, judgement.reason)
        self.record.add(step, summary, judgement, seconds)
        if judgement.verdict in (BAD, GENERATOR):
            self.live.enter("pause")
            self._kind.wait(order.max_latency_seconds)

    def counts(self) -> dict[str, Any]:
        """One user for each worker."""
        return {
            "users": self.order.workers,
            # It differs from requests_reported only if a worker was lost. The recovery probes of the master are
            # additional.
            "requests_recorded": self._kind.sent(self._sent),
            "questions": self._kind.requests_sent,
            **self._kind.timeline(),
        }

    def _words(self, step: Step) -> str:
        unit = "iterations/s" if self.order.by else "requests/s"
        connections = "1 connection" if step.connections == 1 else f"{step.connections} connections"
        load = connections if step.rate_rps is None else f"{step.rate_rps:g} {unit}"
        return f"{step.purpose} with {load} for {step.seconds_measure:g} s"


def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Start the search, on the master."""
    if isinstance(runner, WorkerRunner):
        return
    text = os.environ.get("SWEEP_SEARCH", "")
    try:
        conductor = Conductor(environment, output_directory(), SearchOrder.from_json(text))
    except ValueError as error:
        sys.exit(f"conductor: SWEEP_SEARCH is {text!r}: {error}")
    wait_for_start(environment)
    conductor.begin()
