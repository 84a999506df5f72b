"""Records the data that Locust's own files lack, on every worker, and on a Locust without workers.

It appends requests, those of on_start and on_stop, timings that the scenario fired itself, and executions of tasks to a
file each (see request_record.py). The files are compressed at the end, and ``worker-<host>-<index>.json`` is written:

served_by     responses by their X-Served-By
unreported    requests that are recorded here and are not in Locust's own statistics (see in_flight.py)
own_timings   timings that the scenario fired itself, or that the end of the load interrupted
names         names of requests and own timings, to which their records refer by number (see request_names.py)
name_classes  the user class of each of them, empty if it is not known; null if the scenario has only one class
user_classes  the most users of each class that ran at a time, by its name; null if the scenario has only one class
user_events   those of them that count as requests, because their users have no HTTP client of Locust
setup_requests, setup_failures   requests and events of on_start and on_stop, and how many of them failed
sent          requests that Locust's clients gave to the network, each hop of a redirect and each retry included
redirects     redirects that they followed
retries       requests that they sent again after an error
other_sends   requests of other sessions of the library requests, in the scenario
exceptions    texts that the outcomes of tasks refer to
on_start      users that an exception ended before their first task, by its text
listener_errors   exceptions of the scenario's listeners, and attempts to end the load, by their text
users         [epoch seconds, users of this worker] once a second
think_time    totals of the users' think time, about once a second (see think_time.py)
unloaded      [start (epoch seconds), latency (ms), outcome] of the requests that began in the probe of one user
unloaded_names  the name of each of them
by_name       good responses after this probe, by the name of the request: [number, sum of latencies in ms]
              (these three without the requests of on_start)
"""

import math
import time
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import gevent
from locust import User, events

from loadgen.closed.boundary import guard
from loadgen.closed.drain import Drain, is_http
from loadgen.closed.failure_kind import kind_of_own
from loadgen.closed.in_flight import InFlight, Request
from loadgen.closed.own_timings import OwnTimings
from loadgen.closed.request_events import call_at_start, listen_first, stop_counting
from loadgen.closed.request_names import RequestNames
from loadgen.closed.scenario_errors import ScenarioErrors
from loadgen.closed.task_log import Execution, TaskLog, text_of, words_of
from loadgen.closed.think_time import Sample, ThinkTime
from loadgen.closed.unloaded import UnloadedRequests
from loadgen.closed.user_context import UserContext
from loadgen.closed.window import Window
from loadgen.common.outputs import write_json
from loadgen.common.raw_file import RawFile
from loadgen.shared.request_record import (
    FIELDS,
    NO_RESPONSE,
    OK,
    OTHER,
    requests_file,
    setup_file,
    tasks_file,
)

# The number of different error texts and replicas that are kept. A server that puts an id into each would fill the
# memory.
MAX_TEXTS = 200
# The header in which an API may name the replica.
SERVED_BY = "X-Served-By"
# The text of a call that the client refused.
INVALID = "the client refused the call: it is not a valid request"


class Watcher(Protocol):
    """Gets each request of Locust's clients, in the greenlet of the client."""

    def on_begin(self, request: Request) -> None:
        """It has begun."""

    def on_end(self, request: Request, latency_ms: float, outcome: float, served_by: Any, error: str | None) -> None:
        """It has ended, or will never end. ``latency_ms`` is NaN where it is unknown, ``served_by`` any object."""


