"""The search for users on Locust's master, with real workers and a real server whose capacity is known."""

import json
from contextlib import ExitStack

import numpy as np
import pytest

from app.dependencies.processes import free_port
from tests.loadgen.test_conductor import LOCUST, SLOTS_RPS, Lab
from tests.loadgen.users_run import read_requests

pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

THINK_SECONDS = (0.1, 0.2)
# TASK_SECONDS of loadgen/master/users_conductor.py, which would bring Locust into this process.
TASK_SECONDS = 30.0
# Two tasks, one of which makes two requests; every third response is checked in a with block.
SCENARIO = """
from locust import FastHttpUser, between, task
class Visitor(FastHttpUser):
    wait_time = between(0.1, 0.2)
    def on_start(self):
        self.client.get("/length")
    @task(2)
    def ask(self):
        self.client.post("/slots", data=b"{}")
    @task
    def ask_twice(self):
        self.client.post("/slots", data=b"{}")
        with self.client.post("/slots", data=b"{}", catch_response=True) as response:
            response.success()
"""
ORDER = {
    "by": "users",
    "profile": "short",
    "slo": {"p95_ms": 100, "p99_ms": None, "max_failure_percent": 1},
    # Shorter than a task with two requests takes near the limit: such a user must end its task, too.
    "timeout_seconds": 0.25,
    "seed": 5,
    "workers": 2,
    "spawn_rate": 20,
    "processes": 2,
    "think_seconds": None,
    "max_users": None,
}


class UsersLab(Lab):
    """Locust's processes as a load host starts them for such a search."""

    def start(self, scenario: str = SCENARIO, workers: int = 2, **order) -> None:
        given = ORDER | {"workers": workers} | order
        path = self.folder / "visitor.py"
        path.write_text(scenario)
        port, both = str(free_port()), f"{path},{self.home}/recorder.py"
        load = ["--headless", "-u", "1", "-r", "1", "--host", self.url, "--only-summary"]
        load += ["--csv", str(self.out / "stats"), "--csv-full-history"]
        env = {"SWEEP_SEARCH": json.dumps(given)}
        master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        master += ["--expect-workers", str(workers), "--expect-workers-max-wait", "60"]
        start = {"SWEEP_START_FILE": str(self.out / "start")}
        self.run("master", f"{both},{self.home}/conductor.py", [*master, *load], env | start)
        for index in range(workers):
            worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
            self.run(f"worker-{index}", both, worker, env | {"SWEEP_WORKER_INDEX": str(index)})


@pytest.fixture
def lab(tmp_path):
    with ExitStack() as stack:
        yield UsersLab(stack, tmp_path)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """(lab, exit code, capacity.json, counts of the server) of a whole search with two workers."""
    with ExitStack() as stack:
        lab = UsersLab(stack, tmp_path_factory.mktemp("users"))
        lab.start()
        lab.let_begin()
        code, capacity = lab.finish()
        yield lab, code, capacity, lab.counts()


def test_a_search_finds_how_many_users_the_server_can_take(searched):
    lab, code, capacity, _ = searched
    assert (code, capacity["error"]) == (0, None), lab.logs()
    assert capacity["order"] == ORDER
    trials = capacity["trials"]
    first, *others = trials
    assert (first["purpose"], first["kind"], first["users"], first["verdict"]) == ("unloaded", "users", 1, "probe")
    assert {trial["kind"] for trial in others} == {"users"}
    assert {trial["rate_rps"] for trial in trials} == {None}
    held = [trial["users"] for trial in others if trial["verdict"] == "good"]
    # The search itself reports what a busy machine could not do.
    if capacity["ended"] in ("done", "budget"):
        assert held
        assert any(trial["verdict"] == "bad" for trial in others)
    else:
        assert capacity["ended"] in ("generator", "no_load_passes")
    # Little's law, with the greatest mean latency at which 95 % hold 100 ms, and a request for each think time.
    longest_seconds = THINK_SECONDS[1] + 0.95 * 0.1 + 0.05 * ORDER["timeout_seconds"]
    assert max(held, default=0) <= 1.1 * SLOTS_RPS * longest_seconds
    # The budget, and the longest wait for users in the last probe, which a busy machine may need.
    assert capacity["load_seconds"] <= capacity["profile"]["budget_seconds"] + TASK_SECONDS


