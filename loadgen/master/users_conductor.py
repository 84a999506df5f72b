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
from gevent.event import Event
from locust.runners import STATE_MISSING, STATE_STOPPED, MasterRunner, WorkerRunner
from search import PROFILES, UNLOADED, Step, UserSearch

from loadgen.closed.master_requests import MasterRequests
from loadgen.closed.order import DONE, PROBE, START_SECONDS, UsersOrder
from loadgen.closed.request_events import stop_counting
from loadgen.closed.timeline import DONE as HANDED_IN
from loadgen.closed.timeline import HAND_IN_SECONDS
from loadgen.closed.unloaded import ENOUGH, OVER
from loadgen.common.outputs import output_directory
from loadgen.common.workers import POLL_SECONDS, Workers, wait_for_start
from loadgen.master.merge import merge_users
from loadgen.master.probes import ProbeError
from loadgen.master.search_conductor import SearchConductor
from loadgen.master.search_order import ARRIVALS, UsersSearchOrder

logger = logging.getLogger("conductor")

# Seconds for the first user to be started, once the workers are connected.
FIRST_USER_SECONDS = 30.0
# Seconds for a user to end its task, which may have several requests. A longer task would use up the budget.
TASK_SECONDS = 30.0
# Seconds for messages on a busy network, beyond those of a ramp or a probe.
MESSAGE_SECONDS = 10.0


