"""Records what Locust's own files lose, and ends a test without losing its tail.

Locust loads it by entry/recorder.py, on the master and on every worker.

Each worker appends every request to ``requests-<host>-<index>.f64`` as three little-endian float64: start in epoch
seconds, latency in ms, outcome. Outcomes: 0 failed, 1 ok, 2 no response when the load ended; the latency is the time
that it had waited then. It appends every execution of a task to ``tasks-<host>-<index>.f64`` (see task_log.py). Both
are compressed at the end, and ``worker-<host>-<index>.json`` is written. The master waits for the ramp, the warm-up and
the measured time, stops the users, waits until each worker has handed in everything, and writes ``timeline.json``. A
run without workers does both. Of ``worker-*.json``:

served_by     responses by their X-Served-By
unreported    requests that are recorded here and are not in Locust's own statistics (see in_flight.py)
exceptions    texts that the outcomes of tasks refer to
on_start      users that an exception ended before their first task, by its text
users         [epoch seconds, users of this worker] once a second

Settings are environment variables:

SWEEP_OUTPUT_DIR         where the files go (all roles)
SWEEP_WARMUP_SECONDS     thrown away after the ramp (master)
SWEEP_MEASURE_SECONDS    length of the measured window (master)
SWEEP_HOST               name of this host in file names; default: its host name
SWEEP_WORKER_INDEX       number of this worker on its host; default: the index that the master gave it
SWEEP_START_FILE         see common/workers.py (master)
SWEEP_DRAIN_SECONDS      for responses after the window, at most (master; see drain.py)
"""

import logging
import math
import os
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import locust
from gevent.event import Event
from locust import User, events
from locust.runners import STATE_STOPPED, LocalRunner, MasterRunner, WorkerRunner

from loadgen.closed.boundary import guard
from loadgen.closed.drain import Drain, is_http, longest_drain
from loadgen.closed.in_flight import InFlight, Request
from loadgen.closed.response_bounds import set_bounds
from loadgen.closed.task_log import Execution, TaskLog, shortened, text_of
from loadgen.common.outputs import output_directory, write_json
from loadgen.common.raw_file import RawFile
from loadgen.common.workers import POLL_SECONDS, Workers, leave, wait_for_start

logger = logging.getLogger("recorder")

DONE = "recorder_done"
# Different error texts and replicas that are kept; a server that puts an id into each would fill the memory.
MOST_TEXTS = 200
# In which an API may say who answered.
SERVED_BY = "X-Served-By"
FAILED, OK, NO_RESPONSE = 0.0, 1.0, 2.0
# Beyond the drain: for closing files and for messages on a busy network.
HAND_IN_SECONDS = 30.0
# A ramp that does not end by itself would leave the master waiting for ever.
LONGEST_RAMP_SECONDS = 900.0


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
        sys.exit(f"recorder: {name} is {text!r}: give a number of seconds, 0 or more")
    return value


