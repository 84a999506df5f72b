"""The role of a Locust process in a load that a person makes in Locust's page.

Locust loads it by entry/by_hand.py. The scenario has the same bounds as in a measured load, and the target is the
same. What users send is not recorded. Settings are environment variables:

SWEEP_PAGE_SECONDS       after which the master ends the load, its workers and the page (master)
LOCUST_WAIT_MIN_SECONDS, LOCUST_WAIT_MAX_SECONDS   think time that replaces the scenario's own (see think_time.py)
"""

import logging
import os
import sys
from typing import Any

import gevent
from locust.runners import WorkerRunner

from loadgen.closed.boundary import guard
from loadgen.closed.kept_connections import keep_connections
from loadgen.closed.response_bounds import set_bounds
from loadgen.closed.scenario_errors import ScenarioErrors
from loadgen.closed.task_log import text_of
from loadgen.closed.think_time import ThinkTime, wait_seconds
from loadgen.page.fixed_host import fix_host

logger = logging.getLogger("by_hand")


def begin(environment: Any, runner: Any, web_ui: Any = None, **_: Any) -> None:
    """Take the role of this process, or end it. Locust would go on and make load after a listener has failed."""
    try:
        take_role(environment, runner, web_ui)
    except Exception as error:
        logger.exception("the load by hand could not start")
        sys.exit(f"by_hand: {text_of(error)}")


def take_role(environment: Any, runner: Any, web_ui: Any) -> None:
    """Bound what this process sends, and on the master what the page may order."""
    if web_ui is not None:
        fix_host(environment, web_ui)
        if seconds := os.environ.get("SWEEP_PAGE_SECONDS"):
            gevent.spawn_later(float(seconds), end, runner, web_ui)
    elif not isinstance(runner, WorkerRunner):
        raise ValueError("a load by hand needs the page: start Locust without --headless")
    # A listener of the scenario may send requests in the master too.
    guard(environment)
    ScenarioErrors(environment)
    set_bounds()
    keep_connections()
    if waits := wait_seconds():
        ThinkTime(waits)


def end(runner: Any, web_ui: Any) -> None:
    """End the workers, then the page, and with it the master."""
    logger.info("the time limit of the page is over")
    runner.quit()
    web_ui.stop()
