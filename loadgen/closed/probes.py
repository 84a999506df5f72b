"""The worker's part of a search with users: takes orders of the master, sums up what was recorded, and reports.

The users go on between two probes, and every request stays in the record (see recorder.py). A probe begins when the
``on_start`` of each user is over. A worker's summary has what `master.merge` adds up, and:

users       ``least`` and ``most`` users of this worker in the window that have begun a task, and ``waits`` and
            ``asked_seconds``: the think times that the scenario asked for since the load began, and their sum.
            ``tasks`` that ended in the window, and ``raised``: those of them that an exception ended. ``starting``:
            users that had not begun a task when the window began, and ``logging_in``: requests of their ``on_start``
            that had no response then. ``classes``: of each class that runs, its users and their think times
waited      think times that ended in the window, and their seconds
"""

import time
from typing import Any

import gevent

from loadgen.closed.order import DONE, PROBE, START_SECONDS, UsersOrder
from loadgen.closed.recorder import Recorder
from loadgen.closed.window import Window

POLL_SECONDS = 0.02


class Probes:
    """Takes orders from the master, one at a time. Create it when Locust initialises.

    Args:
        environment: Locust's.
        recorder: that of this process.
        host, index: name of this worker.
    """

    def __init__(self, environment: Any, recorder: Recorder, host: str, index: str) -> None:
        self._environment, self._runner, self._recorder = environment, environment.runner, recorder
        self._host, self._index = host, index
        self._is_busy = False
        self._runner.register_message(PROBE, self._on_order)

    def _on_order(self, msg: Any, **_: Any) -> None:
        try:
            order = UsersOrder.from_message(msg.data)
            if self._is_busy:
                raise ValueError("another probe is already running on this worker")
        except ValueError as error:
            self._report({"trial": msg.data.get("trial"), "error": str(error)})
            return
        self._is_busy = True
        gevent.spawn(self._run, order)

    def _run(self, order: UsersOrder) -> None:
        try:
            summary = self._make(order)
        except Exception as error:
            summary = {"error": repr(error)}
        self._is_busy = False
        self._report({"trial": order.trial, **summary})

    @property
    def _users(self) -> int:
        """The users that have begun a task."""
        return self._runner.user_count - self._recorder.starting

    def _make(self, order: UsersOrder) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        while self._recorder.starting and time.monotonic() < deadline:
            gevent.sleep(POLL_SECONDS)
        window, own = (
            Window(begin, order.seconds_settle, order.seconds_measure, order.timeout_seconds)
            for begin in [time.time()] * 2
        )
        self._recorder.open_window(window, own)
        try:
            gevent.sleep(order.seconds_settle)
            starting, logging_in = self._recorder.starting, self._recorder.logging_in
            before, tasks_before = self._recorder.think_time.sample(), self._recorder.tasks
            users = self._measure((window, own), order.seconds_measure)
            after, tasks_after = self._recorder.think_time.sample(), self._recorder.tasks
            # A response after the timeout counts as missing, so no wait is longer than this.
            deadline = time.monotonic() + order.timeout_seconds
            while self._recorder.is_waiting(window) and time.monotonic() < deadline:
                gevent.sleep(POLL_SECONDS)
        finally:
            self._recorder.close_window(window)
        # Without a request of Locust's HTTP clients, the figures are those of the scenario's own timings.
        shown = window if window.offered or not own.offered else own
        classes = self._classes()
        tasks, raised = (late - early for early, late in zip(tasks_before, tasks_after, strict=True))
        return {
            "host": self._host,
            "index": self._index,
            "stopped": None,
            **shown.summarize(),
            "requests_file": self._recorder.requests_file,
            "users": {
                "least": min(users),
                "most": max(users),
                "waits": sum(one["waits"] for one in classes.values()),
                "asked_seconds": sum(one["asked_seconds"] for one in classes.values()),
                "tasks": tasks,
                "raised": raised,
                "starting": starting,
                "logging_in": logging_in,
                "classes": classes,
            },
            "waited": [after[1] - before[1], after[2] - before[2]],
        }

    def _classes(self) -> dict[str, dict[str, Any]]:
        """Of each class of users that runs: its users now, and the think times that they asked for so far."""
        there = self._runner.user_classes_count
        figures = {}
        for one in self._environment.user_classes:
            if one.weight > 0 or one.fixed_count > 0:
                waits, seconds = self._recorder.think_time.asked(one)
                name = one.__name__
                figures[name] = {"users": there.get(name, 0), "waits": waits, "asked_seconds": seconds}
        return figures

    def _measure(self, windows: tuple[Window, Window], seconds: float) -> list[int]:
        """Wait until the window is over; the number of users at its begin, at each second of it, and at its end."""
        start, clock, cpu = time.monotonic(), time.monotonic(), time.process_time()
        users, second = [self._users], 0
        while (left := start + seconds - time.monotonic()) > 0:
            gevent.sleep(min(left, start + second + 1 - time.monotonic()) if second + 1 < seconds else left)
            clock_now, cpu_now = time.monotonic(), time.process_time()
            if clock_now < start + min(second + 1, seconds):
                continue
            users.append(self._users)
            if clock_now - clock > 0.5:
                for window in windows:
                    window.note_cpu(second, 100 * (cpu_now - cpu) / (clock_now - clock))
                clock, cpu = clock_now, cpu_now
            second += 1
        return users

    def _report(self, summary: dict[str, Any]) -> None:
        self._runner.send_message(DONE, summary)