class Recorder:
    """Every request and task of this process, and how busy the process was."""

    def __init__(self, environment: Any, directory: Path, host: str, index: str) -> None:
        self._environment = environment
        self._summary = directory / f"worker-{host}-{index}.json"
        self._requests = RawFile(directory / f"requests-{host}-{index}.f64", fields=3)
        self._errors: Counter[str] = Counter()
        self._served_by: Counter[str] = Counter()
        self._on_start: Counter[str] = Counter()
        self._left_lab = guard(environment)
        self._saw_headers = False
        self._cpu_percent: list[tuple[float, float]] = []
        self._users: list[tuple[float, int]] = []
        self._unreported = 0
        self._open, self._is_closing = True, False
        # That of an earlier attempt must not be taken for this one's.
        self._summary.unlink(missing_ok=True)
        self._in_flight = InFlight(environment.events.request, self._on_lost)
        self._tasks = TaskLog(directory / f"tasks-{host}-{index}.f64", self._on_unfinished)
        self._drain = Drain(environment, self._in_flight, self._tasks)
        events.request.add_listener(self._on_request)
        events.user_error.add_listener(self._on_user_error)
        gevent.spawn(self._tick)

    @property
    def requests(self) -> int:
        """Recorded so far."""
        return len(self._requests)

    def _on_request(
        self,
        response_time: float | None,
        exception: Any = None,
        start_time: float | None = None,
        response: Any = None,
        **_: Any,
    ) -> None:
        latency_ms = math.nan if response_time is None else response_time
        if start_time is None:
            start_time = time.time() - (response_time or 0.0) / 1000
        self._in_flight.on_event()
        self._requests.add((start_time, latency_ms, OK if exception is None else FAILED))
        if exception is not None:
            self._tasks.on_failed_request()
            self._count_error(shortened(str(exception)) or type(exception).__name__)
        # A scenario's own client may hand on no response, or one without headers, as of a request that failed.
        headers = getattr(response, "headers", None)
        if headers is not None:
            self._count_server(headers.get(SERVED_BY))

    def _count_error(self, text: str) -> None:
        if text not in self._errors and len(self._errors) >= MOST_TEXTS:
            text = "(other errors)"
        self._errors[text] += 1

    def _on_lost(self, request: Request) -> None:
        """A request that Locust will not report."""
        if not self._open:
            return
        self._unreported += 1
        latency_ms, outcome = request.latency_ms, OK if request.is_ok else FAILED
        if latency_ms is None:
            latency_ms = max(0.0, time.time() - request.start_seconds) * 1000
            outcome = NO_RESPONSE if request.error is None else FAILED
        self._requests.add((request.start_seconds, latency_ms, outcome))
        task, stopped = self._tasks.running(), self._drain.stopped_seconds
        if task is not None:
            task.has_lost_request = True
            # One that the end of the load cut off, and that began after the window, says nothing of the API.
            if outcome == FAILED or (outcome == NO_RESPONSE and (stopped is None or request.start_seconds <= stopped)):
                task.has_failed_request = True
        if outcome == FAILED:
            self._count_error(request.error or "a response with an error status that the scenario did not judge")

    def _on_unfinished(self, task: Execution) -> None:
        """Of clients that are not watched, a task that the end of the load cut off stands for its request."""
        if self._open and not is_http(type(task.user)) and not task.has_lost_request:
            self._unreported += 1
            self._requests.add((task.start_seconds, (time.time() - task.start_seconds) * 1000, NO_RESPONSE))
            task.has_failed_request = True

    def _on_user_error(self, user_instance: Any, exception: BaseException, **_: Any) -> None:
        # Those of tasks are in the record of tasks.
        if isinstance(user_instance, User):
            self._on_start[text_of(exception)] += 1

    def _count_server(self, name: Any) -> None:
        self._saw_headers = True
        if isinstance(name, str):
            if name not in self._served_by and len(self._served_by) >= MOST_TEXTS:
                name = "(others)"
            self._served_by[name] += 1

    def _tick(self) -> None:
        clock, cpu = time.monotonic(), time.process_time()
        while self._open:
            gevent.sleep(1.0)
            clock_now, cpu_now = time.monotonic(), time.process_time()
            self._cpu_percent.append((time.time(), 100 * (cpu_now - cpu) / (clock_now - clock)))
            self._users.append((time.time(), self._environment.runner.user_count))
            clock, cpu = clock_now, cpu_now
            if self._open:
                self._requests.flush()
                self._tasks.file.flush()

    def close(self) -> None:
        """Write what is left, compress, and add the summary. Safe to repeat."""
        if self._is_closing:
            return
        self._is_closing = True
        self._drain.wait_for_rest()
        self._in_flight.close()
        self._open = False
        events.request.remove_listener(self._on_request)
        self._requests.close()
        self._tasks.file.close()
        summary = {
            "requests": len(self._requests),
            "unreported": self._unreported,
            "cpu_percent": self._cpu_percent,
            "users": self._users,
            "errors": dict(self._errors),
            "tasks": len(self._tasks.file),
            "exceptions": self._tasks.exceptions,
            "on_start": dict(self._on_start.most_common(MOST_TEXTS)),
            # Null: the scenario's client shows no headers, so nobody knows.
            "served_by": dict(self._served_by) if self._saw_headers else None,
            # Requests that were blocked, by the address that they were for (see boundary.py).
            "left_lab": dict(self._left_lab),
        }
        write_json(self._summary, {"schema": 1, **summary})


