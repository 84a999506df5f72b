"""The role of a Locust process whose users wait for iterations: workers record and make them, the master orders them.

Locust loads it by entry/recorder.py, which also makes the loads of closed/roles.py. SWEEP_SEARCH says which one it is
(see master/search_order.py). The other settings are environment variables, as in closed/roles.py.
"""

import json
import logging
import os
import socket
import sys
from typing import Any

from locust import events
from locust.runners import MasterRunner

from loadgen.closed import roles
from loadgen.closed.kept_connections import keep_connections
from loadgen.closed.recorder import Recorder
from loadgen.closed.response_bounds import set_bounds
from loadgen.closed.task_log import text_of
from loadgen.common.outputs import output_directory
from loadgen.common.workers import announce_role
from loadgen.iterations.generator import IterationGenerator

logger = logging.getLogger("iterations")

# In SWEEP_SEARCH: iterations of any scenario start when they are due.
ARRIVALS = "arrivals"


def is_by_arrivals() -> bool:
    """Whether the order of the search in the environment is one for iterations."""
    try:
        order = json.loads(os.environ.get("SWEEP_SEARCH") or "{}")
    except ValueError:
        # The conductor refuses it.
        return False
    return isinstance(order, dict) and order.get("by") == ARRIVALS


def begin(environment: Any, runner: Any, **more: Any) -> None:
    """Take the role of this process, or end it. Locust would go on and make load after a listener has failed."""
    if not is_by_arrivals():
        roles.begin(environment, runner, **more)
        return
    try:
        take_role(environment, runner)
    except Exception as error:
        logger.exception("the recorder could not start")
        sys.exit(f"recorder: {text_of(error)}")


def take_role(environment: Any, runner: Any) -> None:
    """Record and make iterations, unless this is the master."""
    if isinstance(runner, MasterRunner):
        return
    directory = output_directory()
    index = os.environ.get("SWEEP_WORKER_INDEX") or str(getattr(runner, "worker_index", 0))
    host = os.environ.get("SWEEP_HOST") or socket.gethostname()
    set_bounds()
    keep_connections()
    recorder = Recorder(environment, directory, host, index, keeps_pauses=True)
    IterationGenerator(environment, directory, host, recorder)
    # When the users have stopped. A worker that quits in another way writes what it has.
    events.test_stop.add_listener(lambda **_: recorder.close())
    events.quitting.add_listener(lambda **_: recorder.close())
    announce_role(runner)
