"""What a scenario does in Locust's master is counted, so that the counts of a sound attempt agree."""

import json
from contextlib import ExitStack

import pytest

from swarmsweep.raw.closed_loop import read_left_lab, read_users
from swarmsweep.raw.locust_csv import aggregated, parse_stats
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from tests.loadgen.locust_run import LOCUST, ROOT, serve
from tests.loadgen.test_recorder import finish, run_distributed

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# A listener of test_start runs in the master too. The monitor begins before the test, and never ends.
SCENARIO = """
import gevent
import requests
from locust import FastHttpUser, constant, events, task
from locust.runners import MasterRunner

def fire(environment):
    environment.events.request.fire(request_type="SEED", name="seed", response_time=3.0, response_length=0,
                                    exception=None, context={})

def watch(environment):
    while True:
        fire(environment)
        gevent.sleep(0.05)

@events.init.add_listener
def begin(environment, **_):
    gevent.spawn(watch, environment)

@events.test_start.add_listener
def seed(environment, **_):
    fire(environment)
    if isinstance(environment.runner, MasterRunner):
        requests.post(environment.host + "/seed")
        try:
            requests.get("http://127.0.0.2:9/elsewhere")
        except requests.RequestException:
            pass

class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/ok")
"""


def respond(handler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "0")
    handler.end_headers()


def test_timings_and_requests_of_the_master_are_counted(tmp_path):
    (tmp_path / "mine.py").write_text(SCENARIO)
    files = f"{tmp_path / 'mine.py'},{ROOT / 'loadgen/entry/recorder.py'}"
    with serve("127.0.0.1", respond) as server, ExitStack() as stack:
        finish(run_distributed(stack, tmp_path, f"http://127.0.0.1:{server.port}", 2, files=files), tmp_path)
    timeline = read_record(tmp_path / "timeline.json", Timeline)
    problems: list[str] = []
    found = read_users(tmp_path, ReadOrNote(tmp_path, problems), timeline)
    assert problems == []
    workers = [json.loads((tmp_path / f"worker-lab-load-{index}.json").read_text()) for index in range(2)]
    assert timeline.own_timings > 1
    assert found.sent.own_timings == timeline.own_timings + sum(worker["own_timings"] for worker in workers)
    # Locust counted the same, to the last timing of the monitor, which was still firing.
    locust = aggregated(parse_stats((tmp_path / "stats_stats.csv").read_text())).request_count
    assert found.sent.requests - found.unreported + found.sent.own_timings == locust
    # The server counted the request of the master too, and the other one never left.
    assert server.asked["POST", "/seed"] == found.sent.other_sends == 1
    assert server.asked.total() == found.sent.sent + found.sent.other_sends
    assert found.left_lab == read_left_lab(tmp_path) == {"http://127.0.0.2:9": 1}
