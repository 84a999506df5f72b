"""Finds the highest number of users that holds the SLO: a search on Locust's master, over users of any scenario.

Locust loads it by entry/conductor.py, on the master only, after the scenario and recorder.py. One user must be started;
the search starts and stops the others. search/by_users.py says which number comes next.
Settings are environment variables: those of conductor.py. SWEEP_SEARCH has ``by``, see search_order.py.

The files are those of conductor.py, too. Users go on between two probes, so each request stays in one record for each
worker, from which the controller cuts the windows.
"""

import json
import logging
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gevent
import locust
from gevent.event import Event
from locust import events
from locust.runners import STATE_MISSING, STATE_STOPPED, MasterRunner, WorkerRunner
from search import PROFILES, UNLOADED, Step, UserSearch

from loadgen.closed.master_requests import MasterRequests
from loadgen.closed.order import DONE, PROBE, START_SECONDS, UsersOrder
from loadgen.closed.request_events import stop_counting
from loadgen.closed.timeline import DONE as HANDED_IN
from loadgen.closed.timeline import HAND_IN_SECONDS
from loadgen.closed.unloaded import ENOUGH, OVER
from loadgen.common.ended import EndMark
from loadgen.common.outputs import output_directory, write_json
from loadgen.common.workers import POLL_SECONDS, Workers, quit_locust, wait_for_start
from loadgen.master.merge import merge_users
from loadgen.master.search_order import ARRIVALS, UsersSearchOrder
from loadgen.master.search_record import SearchRecord

logger = logging.getLogger("conductor")

# Seconds for the first user to be started, once the workers are connected.
FIRST_USER_SECONDS = 30.0
# Seconds for a user to end its task, which may have several requests. A longer task would use up the budget.
TASK_SECONDS = 30.0
# Seconds for messages on a busy network, beyond those of a ramp or a probe.
MESSAGE_SECONDS = 10.0


class ProbeError(Exception):
    """A probe could not be made; the text says why."""


