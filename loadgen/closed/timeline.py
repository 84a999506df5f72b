"""Conducts a closed-loop load on the master, or on a Locust without workers, and ends it without losing responses.

It waits for the ramp, the warm-up and the measured time, and stops the users. Then it waits until each worker has sent
its last report, and writes ``timeline.json``. The ramp begins with the probe of one user (see one_user_first.py).
"""

import logging
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import locust
from gevent.event import Event
from locust import events
from locust.runners import STATE_STOPPED, MasterRunner

from loadgen.closed.drain import max_drain_seconds
from loadgen.closed.master_requests import MasterRequests
from loadgen.closed.one_user_first import UnloadedProbe
from loadgen.closed.recorder import Recorder
from loadgen.closed.request_events import stop_counting
from loadgen.common.ended import EndMark
from loadgen.common.live import Live
from loadgen.common.outputs import write_json
from loadgen.common.workers import POLL_SECONDS, Workers, quit_locust
from loadgen.shared.request_record import UNLOADED_SECONDS

logger = logging.getLogger("recorder")

# Message of a worker that has reported all of its requests: {"requests"}.
DONE = "recorder_done"
# Seconds beyond the drain: for closing files and for messages on a busy network.
HAND_IN_SECONDS = 30.0
# The master would wait without end for a ramp that does not end.
MAX_RAMP_SECONDS = 900.0
# Longest pause between looks at whether the test has ended.
LOOK_SECONDS = 0.25


def seconds(name: str) -> float:
    """A setting in seconds.

    Raises:
        SystemExit: it is absent or not a number of seconds.
    """
    text = os.environ.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        sys.exit(f"recorder: {name} is {text!r}; allowed: a number of seconds, 0 or more")
    return value


class Timeline:
    """Conducts a test from the master (or alone) and records when each part of it began."""

    def __init__(self, environment: Any, directory: Path, recorder: Recorder | None) -> None:
        self._environment = environment
        self._path = directory / "timeline.json"
        self._path.unlink(missing_ok=True)
        self._mark = EndMark(directory)
        self._live = Live(environment, directory)
        self._recorder = recorder
        self._warmup_seconds = seconds("SWEEP_WARMUP_SECONDS")
        self._measure_seconds = seconds("SWEEP_MEASURE_SECONDS")
        self._times: dict[str, float | None] = dict.fromkeys(
            ("spawn_started", "spawn_complete", "window_start", "window_end", "stopped")
        )
        self._users: int | None = None
        self._workers = Workers(environment)
        self._handed_in: dict[str, int] = {}
        self._spawned = Event()
        self._unloaded = UnloadedProbe(environment)
        # Without workers, the recorder of this process counts everything.
        self._master = MasterRequests(environment) if recorder is None else None
        self._written = False
        # Workers receive it with the order to start.
        if not environment.stop_timeout:
            environment.stop_timeout = max_drain_seconds(seconds("SWEEP_DRAIN_SECONDS"), environment.user_classes)
        events.test_start.add_listener(self._on_test_start)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.quitting.add_listener(self._on_quitting)
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(DONE, self._on_done)

    def _on_test_start(self, **_: Any) -> None:
        self._times["spawn_started"] = time.time()
        self._workers.watch()
        self._live.enter("ramp")
        self._live.start()
        gevent.spawn(self._conduct)

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        # Fired again when a lost worker's users are started elsewhere.
        if self._times["spawn_complete"] is None:
            self._users = user_count
            self._times["spawn_complete"] = time.time()
            self._spawned.set()

    def _on_done(self, msg: Any, **_: Any) -> None:
        self._handed_in[msg.node_id] = msg.data["requests"]

    def _on_quitting(self, **_: Any) -> None:
        # If the test ended early, the file says which part it had reached.
        self._write()

    def _conduct(self) -> None:
        runner = self._environment.runner
        if self._wait_for_ramp() and self._warm_up():
            self._times["window_start"] = time.time()
            self._live.enter("window", self._measure_seconds)
            if self._wait(self._measure_seconds):
                self._times["window_end"] = time.time()
        self._live.enter("end")
        if self._times["window_end"] is None:
            logger.error("the test ended before its measured window did")
            self._environment.process_exit_code = 1
        if isinstance(runner, MasterRunner):
            # Locust checks once a second whether the users have stopped. The workers report it at once, see `hand_in`.
            gevent.spawn(lambda: runner.stop())
            self._collect()
        else:
            runner.stop()
            self._recorder.close()
        self._times["stopped"] = time.time()
        self._write()
        if self._times["window_end"] is not None:
            self._mark.write()
        quit_locust(self._environment, self._workers)

    def _wait_for_ramp(self) -> bool:
        """Wait until all users run, and return whether they do. Without any worker, they never will."""
        end = time.monotonic() + UNLOADED_SECONDS + MAX_RAMP_SECONDS
        while not self._spawned.wait(LOOK_SECONDS):
            if self._is_over() or time.monotonic() > end:
                return False
        return True

    def _warm_up(self) -> bool:
        """Wait until the warm-up is over, and return whether the test was still running then."""
        self._live.enter("warmup", self._warmup_seconds)
        return self._wait(self._warmup_seconds)

    def _wait(self, duration_seconds: float) -> bool:
        """Wait, and return whether the test was still running at the end."""
        end = time.monotonic() + duration_seconds
        while (left := end - time.monotonic()) > 0:
            if self._is_over():
                return False
            gevent.sleep(min(left, LOOK_SECONDS))
        return not self._is_over()

    def _is_over(self) -> bool:
        runner = self._environment.runner
        if runner.state == STATE_STOPPED:
            return True
        return self._workers.all_lost

    def _collect(self) -> None:
        """Wait until all connected workers have sent their last report."""
        patience = self._environment.stop_timeout + HAND_IN_SECONDS
        end = time.monotonic() + patience
        while (missing := self._workers.present - self._handed_in.keys()) and time.monotonic() < end:
            gevent.sleep(POLL_SECONDS)
        if missing:
            logger.error("%d workers did not send their last report within %g s", len(missing), patience)
        self._workers.give_up(missing)

    def _write(self) -> None:
        if self._written:
            return
        self._written = True
        self._live.stop()
        runner = self._environment.runner
        stop_counting(self._environment)
        master = self._master.summary() if self._master is not None else {}
        recorded = self._recorder.requests if self._recorder is not None else sum(self._handed_in.values())
        recorded += master.get("own_timings", 0)
        timeline = {
            "schema": 1,
            "users": self._users,
            "workers_expected": self._workers.expected,
            "workers_connected": self._workers.connected,
            "workers_lost": self._workers.lost,
            **self._times,
            "unloaded_start": self._unloaded.start_seconds,
            "unloaded_end": self._unloaded.end_seconds,
            # The two differ only if a worker was lost or requests were left unreported.
            "requests_recorded": recorded,
            "requests_reported": runner.stats.total.num_requests,
            "locust_version": locust.__version__,
            # Of a scenario's listeners in this process (see master_requests.py).
            **master,
        }
        write_json(self._path, timeline)
