"""The role of a Locust process in a closed-loop load: the master conducts, workers record, a single process does both.

Locust loads it by entry/recorder.py. Settings are environment variables:

SWEEP_OUTPUT_DIR         where the files go (all roles)
SWEEP_WARMUP_SECONDS     discarded after the ramp (master)
SWEEP_MEASURE_SECONDS    length of the measured window (master)
SWEEP_HOST               name of this host in file names; default: its host name
SWEEP_WORKER_INDEX       number of this worker on its host; default: the index that the master gave it
SWEEP_START_FILE         see common/workers.py (master)
SWEEP_FIRST_RESPONSE     1: note the first response, see first_response.py (workers)
SWEEP_SEARCH             a search conducts the load (see master/users_conductor.py); without warm-up, window and drain
SWEEP_DRAIN_SECONDS      for responses after the window, at most (master; see drain.py)
LOCUST_WAIT_MIN_SECONDS, LOCUST_WAIT_MAX_SECONDS   think time that replaces the scenario's own (see think_time.py)
"""

import logging
import os
import socket
import sys
from typing import Any

from locust import events
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadgen.closed.first_response import FirstResponses
from loadgen.closed.kept_connections import keep_connections
from loadgen.closed.probes import Probes
from loadgen.closed.recorder import Recorder
from loadgen.closed.response_bounds import set_bounds
from loadgen.closed.task_log import text_of
from loadgen.closed.think_time import wait_seconds
from loadgen.closed.timeline import DONE, Timeline
from loadgen.common.ended import EndMark
from loadgen.common.outputs import output_directory
from loadgen.common.workers import announce_role, wait_for_start

logger = logging.getLogger("recorder")


def hand_in(environment: Any, recorder: Recorder, mark: EndMark) -> None:
    """Close the files of a worker and send its last figures; it runs on the worker after its users have stopped."""
    runner = environment.runner
    recorder.close()
    # Locust would send these up to a second later, when the master may have quit.
    runner._send_stats()
    runner.send_message(DONE, {"requests": recorder.requests})
    mark.write()
    # Otherwise Locust sleeps for this long before it receives messages again, and would miss the order to quit.
    environment.stop_timeout = 0.0


def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Take the role of this process, or end it. Without this, Locust would continue and make load after a listener has
    failed.
    """
    try:
        take_role(environment, runner)
    except Exception as error:
        logger.exception("the recorder could not start")
        sys.exit(f"recorder: {text_of(error)}")


def take_role(environment: Any, runner: Any) -> None:
    """Record, conduct, or both."""
    directory, waits = output_directory(), wait_seconds()
    is_search = bool(os.environ.get("SWEEP_SEARCH"))
    if is_search and isinstance(runner, MasterRunner):
        return
    if is_search and isinstance(runner, LocalRunner):
        raise ValueError("a search with users needs workers: start Locust with --master and --worker")
    if isinstance(runner, MasterRunner):
        Timeline(environment, directory, None)
        wait_for_start(environment)
        return
    index = os.environ.get("SWEEP_WORKER_INDEX") or str(getattr(runner, "worker_index", 0))
    set_bounds()
    keep_connections()
    host = os.environ.get("SWEEP_HOST") or socket.gethostname()
    is_check = os.environ.get("SWEEP_FIRST_RESPONSE") == "1"
    # A check sends few requests, and needs no mean.
    recorder = Recorder(environment, directory, host, index, waits, keeps_pauses=is_check)
    if is_check:
        events.request.add_listener(FirstResponses(directory, f"{host}-{index}", recorder.is_preparing).note)
    if is_search:
        Probes(environment, recorder, host, index)
    if isinstance(runner, WorkerRunner):
        mark = EndMark(directory, index)
        events.test_stop.add_listener(lambda **_: hand_in(environment, recorder, mark))
        events.quitting.add_listener(lambda **_: recorder.close())
        announce_role(runner)
    elif isinstance(runner, LocalRunner):
        Timeline(environment, directory, recorder)
        events.quitting.add_listener(lambda **_: recorder.close())
        wait_for_start(environment)