class Timeline:
    """Conducts a test from the master (or alone) and writes down when each part of it began."""

    def __init__(self, environment: Any, directory: Path, recorder: Recorder | None) -> None:
        self._environment = environment
        self._path = directory / "timeline.json"
        self._path.unlink(missing_ok=True)
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
        self._written = False
        # Workers get it with the order to start.
        if not environment.stop_timeout:
            environment.stop_timeout = longest_drain(seconds("SWEEP_DRAIN_SECONDS"), environment.user_classes)
        events.test_start.add_listener(self._on_test_start)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.quitting.add_listener(self._on_quitting)
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(DONE, self._on_done)

    def _on_test_start(self, **_: Any) -> None:
        self._times["spawn_started"] = time.time()
        self._workers.watch()
        gevent.spawn(self._conduct)

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        # Fired again when a lost worker's users are spawned elsewhere.
        if self._times["spawn_complete"] is None:
            self._users = user_count
            self._times["spawn_complete"] = time.time()
            self._spawned.set()

    def _on_done(self, msg: Any, **_: Any) -> None:
        self._handed_in[msg.node_id] = msg.data["requests"]

    def _on_quitting(self, **_: Any) -> None:
        # Whatever ended the test early, the file says how far it came.
        self._write()

    def _conduct(self) -> None:
        runner = self._environment.runner
        if self._spawned.wait(LONGEST_RAMP_SECONDS) and self._wait(self._warmup_seconds):
            self._times["window_start"] = time.time()
            if self._wait(self._measure_seconds):
                self._times["window_end"] = time.time()
        if self._times["window_end"] is None:
            logger.error("the test ended before its measured window did")
            self._environment.process_exit_code = 1
        if isinstance(runner, MasterRunner):
            # It looks once a second whether the users have stopped. The workers say so at once, see `hand_in`.
            gevent.spawn(runner.stop)
            self._collect()
        else:
            runner.stop()
            self._recorder.close()
        self._times["stopped"] = time.time()
        self._write()
        leave(self._environment, self._workers)

    def _wait(self, duration_seconds: float) -> bool:
        """Wait, and tell whether the test was still running at the end."""
        end = time.monotonic() + duration_seconds
        while (left := end - time.monotonic()) > 0:
            if self._is_over():
                return False
            gevent.sleep(min(left, 0.25))
        return not self._is_over()

    def _is_over(self) -> bool:
        runner = self._environment.runner
        if runner.state == STATE_STOPPED:
            return True
        return self._workers.all_lost

    def _collect(self) -> None:
        """Wait until all workers that are still there have handed in their last report."""
        patience = self._environment.stop_timeout + HAND_IN_SECONDS
        end = time.monotonic() + patience
        while (missing := self._workers.present - self._handed_in.keys()) and time.monotonic() < end:
            gevent.sleep(POLL_SECONDS)
        if missing:
            logger.error("%d workers did not hand in their last report within %g s", len(missing), patience)
        self._workers.give_up(missing)

    def _write(self) -> None:
        if self._written:
            return
        self._written = True
        runner = self._environment.runner
        distributed = isinstance(runner, MasterRunner)
        recorded = sum(self._handed_in.values()) if distributed else self._recorder.requests
        timeline = {
            "schema": 1,
            "users": self._users,
            "workers_expected": self._workers.expected,
            "workers_connected": self._workers.connected,
            "workers_lost": self._workers.lost,
            **self._times,
            # The two agree unless a worker was lost or requests were left unreported.
            "requests_recorded": recorded,
            "requests_reported": runner.stats.total.num_requests,
            "locust_version": locust.__version__,
        }
        write_json(self._path, timeline)


def hand_in(environment: Any, recorder: Recorder) -> None:
    """Close the files of a worker and send its last figures; runs on the worker when its users have stopped."""
    runner = environment.runner
    recorder.close()
    # Locust would send these up to a second later, when the master may have left.
    runner._send_stats()
    runner.send_message(DONE, {"requests": recorder.requests})
    # Locust now sleeps for this long before it listens again, and would miss the order to quit.
    environment.stop_timeout = 0.0


def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Take up the role of this process, or end it: Locust would go on without a listener that failed, and load."""
    try:
        take_role(environment, runner)
    except Exception as error:
        logger.exception("the recorder could not begin")
        sys.exit(f"recorder: {text_of(error)}")


def take_role(environment: Any, runner: Any) -> None:
    """Record, conduct, or both."""
    directory = output_directory()
    if isinstance(runner, MasterRunner):
        Timeline(environment, directory, None)
        wait_for_start(environment)
        return
    index = os.environ.get("SWEEP_WORKER_INDEX") or str(getattr(runner, "worker_index", 0))
    set_bounds()
    recorder = Recorder(environment, directory, os.environ.get("SWEEP_HOST") or socket.gethostname(), index)
    if isinstance(runner, WorkerRunner):
        events.test_stop.add_listener(lambda **_: hand_in(environment, recorder))
        events.quitting.add_listener(lambda **_: recorder.close())
    elif isinstance(runner, LocalRunner):
        Timeline(environment, directory, recorder)
        events.quitting.add_listener(lambda **_: recorder.close())
        wait_for_start(environment)
