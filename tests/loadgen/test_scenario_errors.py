"""A scenario that tries to end its process or the load: the load goes on, and the page has the cause."""

from contextlib import ExitStack

import pytest

from swarmsweep.raw.closed_loop import read_users
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from tests.loadgen.locust_run import LOCUST, ROOT, serve
from tests.loadgen.test_recorder import USERS, run_distributed
from tests.loadgen.users_run import PLAIN, base_user, respond

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# Each class ends the load in another way. The watcher is a recipe of Locust's documentation.
SCENARIO = (
    base_user(0.1, None)
    + PLAIN
    + """
import sys
import gevent
from locust import events
from locust.runners import WorkerRunner

@events.test_start.add_listener
def seed(environment, **_):
    raise KeyError("no seed")

@events.init.add_listener
def begin(environment, **_):
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn_later(0, watch, environment)

def watch(environment):
    while not environment.runner.stats.total.num_requests:
        gevent.sleep(0.1)
    environment.runner.quit()

class Quitting(Base):
    fixed_count = 2

    @task
    def visit(self):
        self.client.get("/ok")
        self.environment.runner.quit()

class Exiting(Base):
    fixed_count = 2

    @task
    def visit(self):
        self.client.get("/ok")
        sys.exit("no token")

    def on_stop(self):
        sys.exit()

class NotStarting(Base):
    fixed_count = 2

    def on_start(self):
        sys.exit(3)

    @task
    def visit(self):
        self.client.get("/ok")
"""
)
QUIT = "EndedByScenarioError: the scenario called runner.quit(), but only the lab ends the load"
EXIT = "EndedByScenarioError: the scenario called sys.exit({}), but only the lab ends the load"


def test_a_scenario_does_not_end_the_load(tmp_path):
    (tmp_path / "mine.py").write_text(SCENARIO)
    files = f"{tmp_path / 'mine.py'},{ROOT / 'loadgen/entry/recorder.py'}"
    with serve("127.0.0.1", respond) as server, ExitStack() as stack:
        processes = run_distributed(stack, tmp_path, f"http://127.0.0.1:{server.port}", 2, files=files)
        # Locust has a status of its own for a listener that raised. The mark says that the process ended in order.
        statuses = [process.wait(90) for process in processes]
    assert len(list(tmp_path.glob("ended-*.json"))) == 3, (statuses, (tmp_path / "master.log").read_text())
    timeline = read_record(tmp_path / "timeline.json", Timeline)
    assert (timeline.users, timeline.workers_connected, timeline.workers_lost) == (USERS, 2, 0)
    problems: list[str] = []
    record = read_users(tmp_path, ReadOrNote(tmp_path, problems), timeline)
    assert problems == []
    assert len(record.requests.within(*timeline.window())) > 0
    texts = {text for tasks in record.tasks for text in tasks.texts}
    assert texts == {QUIT, EXIT.format("'no token'")}
    # At each step of its ramp, Locust starts a user again that has ended.
    assert record.on_start.keys() == {EXIT.format(3)}
    assert record.on_start[EXIT.format(3)] >= 2
    # The listener on the master and both workers, the watcher, and two users in each of their tasks.
    assert record.listener_errors.pop("KeyError: 'no seed'") == 3
    assert record.listener_errors.pop(QUIT) >= 3
    assert record.listener_errors == {}


ENDING = """
import os
from locust import FastHttpUser, constant, task

class Ending(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def visit(self):
        os._exit(3)
"""


def test_a_load_whose_workers_are_all_gone_before_all_users_run_ends(tmp_path):
    (tmp_path / "mine.py").write_text(ENDING)
    files = f"{tmp_path / 'mine.py'},{ROOT / 'loadgen/entry/recorder.py'}"
    with serve("127.0.0.1", respond) as server, ExitStack() as stack:
        master, *workers = run_distributed(stack, tmp_path, f"http://127.0.0.1:{server.port}", 1, files=files)
        assert [worker.wait(60) for worker in workers] == [3]
        # Locust notices a lost worker after a few heartbeats. The longest ramp would take 15 minutes.
        assert master.wait(60) != 0
    timeline = read_record(tmp_path / "timeline.json", Timeline)
    assert (timeline.workers_lost, timeline.window_end) == (1, None)
