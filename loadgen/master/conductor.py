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
import time
from pathlib import Path
from typing import Any

import gevent
import locust
from locust import events
from locust.runners import WorkerRunner
from search import BAD, GENERATOR, PROFILES, Search, Step

from loadgen.common.ended import EndMark
from loadgen.common.outputs import output_directory, write_json
from loadgen.common.workers import Workers, quit_locust, wait_for_start
from loadgen.master.kinds import ArrivalsKind, LeanKind
from loadgen.master.probes import ProbeError, Probes
from loadgen.master.search_order import SearchOrder
from loadgen.master.search_record import SearchRecord

logger = logging.getLogger("conductor")

# Seconds for all users to be ready, once the workers are connected.
READY_SECONDS = 30.0


class Conductor:
    """Runs the search from its own greenlet, writes the files, and ends Locust.

    Raises:
        ValueError: a setting of the order is invalid.
    """

    def __init__(self, environment: Any, directory: Path, order: SearchOrder) -> None:
        self._environment, self._directory, self._order = environment, directory, order
        profile = PROFILES[order.profile]
        self._search = Search(profile, order.slo, order.connections, order.arrivals, order.max_rps)
        self._probes = Probes(environment)
        self._workers = Workers(environment, on_lost=self._probes.stop)
        self._kind = ArrivalsKind(environment, order, self._probes) if order.by else LeanKind(environment, order)
        self._times: dict[str, float | None] = dict.fromkeys(("spawn_started", "spawn_complete", "stopped"))
        self._sent = 0
        self._is_over = False
        self._greenlet: gevent.Greenlet | None = None
        self._mark = EndMark(directory)
        self._record = SearchRecord(directory, order, profile)
        events.test_start.add_listener(self._on_test_start)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.quitting.add_listener(self._on_quitting)

    def begin(self) -> None:
        """Start when all users are ready. If the scenario is not suitable, end at once.

        Raises:
            SystemExit: it is not suitable.
        """
        self._workers.watch()
        classes = self._environment.user_classes
        if refusal := self._kind.refusal(classes):
            # Checked before Locust starts users that could not be stopped in time.
            self._fail(refusal)
            self._end()
            sys.exit(1)
        self._greenlet = gevent.spawn(self._conduct)

    def _on_test_start(self, **_: Any) -> None:
        self._times["spawn_started"] = time.time()

    def _on_spawning_complete(self, **_: Any) -> None:
        # Fired again when Locust starts the user of a lost worker elsewhere.
        if self._times["spawn_complete"] is None:
            self._times["spawn_complete"] = time.time()

    def _on_quitting(self, **_: Any) -> None:
        if not self._is_over:
            if self._greenlet is not None:
                self._greenlet.kill(block=False)
            self._fail("Locust received a signal to quit before the search ended")
            self._write_end()

    def _conduct(self) -> None:
        try:
            self._probes.wait_ready(self._order.workers, READY_SECONDS)
            self._kind.prepare()
            self._record.start()
            while step := self._search.next():
                self._load(step)
            self._record.ended = self._search.ended
        except (ProbeError, ValueError) as error:
            self._fail(str(error))
        except Exception as error:
            logger.exception("the search broke")
            self._fail(repr(error))
        self._end()

    def _load(self, step: Step) -> None:
        """Make one probe, judge it, and store it.

        Raises:
            ProbeError: it is not a valid measurement.
        """
        order, number = self._order, len(self._record.trials) + 1
        self._refuse_lost_workers(f"before probe {number}")
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
        self._refuse_lost_workers(f"in probe {number}")
        if summary["workers_reported"] < order.workers:
            raise ProbeError(f"probe {number}: {summary['workers_reported']} of {order.workers} workers reported")
        if summary["stopped"]:
            raise ProbeError(f"probe {number}: {summary['stopped']}")
        self._kind.add(summary)
        judgement = self._search.add(step, summary)
        logger.info("Probe %d, %s: %s, %s", number, _words(step), judgement.verdict, judgement.reason)
        self._record.add(step, summary, judgement, step.seconds)
        if judgement.verdict in (BAD, GENERATOR):
            self._kind.wait(order.max_latency_seconds)

    def _refuse_lost_workers(self, when: str) -> None:
        self._workers.refresh()
        if lost := self._workers.lost:
            raise ProbeError(f"{lost} of {self._order.workers} workers were lost {when}: see their logs")

    def _fail(self, error: str) -> None:
        logger.error("%s", error)
        self._record.error = error
        self._environment.process_exit_code = 1

    def _end(self) -> None:
        self._write_end()
        quit_locust(self._environment, self._workers)

    def _write_end(self) -> None:
        self._is_over = True
        self._times["stopped"] = self._record.stop()
        window_start, window_end = self._record.windows
        timeline = {
            "schema": 1,
            "mode": "capacity",
            "users": self._order.workers,
            "workers_expected": self._workers.expected,
            "workers_connected": self._workers.connected,
            "workers_lost": self._workers.lost,
            **self._times,
            "window_start": window_start,
            "window_end": window_end,
            # The two differ only if a worker was lost. The recovery probes of the master are additional.
            "requests_recorded": self._kind.sent(self._sent),
            "requests_reported": self._environment.runner.stats.total.num_requests,
            "questions": self._kind.requests_sent,
            "locust_version": locust.__version__,
            **self._kind.timeline(),
        }
        write_json(self._directory / "timeline.json", timeline)
        if self._record.error is None:
            self._mark.write()


def _words(step: Step) -> str:
    connections = "1 connection" if step.connections == 1 else f"{step.connections} connections"
    load = connections if step.rate_rps is None else f"{step.rate_rps:g} requests/s"
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