class UsersConductor(SearchConductor):
    """A search over numbers of users.

    Raises:
        ValueError: a setting of the order is invalid.
    """

    def __init__(self, environment: Any, directory: Path, order: UsersSearchOrder) -> None:
        search = UserSearch(
            PROFILES[order.profile],
            order.slo,
            order.spawn_rate,
            order.processes,
            order.think_seconds,
            order.max_users,
        )
        super().__init__(environment, directory, order, search, Workers(environment))
        self._master = MasterRequests(environment)
        self.times |= dict.fromkeys(("unloaded_start", "unloaded_end"))
        self._spawned = Event()
        self._reports: dict[str, dict[str, Any]] = {}
        self._handed_in: dict[str, int] = {}
        self._number = 0
        self._most_users = 1
        # Workers receive it with each number of users: a user that is no longer needed ends its task first, so that no
        # request is cut.
        environment.stop_timeout = environment.stop_timeout or max(order.timeout_seconds, TASK_SECONDS)
        self.runner.register_message(DONE, self._on_done)
        self.runner.register_message(HANDED_IN, self._on_handed_in)
        # The end of the unloaded probe is that of its window.
        self.runner.register_message(ENOUGH, lambda **_: None)

    def on_test_start(self, **_: Any) -> None:
        """Watch the workers, and begin."""
        super().on_test_start()
        self.workers.watch()
        self.start()

    def on_spawning_complete(self, **_: Any) -> None:
        """The first user runs."""
        super().on_spawning_complete()
        self._spawned.set()

    def _on_done(self, msg: Any, **_: Any) -> None:
        # A late report of an earlier probe must not be taken for one of this probe.
        if msg.data.get("trial") == self._number:
            self._reports[msg.node_id] = msg.data

    def _on_handed_in(self, msg: Any, **_: Any) -> None:
        self._handed_in[msg.node_id] = msg.data["requests"]

    def prepare(self) -> None:
        """Wait for the first user."""
        if not self._spawned.wait(FIRST_USER_SECONDS):
            raise ProbeError(f"the first user did not start within {FIRST_USER_SECONDS:g} s")

    def load(self, step: Step, number: int) -> None:
        """Set the number of users, and order one window of all workers."""
        began = time.monotonic()
        self._refuse_end(f"before probe {number}")
        self._set_users(step.users)
        summary = self._probe(step, number)
        seconds = time.monotonic() - began
        self._refuse_end(f"in probe {number}")
        self.refuse_missing_reports(summary, number)
        judgement = self.search.add(step, summary, seconds)
        self.record.think_seconds = self.search.think_seconds
        words = f"{step.purpose} with {step.users} users for {step.seconds_measure:g} s"
        logger.info("Probe %d, %s: %s, %s", number, words, judgement.verdict, judgement.reason)
        self.record.add(step, summary, judgement, seconds)

    def _set_users(self, users: int) -> None:
        """Start or stop users, and wait until so many run.

        A ramp up must not begin before the users of a ramp down have left: Locust would count them.
        """
        before, self._most_users = self.runner.user_count, max(self._most_users, users)
        if users == before == self.runner.target_user_count:
            return
        # To stop a user is no work for the API, so no ramp is needed.
        rate = max(self.order.spawn_rate, before - users)
        deadline = time.monotonic() + MESSAGE_SECONDS
        deadline += (users - before) / rate if users > before else self.environment.stop_timeout
        self.runner.start(users, rate)
        while self.runner.user_count != users and time.monotonic() < deadline:
            gevent.sleep(POLL_SECONDS)

    def _probe(self, step: Step, number: int) -> dict[str, Any]:
        nodes = self._nodes()
        if not nodes:
            raise ProbeError("no worker is ready")
        self._number = number
        self._reports.clear()
        is_unloaded = step.purpose == UNLOADED
        whole = UsersOrder(
            self._number,
            step.users,
            step.seconds_settle,
            step.seconds_measure,
            self.order.timeout_seconds,
            seed=self.order.seed_of(self._number),
            workers=len(nodes),
        )
        if is_unloaded:
            self.times["unloaded_start"] = time.time()
        for worker, node in enumerate(nodes):
            self.runner.send_message(PROBE, asdict(replace(whole, worker=worker)), node)
        longest = START_SECONDS + whole.seconds_settle + whole.seconds_measure + whole.timeout_seconds
        deadline = time.monotonic() + longest + MESSAGE_SECONDS
        while time.monotonic() < deadline and set(self._nodes()) & set(nodes) - self._reports.keys():
            gevent.sleep(POLL_SECONDS)
        if is_unloaded:
            self.times["unloaded_end"] = time.time()
            self.runner.send_message(OVER, {})
        reports = [self._reports[node] for node in nodes if node in self._reports]
        for report in reports:
            if "error" in report:
                raise ProbeError(f"probe {self._number}: {report['error']}")
        if not reports:
            raise ProbeError(f"probe {self._number}: none of {len(nodes)} workers reported")
        return merge_users(whole, reports, self.order.limits_ms)

    def _nodes(self) -> list[str]:
        """The connected workers, always in the same order."""
        there = [worker.id for worker in self.runner.clients.all if worker.state != STATE_MISSING]
        return sorted(there, key=self.runner.get_worker_index)

    def _refuse_end(self, when: str) -> None:
        self.refuse_lost_workers(when)
        if self.runner.state == STATE_STOPPED:
            raise ProbeError(f"Locust stopped {when}")

    def end(self) -> None:
        """Stop the users, wait for the last reports, and end Locust."""
        # Locust checks once a second whether the users have stopped. The workers report it at once.
        gevent.spawn(lambda: self.runner.stop())
        patience = self.environment.stop_timeout + HAND_IN_SECONDS
        deadline = time.monotonic() + patience
        while (missing := self.workers.present - self._handed_in.keys()) and time.monotonic() < deadline:
            gevent.sleep(POLL_SECONDS)
        if missing:
            logger.error("%d workers did not send their last report within %g s", len(missing), patience)
        self.workers.give_up(missing)
        super().end()

    def counts(self) -> dict[str, Any]:
        """The largest number of users."""
        stop_counting(self.environment)
        master = self._master.summary()
        return {
            "users": self._most_users,
            # It differs from requests_reported only if a worker was lost or requests were left unreported.
            "requests_recorded": sum(self._handed_in.values()) + master["own_timings"],
            "questions": 0,
            **master,
        }


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