def test_each_window_has_its_users_and_is_cut_from_the_record(searched):
    lab, _, capacity, _ = searched
    rows = {index: np.array(read_requests(lab.out / f"named-requests-lab-load-{index}.f64.gz")) for index in "01"}
    for trial in capacity["trials"]:
        summary = lab.read(trial["file"])
        assert (summary["workers_ordered"], summary["workers_reported"], summary["stopped"]) == (2, 2, None)
        assert summary["users"]["least"] == summary["users"]["most"] == trial["users"]
        ok = within = offered = 0
        for worker in summary["workers"]:
            assert worker["requests_file"] == f"named-requests-lab-load-{worker['index']}.f64.gz"
            start, latency, outcome = rows[worker["index"]].T
            inside = (start >= worker["window_start"]) & (start < worker["window_end"])
            offered += int(inside.sum())
            good = inside & (outcome == 1) & (latency <= 1000 * ORDER["timeout_seconds"])
            ok += int(good.sum())
            within += int((good & (latency <= 100)).sum())
        assert (offered, ok) == (summary["measured"]["offered"], summary["measured"]["ok"])
        # The histogram has three digits.
        assert abs(within - summary["within_limits"]["p95_ms"]) <= max(1, 0.01 * ok)
        (visitors,) = summary["users"]["classes"].values()
        asked = {name: summary["users"][name] for name in ("waits", "asked_seconds")}
        assert visitors == asked | {"users": trial["users"]}
        mean = summary["users"]["asked_seconds"] / summary["users"]["waits"]
        assert THINK_SECONDS[0] <= mean <= THINK_SECONDS[1]


def test_no_change_of_the_number_of_users_cuts_a_request(searched):
    lab, _, capacity, counts = searched
    timeline = lab.read("timeline.json")
    users = [trial["users"] for trial in capacity["trials"]]
    assert users != sorted(users) or capacity["ended"] == "generator"
    assert timeline.items() >= {"mode": "capacity", "users": max(users), "workers_lost": 0, "questions": 0}.items()
    assert timeline["unloaded_start"] < timeline["unloaded_end"]
    assert timeline["requests_recorded"] == timeline["requests_reported"]
    assert counts["/slots"] + counts["/length"] == timeline["requests_recorded"]
    for index in "01":
        outcomes = {row[2] for row in read_requests(lab.out / f"named-requests-lab-load-{index}.f64.gz")}
        assert outcomes == {1.0}


def test_an_exit_of_users_is_seen(lab):
    """Users that stop themselves leave fewer than ordered: the load was not made, and says nothing about the API."""
    lab.start(
        SCENARIO.replace("    @task(2)\n", "    @task(2)\n    def leave(self):\n        self.stop()\n    @task(2)\n")
    )
    lab.let_begin()
    code, capacity = lab.finish()
    assert (code, capacity["error"]) == (0, None), lab.logs()
    assert capacity["ended"] == "generator"
    assert "users ran tasks in the window" in capacity["trials"][-1]["reason"]


def test_a_think_time_beyond_the_budget_ends_the_search_at_once(lab):
    lab.start(SCENARIO.replace("between(0.1, 0.2)", "between(5, 7)"))
    lab.let_begin()
    code, capacity = lab.finish()
    assert (code, capacity["error"], capacity["ended"]) == (0, None, "think_time"), lab.logs()
    assert [trial["purpose"] for trial in capacity["trials"]] == ["unloaded"]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"by": "rate"}, "by is 'rate'; allowed: one of users"),
        ({"profile": "quick"}, "profile is 'quick'"),
        ({"spawn_rate": 0}, "spawn_rate is 0"),
        ({"spam": 1}, "unexpected keyword argument 'spam'"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(lab, order, message):
    lab.start(**order)
    assert lab.locust[0].wait(60) != 0
    assert message in (lab.folder / "master.log").read_text()
    assert lab.counts() == {}
