"""A Locust process that recorded everything leaves a mark, whatever exit status its scenario sets."""

import threading
from contextlib import ExitStack

import pytest

from tests.loadgen.locust_run import LOCUST
from tests.loadgen.test_recorder import LOCUSTFILES, Server, load, run_distributed, start

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# The recipe of Locust's documentation, on every process; and a listener that raises.
GATE = """
from locust import FastHttpUser, constant, events, task

@events.quitting.add_listener
def judge(environment, **_):
    environment.process_exit_code = 1

class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def predict(self):
        self.client.post("/predict", json={"x": 1})
"""
RAISING = GATE.replace("environment.process_exit_code = 1", "raise KeyError('of the scenario')")
BROKEN = "raise RuntimeError('cannot be imported')\n"


@pytest.fixture
def server():
    with Server(0.005) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def files_with(folder, scenario: str) -> str:
    (folder / "gate.py").write_text(scenario)
    return f"{folder / 'gate.py'},{LOCUSTFILES.partition(',')[2]}"


def marks(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("ended-*"))


@pytest.mark.parametrize(("scenario", "status"), [(GATE, 1), (RAISING, 2)], ids=["gate", "raising"])
def test_a_status_of_the_scenario_hides_no_order(server, tmp_path, scenario, status):
    files = files_with(tmp_path, scenario)
    with ExitStack() as stack:
        master, worker = run_distributed(stack, tmp_path, server.url, workers=1, files=files)
        assert worker.wait(90) == status
        # Where requests failed, Locust prefers --exit-code-on-error, which is 0.
        assert master.wait(90) in (0, status)
    assert marks(tmp_path) == ["ended-lab-load-master.json", "ended-lab-load-worker-0.json"]


def test_a_process_that_was_killed_has_no_mark(server, tmp_path):
    # Marks of an earlier attempt are removed.
    for name in ("ended-lab-load-master.json", "ended-lab-load-worker-0.json"):
        (tmp_path / name).touch()
    with ExitStack() as stack:
        master, worker = run_distributed(stack, tmp_path, server.url, workers=1)
        while server.answered < 5:
            assert master.poll() is None
        worker.kill()
        master.wait(90)
    assert "ended-lab-load-worker-0.json" not in marks(tmp_path)


def test_a_process_that_never_ran_has_no_mark(server, tmp_path):
    process = start(tmp_path, *load(tmp_path, server.url), files=files_with(tmp_path, BROKEN))
    assert process.wait(60) == 1
    assert marks(tmp_path) == []