class UsersConductor:
    """Runs the search from its own greenlet, writes the files, and ends Locust.

    Raises:
        ValueError: a setting of the order is invalid.
    """

    def __init__(self, environment: Any, directory: Path, order: UsersSearchOrder) -> None:
        self._environment, self._runner = environment, environment.runner
        self._directory, self._order = directory, order
        profile = PROFILES[order.profile]
        self._search = UserSearch(
            profile, order.slo, order.spawn_rate, order.processes, order.think_seconds, order.max_users
        )
        self._workers = Workers(environment)
        self._master = MasterRequests(environment)
        self._mark = EndMark(directory)
        self._record = SearchRecord(directory, order, profile)
        self._times: dict[str, float | None] = dict.fromkeys(
            ("spawn_started", "spawn_complete", "stopped", "unloaded_start", "unloaded_end")
        )
        self._spawned = Event()
        self._is_over = False
        self._reports: dict[str, dict[str, Any]] = {}
        self._handed_in: dict[str, int] = {}
        self._number = 0
        self._most_users = 1
        # Workers receive it with each number of users: a user that is no longer needed ends its task first, so that no
        # request is cut.
        environment.stop_timeout = environment.stop_timeout or max(order.timeout_seconds, TASK_SECONDS)
        events.test_start.add_listener(self._on_test_start)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.quitting.add_listener(self._on_quitting)
        self._runner.register_message(DONE, self._on_done)
        self._runner.register_message(HANDED_IN, self._on_handed_in)
        # The end of the unloaded probe is that of its window.
        self._runner.register_message(ENOUGH, lambda **_: None)

    def _on_test_start(self, **_: Any) -> None:
        self._times["spawn_started"] = time.time()
        self._workers.watch()
        gevent.spawn(self._conduct)

    def _on_spawning_complete(self, **_: Any) -> None:
        if self._times["spawn_complete"] is None:
            self._times["spawn_complete"] = time.time()
            self._spawned.set()

    def _on_done(self, msg: Any, **_: Any) -> None:
        # A late report of an earlier probe must not be taken for one of this probe.
        if msg.data.get("trial") == self._number:
            self._reports[msg.node_id] = msg.data

    def _on_handed_in(self, msg: Any, **_: Any) -> None:
        self._handed_in[msg.node_id] = msg.data["requests"]

    def _on_quitting(self, **_: Any) -> None:
        if not self._is_over:
            self._fail("Locust received a signal to quit before the search ended")
            self._write_end()

    def _conduct(self) -> None:
        try:
            if not self._spawned.wait(FIRST_USER_SECONDS):
                raise ProbeError(f"the first user did not start within {FIRST_USER_SECONDS:g} s")
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
        number, began = self._number + 1, time.monotonic()
        self._refuse_lost_workers(f"before probe {number}")
        self._set_users(step.users)
        summary = self._probe(step)
        seconds = time.monotonic() - began
        self._refuse_lost_workers(f"in probe {number}")
        if summary["workers_reported"] < self._order.workers:
            raise ProbeError(f"probe {number}: {summary['workers_reported']} of {self._order.workers} workers reported")
        judgement = self._search.add(step, summary, seconds)
        self._record.think_seconds = self._search.think_seconds
        words = f"{step.purpose} with {step.users} users for {step.seconds_measure:g} s"
        logger.info("Probe %d, %s: %s, %s", number, words, judgement.verdict, judgement.reason)
        self._record.add(step, summary, judgement, seconds)

    def _set_users(self, users: int) -> None:
        """Start or stop users, and wait until so many run.

        A ramp up must not begin before the users of a ramp down have left: Locust would count them.
        """
        before, self._most_users = self._runner.user_count, max(self._most_users, users)
        if users == before == self._runner.target_user_count:
            return
        # To stop a user is no work for the API, so no ramp is needed.
        rate = max(self._order.spawn_rate, before - users)
        deadline = time.monotonic() + MESSAGE_SECONDS
        deadline += (users - before) / rate if users > before else self._environment.stop_timeout
        self._runner.start(users, rate)
        while self._runner.user_count != users and time.monotonic() < deadline:
            gevent.sleep(POLL_SECONDS)

    def _probe(self, step: Step) -> dict[str, Any]:
        nodes = self._nodes()
        if not nodes:
            raise ProbeError("no worker is ready")
        self._number += 1
        self._reports.clear()
        is_unloaded = step.purpose == UNLOADED
        whole = UsersOrder(
            self._number,
            step.users,
            step.seconds_settle,
            step.seconds_measure,
            self._order.timeout_seconds,
            seed=self._order.seed_of(self._number),
            workers=len(nodes),
        )
        if is_unloaded:
            self._times["unloaded_start"] = time.time()
        for worker, node in enumerate(nodes):
            self._runner.send_message(PROBE, asdict(replace(whole, worker=worker)), node)
        longest = START_SECONDS + whole.seconds_settle + whole.seconds_measure + whole.timeout_seconds
        deadline = time.monotonic() + longest + MESSAGE_SECONDS
        while time.monotonic() < deadline and set(self._nodes()) & set(nodes) - self._reports.keys():
            gevent.sleep(POLL_SECONDS)
        if is_unloaded:
            self._times["unloaded_end"] = time.time()
            self._runner.send_message(OVER, {})
        reports = [self._reports[node] for node in nodes if node in self._reports]
        for report in reports:
            if "error" in report:
                raise ProbeError(f"probe {self._number}: {report['error']}")
        if not reports:
            raise ProbeError(f"probe {self._number}: none of {len(nodes)} workers reported")
        return merge_users(whole, reports, self._order.limits_ms)

    def _nodes(self) -> list[str]:
        """The connected workers, always in the same order."""
        there = [worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING]
        return sorted(there, key=self._runner.get_worker_index)

    def _refuse_lost_workers(self, when: str) -> None:
        self._workers.refresh()
        if lost := self._workers.lost:
            raise ProbeError(f"{lost} of {self._order.workers} workers were lost {when}: see their logs")
        if self._runner.state == STATE_STOPPED:
            raise ProbeError(f"Locust stopped {when}")

    def _fail(self, error: str) -> None:
        logger.error("%s", error)
        self._record.error = error
        self._environment.process_exit_code = 1

    def _end(self) -> None:
        # Locust checks once a second whether the users have stopped. The workers report it at once.
        gevent.spawn(lambda: self._runner.stop())
        patience = self._environment.stop_timeout + HAND_IN_SECONDS
        end = time.monotonic() + patience
        while (missing := self._workers.present - self._handed_in.keys()) and time.monotonic() < end:
            gevent.sleep(POLL_SECONDS)
        if missing:
            logger.error("%d workers did not send their last report within %g s", len(missing), patience)
        self._workers.give_up(missing)
        self._write_end()
        quit_locust(self._environment, self._workers)

    def _write_end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        stop_counting(self._environment)
        self._times["stopped"] = self._record.stop()
        window_start, window_end = self._record.windows
        master = self._master.summary()
        timeline = {
            "schema": 1,
            "mode": "capacity",
            "users": self._most_users,
            "workers_expected": self._workers.expected,
            "workers_connected": self._workers.connected,
            "workers_lost": self._workers.lost,
            **self._times,
            "window_start": window_start,
            "window_end": window_end,
            # The two differ only if a worker was lost or requests were left unreported.
            "requests_recorded": sum(self._handed_in.values()) + master["own_timings"],
            "requests_reported": self._runner.stats.total.num_requests,
            "questions": 0,
            "locust_version": locust.__version__,
            **master,
        }
        write_json(self._directory / "timeline.json", timeline)
        if self._record.error is None:
            self._mark.write()


def is_ordered() -> bool:
    """Whether SWEEP_SEARCH orders such a search."""
    try:
        order = json.loads(os.environ.get("SWEEP_SEARCH", ""))
    except ValueError:
        return False
    return isinstance(order, dict) and order.get("by") not in (None, ARRIVALS)


def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Start the search, on the master."""
    if isinstance(runner, WorkerRunner):
        return
    text = os.environ.get("SWEEP_SEARCH", "")
    if not isinstance(runner, MasterRunner):
        sys.exit("conductor: a search with users needs workers: start Locust with --master")
    try:
        UsersConductor(environment, output_directory(), UsersSearchOrder.from_json(text))
    except ValueError as error:
        sys.exit(f"conductor: SWEEP_SEARCH is {text!r}: {error}")
    wait_for_start(environment)
