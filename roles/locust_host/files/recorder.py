"""Records what Locust's own files lose, and ends a test without losing its tail.

Loaded as a second locustfile, on the master and on every worker: ``locust -f predict.py,recorder.py``.

Each worker appends every request to ``requests-<host>-<index>.f64`` as three little-endian float64 (start in epoch
seconds, latency in ms, 1.0 if it succeeded), compressed at the end, and writes ``worker-<host>-<index>.json``. The
master waits for the ramp, the warm-up and the measured time, stops the users, waits until each worker has handed in
everything, and writes ``timeline.json``. A run without workers does both. In ``worker-*.json``, ``served_by`` counts
answers by their X-Served-By. Settings are environment variables:

SWEEP_OUTPUT_DIR         where the files go (all roles)
SWEEP_WARMUP_SECONDS     thrown away after the ramp (master)
SWEEP_MEASURE_SECONDS    length of the measured window (master)
SWEEP_HOST               name of this host in file names; default: its host name
SWEEP_WORKER_INDEX       number of this worker on its host; default: the index that the master gave it
SWEEP_START_FILE         see master.py (master)
"""

import gzip
import logging
import math
import os
import socket
import sys
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import exact_stats  # noqa: F401 (for what it changes)
import gevent
import locust
from gevent.event import Event
from locust import events
from locust.runners import STATE_STOPPED, LocalRunner, MasterRunner, WorkerRunner
from master import POLL_SECONDS, Workers, leave, wait_for_start
from outputs import output_directory, write_json

logger = logging.getLogger("recorder")

DONE = "recorder_done"
# Different error texts and replicas that are kept; a server that puts an id into each would fill the memory.
MOST_TEXTS = 200
# In which an API may say who answered.
SERVED_BY = "X-Served-By"
# Users finish their request before they stop. Longer than the scenario's time-outs to connect and to read together,
# so that no request is cut off; it lasts only as long as the slowest of them.
DRAIN_SECONDS = 25.0
# Beyond the drain: for closing files and for messages on a busy network.
HAND_IN_SECONDS = 30.0
# A ramp that does not end by itself would leave the master waiting for ever.
LONGEST_RAMP_SECONDS = 900.0
COMPRESS_CHUNK_BYTES = 1 << 20


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
    """Every request of this process, and how busy the process was."""

    def __init__(self, directory: Path, host: str, index: str) -> None:
        self._raw = directory / f"requests-{host}-{index}.f64"
        self._summary = directory / f"worker-{host}-{index}.json"
        self._buffer = array("d")
        self._errors: Counter[str] = Counter()
        self._served_by: Counter[str] = Counter()
        self._saw_headers = False
        self._cpu_percent: list[tuple[float, float]] = []
        self._written = 0
        self._open = True
        # What an earlier attempt left must not be taken for ours.
        for path in (self._raw, self._compressed, self._summary):
            path.unlink(missing_ok=True)
        self._raw.touch()
        events.request.add_listener(self._on_request)
        gevent.spawn(self._tick)

    @property
    def _compressed(self) -> Path:
        return self._raw.with_name(f"{self._raw.name}.gz")

    @property
    def requests(self) -> int:
        """Recorded so far."""
        return self._written + len(self._buffer) // 3

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
        self._buffer.extend((start_time, latency_ms, 1.0 if exception is None else 0.0))
        if exception is not None:
            text = str(exception) or type(exception).__name__
            if text not in self._errors and len(self._errors) >= MOST_TEXTS:
                text = "(other errors)"
            self._errors[text] += 1
        # A scenario's own client may hand on no response, or one without headers, as of a request that failed.
        headers = getattr(response, "headers", None)
        if headers is not None:
            self._count_server(headers.get(SERVED_BY))

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
            clock, cpu = clock_now, cpu_now
            if self._open:
                self._flush()

    def _flush(self) -> None:
        full, self._buffer = self._buffer, array("d")
        if sys.byteorder == "big":
            full.byteswap()
        with self._raw.open("ab") as file:
            full.tofile(file)
        self._written += len(full) // 3

    def close(self) -> None:
        """Write what is left, compress, and add the summary. Safe to repeat."""
        if not self._open:
            return
        self._open = False
        events.request.remove_listener(self._on_request)
        self._flush()
        self._compress()
        summary = {
            "requests": self._written,
            "cpu_percent": self._cpu_percent,
            "errors": dict(self._errors),
            # Null: the scenario's client shows no headers, so nobody knows.
            "served_by": dict(self._served_by) if self._saw_headers else None,
        }
        write_json(self._summary, {"schema": 1, **summary})

    def _compress(self) -> None:
        temporary = self._raw.with_name(f".{self._raw.name}.gz.tmp")
        with self._raw.open("rb") as source, temporary.open("wb") as target:
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=target, mtime=0) as packed:
                while chunk := source.read(COMPRESS_CHUNK_BYTES):
                    packed.write(chunk)
                    # Heartbeats must go on, or the master takes this worker for lost.
                    gevent.sleep(0)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(self._compressed)
        self._raw.unlink()


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
            environment.stop_timeout = DRAIN_SECONDS
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
        patience = DRAIN_SECONDS + HAND_IN_SECONDS
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
            # The two agree unless a worker was lost.
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


@events.init.add_listener
def on_init(environment: Any, runner: Any, **_: Any) -> None:
    """Take up the role of this process."""
    directory = output_directory()
    if isinstance(runner, MasterRunner):
        Timeline(environment, directory, None)
        wait_for_start(environment)
        return
    index = os.environ.get("SWEEP_WORKER_INDEX") or str(getattr(runner, "worker_index", 0))
    recorder = Recorder(directory, os.environ.get("SWEEP_HOST") or socket.gethostname(), index)
    if isinstance(runner, WorkerRunner):
        events.test_stop.add_listener(lambda **_: hand_in(environment, recorder))
        events.quitting.add_listener(lambda **_: recorder.close())
    elif isinstance(runner, LocalRunner):
        Timeline(environment, directory, recorder)
        events.quitting.add_listener(lambda **_: recorder.close())
        wait_for_start(environment)
