"""What all searches on Locust's master have in common: their greenlet, lost workers, errors, and their end."""

import logging
import time
from pathlib import Path
from typing import Any

import gevent
import locust
from locust import events
from search import PROFILES, Search, Step

from loadgen.common.ended import EndMark
from loadgen.common.live import Live
from loadgen.common.outputs import write_json
from loadgen.common.workers import Workers, quit_locust
from loadgen.master.probes import ProbeError
from loadgen.master.search_record import SearchRecord

logger = logging.getLogger("conductor")


class SearchConductor:
    """Runs the search from its own greenlet, writes the files, and ends Locust.

    A subclass makes the probes: see `prepare`, `load` and `counts`.

    Args:
        environment: Locust's.
        directory: where the files go.
        order: of the search, as it is stored. It has ``profile`` and ``workers``.
        search: says which probe comes next.
        workers: those that must stay.
    """

    def __init__(self, environment: Any, directory: Path, order: Any, search: Search, workers: Workers) -> None:
        self.environment, self.runner, self.order = environment, environment.runner, order
        self.search, self.workers = search, workers
        self.times: dict[str, float | None] = dict.fromkeys(("spawn_started", "spawn_complete", "stopped"))
        self.is_over = False
        self.record = SearchRecord(directory, order, PROFILES[order.profile])
        self._directory = directory
        self._mark = EndMark(directory)
        self.live = Live(environment, directory)
        self._greenlet: gevent.Greenlet | None = None
        events.test_start.add_listener(self.on_test_start)
        events.spawning_complete.add_listener(self.on_spawning_complete)
        events.quitting.add_listener(self._on_quitting)

    def prepare(self) -> None:
        """Wait until the first probe can be made. Raises `ProbeError` where it cannot."""
        raise NotImplementedError

    def load(self, step: Step, number: int) -> None:
        """Make one probe, judge it, and store it. Raises `ProbeError` where it is not a valid measurement."""
        raise NotImplementedError

    def counts(self) -> dict[str, Any]:
        """The values of timeline.json that differ: at least users, requests_recorded and questions."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin the search."""
        self._greenlet = gevent.spawn(self._conduct)

    def refuse_lost_workers(self, when: str) -> None:
        """Raise `ProbeError` if a worker was lost."""
        self.workers.refresh()
        if lost := self.workers.lost:
            raise ProbeError(f"{lost} of {self.order.workers} workers were lost {when}")

    def refuse_missing_reports(self, summary: dict[str, Any], number: int) -> None:
        """Raise `ProbeError` if a worker reported nothing."""
        if summary["workers_reported"] < self.order.workers:
            raise ProbeError(f"probe {number}: {summary['workers_reported']} of {self.order.workers} workers reported")

    def fail(self, error: str) -> None:
        """Record why the search has no result."""
        logger.error("%s", error)
        self.record.error = error
        self.environment.process_exit_code = 1

    def end(self) -> None:
        """Write the files, and end Locust."""
        self.write_end()
        quit_locust(self.environment, self.workers)

    def write_end(self) -> None:
        """Write what is known at the end. Safe to repeat."""
        if self.is_over:
            return
        self.is_over = True
        self.live.stop()
        counts = self.counts()
        self.times["stopped"] = self.record.stop()
        window_start, window_end = self.record.windows
        timeline = {
            "schema": 1,
            "mode": "capacity",
            "workers_expected": self.workers.expected,
            "workers_connected": self.workers.connected,
            "workers_lost": self.workers.lost,
            **self.times,
            "window_start": window_start,
            "window_end": window_end,
            "requests_reported": self.runner.stats.total.num_requests,
            "locust_version": locust.__version__,
            **counts,
        }
        write_json(self._directory / "timeline.json", timeline)
        if self.record.error is None:
            self._mark.write()

    def _announce(self, step: Step, number: int) -> None:
        """Show the probe that begins in the live file."""
        by = self.order.by
        offered, unit = step.rate_rps, "iterations/s" if by else "requests/s"
        if step.users is not None:
            offered, unit = step.users, "users"
        elif step.rate_rps is None:
            offered, unit = step.connections, "users" if by else "connections"
        self.live.enter(step.purpose, step.seconds, probe=number, offered=offered, offered_unit=unit)

    def on_test_start(self, **_: Any) -> None:
        """Locust starts users."""
        self.times["spawn_started"] = time.time()

    def on_spawning_complete(self, **_: Any) -> None:
        """Locust has started them. It fires this again when it starts the user of a lost worker elsewhere."""
        if self.times["spawn_complete"] is None:
            self.times["spawn_complete"] = time.time()

    def _on_quitting(self, **_: Any) -> None:
        if not self.is_over:
            if self._greenlet is not None:
                self._greenlet.kill(block=False)
            self.fail("Locust received a signal to quit before the search ended")
            self.write_end()

    def _conduct(self) -> None:
        try:
            self.live.start()
            self.prepare()
            self.record.start()
            while step := self.search.next():
                number = len(self.record.trials) + 1
                self._announce(step, number)
                self.load(step, number)
                self.live.enter("pause")
            self.record.ended = self.search.ended
        except (ProbeError, ValueError) as error:
            self.fail(str(error))
        except Exception as error:
            logger.exception("the search failed")
            self.fail(repr(error))
        self.end()