class Recorder:
    """Records every request and task of this process, and its CPU use.

    Args:
        environment: Locust's.
        directory: where the files go.
        host: name of this host in file names.
        index: number of this worker on its host.
        wait_seconds: the think time that replaces the scenario's own, see `ThinkTime`.
        keeps_pauses: whether the probe of one user has the think time of the load.
    """

    def __init__(
        self,
        environment: Any,
        directory: Path,
        host: str,
        index: str,
        wait_seconds: tuple[float, float] | None = None,
        keeps_pauses: bool = False,
    ) -> None:
        self._environment = environment
        worker = f"{host}-{index}"
        self._summary = directory / f"worker-{worker}.json"
        self._requests = RawFile(directory / requests_file(worker), FIELDS)
        self._names = RequestNames()
        # The most users of each class. None: there is one class, whose name no request needs.
        self._most_users: dict[str, int] | None = {} if len(environment.user_classes) > 1 else None
        self._errors: Counter[str] = Counter()
        self._served_by: Counter[str] = Counter()
        self._on_start: Counter[str] = Counter()
        self._setup = RawFile(directory / setup_file(worker), FIELDS)
        self._setup_requests = self._setup_failures = 0
        self._context = UserContext()
        self._own = OwnTimings(directory, worker, environment.user_classes, self._context)
        self._boundary = guard(environment)
        self._saw_headers = False
        self._cpu_percent: list[tuple[float, float]] = []
        self._users: list[tuple[float, int]] = []
        self._unreported = 0
        self._open, self._is_closing = True, False
        # Remove a file of an earlier attempt, so that it is not taken for the one of this attempt.
        self._summary.unlink(missing_ok=True)
        self._in_flight = InFlight(environment.events.request, self._on_lost, self._context.is_preparing)
        self._watcher: Watcher | None = None
        self._tasks = TaskLog(directory / tasks_file(worker), self._on_unfinished)
        # Records of a file each, which grow during the load.
        self._files = (self._requests, self._setup, *self._own.files, self._tasks.file)
        self._drain = Drain(environment, self._in_flight, self._tasks)
        self._think_time = ThinkTime(
            wait_seconds,
            lambda: not keeps_pauses and self._unloaded.shortens_pause(),
            lambda user: self._unloaded.wait_for_turn(user),
        )
        self._thinking: list[Sample] = [self._think_time.sample()]
        # The probe of a search that is running.
        self._window: Window | None = None
        self._scenario_errors = ScenarioErrors(environment)
        self._unloaded = UnloadedRequests(environment, self._tasks.running)
        listen_first(environment, self._on_request)
        call_at_start(environment, self._on_test_start)
        events.user_error.add_listener(self._on_user_error)
        events.spawning_complete.add_listener(lambda **_: self._count_classes())
        gevent.spawn(self._tick)

    def watch(self, watcher: Watcher) -> None:
        """Report each request to ``watcher`` from now on."""
        self._watcher = watcher
        self._in_flight.on_begin = watcher.on_begin
        self._in_flight.on_invalid = lambda request: watcher.on_end(request, math.nan, OTHER, None, INVALID)

    @property
    def requests(self) -> int:
        """The number of requests recorded so far, with the timings that the scenario fired itself."""
        return len(self._requests) + len(self._setup) + self._own.count

    @property
    def reported(self) -> int:
        """Those of them that Locust has counted too."""
        return self.requests - self._unreported

    @property
    def starting(self) -> int:
        """The number of users that have not begun their first task."""
        return self._context.starting

    @property
    def logging_in(self) -> int:
        """The requests of ``on_start`` that have no response yet."""
        return sum(request.is_setup and request.latency_ms is None for request in self._in_flight.not_ended())

    @property
    def requests_file(self) -> str:
        """The name of the file of requests when the load is over."""
        return self._requests.compressed.name

    @property
    def think_time(self) -> ThinkTime:
        """The think time of the users."""
        return self._think_time

    @property
    def tasks(self) -> tuple[int, int]:
        """The tasks that have ended so far, and those of them that an exception ended."""
        return self._tasks.ended, self._tasks.raised

    def open_window(self, window: Window, own: Window) -> None:
        """Sum up the requests of a probe as well, from now on, and the timings that the scenario fires itself."""
        self._window = window
        self._own.open_windows(window, own)

    def is_waiting(self, window: Window) -> bool:
        """Whether a request of the probe has not ended yet."""
        return any(request.start_seconds in window for request in self._of_tasks())

    def close_window(self, window: Window) -> None:
        """Add what has not ended yet, and sum up no more."""
        now = time.time()
        for request in self._of_tasks():
            if request.latency_ms is None:
                window.add_waiting(request.start_seconds, now)
            else:
                outcome = OK if request.failure is None else request.failure
                window.add(request.start_seconds, request.latency_ms, outcome)
        self._window = None
        self._own.close_windows()

    def _of_tasks(self) -> list[Request]:
        """Requests of tasks that have not ended."""
        return [request for request in self._in_flight.not_ended() if not request.is_setup]

    def _on_test_start(self, **_: Any) -> None:
        # Locust has just forgotten what came before.
        self._own.reset()
        self._unreported = len(self._requests) + len(self._setup)

    def _on_request(
        self,
        response_time: float | None,
        exception: Any = None,
        start_time: float | None = None,
        response: Any = None,
        url: str | None = None,
        request_type: Any = None,
        name: Any = None,
        **_: Any,
    ) -> None:
        number = self._names.number_of(request_type, name, self._user_class())
        request = self._in_flight.on_event(url)
        if request is not None:
            is_setup = request.is_setup
            latency_ms = math.nan if response_time is None else response_time
            start_time = time.time() - (response_time or 0.0) / 1000 if start_time is None else start_time
            outcome = request.outcome(response, exception)
            if exception is None and outcome != OK:
                # The scenario accepted a response that is not whole.
                exception = request.broken
            self._record(is_setup, (start_time, latency_ms, outcome), number)
            if not is_setup:
                self._unloaded.add(start_time, latency_ms, outcome, name)
        else:
            is_setup = self._context.is_preparing()
            # Locust takes an empty text for no exception.
            exception = exception or None
            own_outcome = OK if exception is None else kind_of_own(response, exception)
            self._add_own(is_setup, response_time, own_outcome, number)
        error = None
        if exception is not None:
            if not is_setup:
                self._tasks.on_failed_request()
            error = words_of(exception) or type(exception).__name__
            self._count_error(error)
        # A scenario's own client may provide no response, or one without headers, for example for a failed request.
        # Its headers may be any object.
        get = getattr(getattr(response, "headers", None), "get", None)
        server = get(SERVED_BY) if callable(get) else None
        if callable(get):
            self._count_server(server)
        if request is not None and self._watcher is not None:
            self._watcher.on_end(request, latency_ms, outcome, server, error)

    def _user_class(self) -> str:
        """The class of the user that acts, empty if it is not known or there is only one."""
        if self._most_users is None:
            return ""
        user = self._context.user()
        return "" if user is None else type(user).__name__

    def _record(self, is_setup: bool, figures: tuple[float, float, float], number: float) -> None:
        """A request: its start, latency and outcome, and the number of its name."""
        (self._setup if is_setup else self._requests).add((*figures, number))
        if is_setup:
            self._count_setup(figures[-1])
        elif self._window is not None:
            self._window.add(*figures)

    def _count_setup(self, outcome: float) -> None:
        self._setup_requests += 1
        self._setup_failures += outcome != OK

    def _add_own(self, is_setup: bool, latency_ms: Any, outcome: float, number: float) -> None:
        """A timing that the scenario fired itself, with any values."""
        if is_setup:
            self._own.add_setup()
            self._count_setup(outcome)
            return
        if (task := self._tasks.running()) is not None:
            task.since_seconds = time.time()
        self._own.add(latency_ms, outcome, number)

    def _count_error(self, text: str) -> None:
        if text not in self._errors and len(self._errors) >= MAX_TEXTS:
            text = "(other errors)"
        self._errors[text] += 1

    def _on_lost(self, request: Request) -> None:
        """A request that Locust will not report."""
        if not self._open:
            return
        self._unreported += 1
        latency_ms, outcome = request.latency_ms, OK if request.failure is None else request.failure
        if latency_ms is None:
            latency_ms = max(0.0, time.time() - request.start_seconds) * 1000
            outcome = NO_RESPONSE if request.failure is None else request.failure
        number = self._names.number_of(request.method, request.name, self._user_class())
        self._record(request.is_setup, (request.start_seconds, latency_ms, outcome), number)
        if self._watcher is not None:
            self._watcher.on_end(request, latency_ms, outcome, None, request.error or "no response")
        task, stopped = self._tasks.running(), self._drain.stopped_seconds
        if task is not None and not request.is_setup:
            task.has_lost_request = True
            # A request that began after the window, and that the end of the load interrupted, shows nothing about the
            # API.
            counts = outcome != NO_RESPONSE or stopped is None or request.start_seconds <= stopped
            if outcome != OK and counts:
                task.has_failed_request = True
        if request.failure is not None:
            self._count_error(request.error or "a response with an error status that the scenario did not judge")

    def _on_unfinished(self, task: Execution) -> None:
        """For clients that are not tracked, a task that the end of the load interrupted represents its request."""
        if self._open and not is_http(type(task.user)) and not task.has_lost_request:
            self._unreported += 1
            self._own.add_unfinished(task)
            stopped = self._drain.stopped_seconds
            if stopped is None or task.since_seconds <= stopped:
                task.has_failed_request = True

    def _on_user_error(self, user_instance: Any, exception: BaseException, **_: Any) -> None:
        if isinstance(user_instance, User):
            self._on_start[text_of(exception)] += 1
        else:
            self._tasks.on_error(exception)

    def _count_server(self, name: Any) -> None:
        self._saw_headers = True
        if isinstance(name, str):
            if name not in self._served_by and len(self._served_by) >= MAX_TEXTS:
                name = "(others)"
            self._served_by[name] += 1

    def _tick(self) -> None:
        clock, cpu = time.monotonic(), time.process_time()
        while self._open:
            gevent.sleep(1.0)
            clock_now, cpu_now = time.monotonic(), time.process_time()
            self._cpu_percent.append((time.time(), 100 * (cpu_now - cpu) / (clock_now - clock)))
            self._users.append((time.time(), self._environment.runner.user_count))
            self._count_classes()
            self._thinking.append(self._think_time.sample())
            clock, cpu = clock_now, cpu_now
            if self._open:
                for file in self._files:
                    file.flush()

    def _count_classes(self) -> None:
        if self._most_users is not None:
            for name, count in self._environment.runner.user_classes_count.items():
                self._most_users[name] = max(count, self._most_users.get(name, 0))

    def is_preparing(self) -> bool:
        """Whether a request of this greenlet belongs to ``on_start`` or ``on_stop``."""
        return self._context.is_preparing()

    def close(self) -> None:
        """Write the rest, compress, and add the summary. Safe to repeat."""
        if self._is_closing:
            return
        self._is_closing = True
        self._drain.wait_for_rest()
        self._in_flight.close()
        self._open = False
        # The window may end after the last tick.
        self._thinking.append(self._think_time.sample())
        stop_counting(self._environment)
        for file in self._files:
            file.close()
        summary = {
            "requests": len(self._requests) + len(self._setup),
            "unreported": self._unreported,
            "own_timings": self._own.count,
            "user_events": self._own.events,
            "setup_requests": self._setup_requests,
            "setup_failures": self._setup_failures,
            "names": self._names.names,
            "name_classes": None if self._most_users is None else self._names.classes,
            "user_classes": self._most_users,
            "sent": self._in_flight.sent,
            "redirects": self._in_flight.redirects,
            "retries": self._in_flight.retries,
            "other_sends": self._boundary.passed - self._in_flight.sent,
            "cpu_percent": self._cpu_percent,
            "users": self._users,
            "think_time": self._thinking,
            "unloaded": self._unloaded.requests,
            "unloaded_names": self._unloaded.names,
            "by_name": self._unloaded.by_name,
            "errors": dict(self._errors),
            "tasks": len(self._tasks.file),
            "exceptions": self._tasks.exceptions,
            "on_start": dict(self._on_start.most_common(MAX_TEXTS)),
            "listener_errors": dict(self._scenario_errors.counts),
            # Null: the scenario's client shows no headers, so it is unknown.
            "served_by": dict(self._served_by) if self._saw_headers else None,
            # Blocked requests, by their target address (see boundary.py).
            "left_lab": dict(self._boundary.blocked),
        }
        write_json(self._summary, {"schema": 1, **summary})
