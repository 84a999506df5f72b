"""The search on Locust's master, with real workers and a real server whose capacity is known."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from csv import DictReader
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.dependencies.processes import free_port
from bench.lib import load_host
from tests.loadgen.live_file import Reader

ROOT = Path(__file__).parents[2]
PEER = Path(__file__).with_name("http_peer.py")
LOCUST = shutil.which("locust", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")

pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
pytest.importorskip("httptools", reason="httptools is not installed")
pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# What the peer's path /slots can serve, and how long each request takes, see http_peer.py.
SLOTS_RPS, SLOT_MS = 100, 20
# Appended to the profiles of a search: the least that still goes through all of a search.
PROFILE = """
import dataclasses
PROFILES["short"] = dataclasses.replace(
    PROFILES["smoke"], name="short", budget_seconds=40, probe_settle_seconds=0.5, probe_seconds=1.5,
    settle_seconds=0.5, search_seconds=2, confirm_seconds=2, resolution=0.25, confirm_factors=(1.0,), verify_seconds=2)
"""
SCENARIO = """
from open_loop import OpenLoopUser
class SlotsUser(OpenLoopUser):
    path = "/slots"
    payloads = [b'{}']
"""
NO_OPEN_LOOP = """
from locust import FastHttpUser, task
class ClosedUser(FastHttpUser):
    @task
    def ask(self):
        self.client.post("/slots", data=b"{}")
"""
ORDER = {
    "profile": "short",
    "slo": {"p95_ms": 250, "p99_ms": None, "max_failure_percent": 1},
    "arrivals": "constant",
    "timeout_seconds": 1.0,
    "seed": 5,
    "workers": 2,
    "connections": 8,
    "max_rps": None,
}


class Lab:
    """A server, and Locust's processes as a load host starts them, from a folder as a load host has it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.stack, self.folder, self.out = stack, folder, folder / "out"
        self.out.mkdir()
        self.home = folder / "home"
        load_host.make(self.home)
        steps = self.home / "search/steps.py"
        steps.write_text(steps.read_text() + PROFILE)
        self.server = self.popen([sys.executable, str(PEER)], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.server.stdout.readline())}"
        self.locust: list[subprocess.Popen] = []

    def popen(self, command: list[str], **options) -> subprocess.Popen:
        process = self.stack.enter_context(subprocess.Popen(command, **options))
        self.stack.callback(process.kill)
        return process

    def start(self, scenario: str = SCENARIO, workers: int = 2, **order) -> None:
        given = ORDER | {"workers": workers or 1} | order
        path = self.folder / "slots_open.py"
        path.write_text(scenario)
        port, both = str(free_port()), f"{self.home}/open_loop.py,{path}"
        if given.get("by"):
            both = f"{path},{self.home}/recorder.py"
        load = ["--headless", "-u", str(workers or 1), "-r", str(workers or 1), "--host", self.url, "--only-summary"]
        load += ["--csv", str(self.out / "stats"), "--csv-full-history"]
        env = {"SWEEP_SEARCH": json.dumps(given), "SWEEP_START_FILE": str(self.out / "start")}
        if not workers:
            self.run("master", f"{both},{self.home}/conductor.py", load, env | {"SWEEP_WORKER_INDEX": "0"})
            return
        master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        master += ["--expect-workers", str(workers), "--expect-workers-max-wait", "60"]
        self.run("master", f"{both},{self.home}/conductor.py", [*master, *load], env)
        for index in range(workers):
            worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
            own = {"SWEEP_WORKER_INDEX": str(index), "SWEEP_SEARCH": env["SWEEP_SEARCH"]}
            self.run(f"worker-{index}", both, worker, own)

    def run(self, name: str, files: str, arguments: list[str], settings: dict[str, str]) -> None:
        env = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        env |= {"SWEEP_OUTPUT_DIR": str(self.out), "SWEEP_HOST": "lab-load", "PYTHONDONTWRITEBYTECODE": "1"} | settings
        command = [LOCUST, "-f", files, *arguments, "--exit-code-on-error", "0", "--loglevel", "INFO"]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.locust.append(self.popen(command, env=env, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT))

    def let_begin(self) -> None:
        (self.out / "start").touch()

    def counts(self) -> dict:
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        connection.request("GET", "/counts")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["requests"]

    def logs(self) -> str:
        return "\n".join(f"{log.name}:\n{log.read_text()[-3000:]}" for log in self.folder.glob("*.log"))

    def wait_for(self, what: str, holds) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline, f"{what}: {self.logs()}"
            assert self.locust[0].poll() is None, f"{what}: {self.logs()}"
            time.sleep(0.02)

    def trials(self) -> int:
        return len(self.read("capacity.json")["trials"]) if (self.out / "capacity.json").exists() else 0

    def read(self, name: str) -> dict:
        return json.loads((self.out / name).read_text())

    def finish(self, alive: int | None = None) -> tuple[int, dict]:
        """(exit code of the master, capacity.json) when all of the first ``alive`` processes have ended."""
        for process in self.locust[:alive]:
            try:
                process.wait(180)
            except subprocess.TimeoutExpired:
                pytest.fail(self.logs())
        return self.locust[0].returncode, self.read("capacity.json")


@pytest.fixture
def lab(tmp_path):
    with ExitStack() as stack:
        yield Lab(stack, tmp_path)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """(lab, exit code, capacity.json) of a whole search with two workers, which had to wait for its beginning.

    ``lab.live`` has kept what the load did at each moment.
    """
    with ExitStack() as stack:
        lab = Lab(stack, tmp_path_factory.mktemp("conductor"))
        lab.start()
        lab.live = stack.enter_context(Reader(lab.out))
        lab.wait_for("workers", lambda: (lab.folder / "master.log").read_text().count("reported as ready") == 2)
        assert lab.counts() == {}
        assert not lab.trials()
        lab.let_begin()
        code, capacity = lab.finish()
        yield lab, code, capacity, lab.counts()


# The master must not start users of a worker that is still initialising: Locust calls it ready before that.
TWO_REQUESTS = """
import gevent
from locust import FastHttpUser, constant, events, task
from locust.runners import WorkerRunner
@events.init.add_listener
def load_words(runner, **_):
    if isinstance(runner, WorkerRunner):
        gevent.sleep(1.5)
class Visitor(FastHttpUser):
    wait_time = constant(600)
    @task
    def ask(self):
        self.client.post("/slots", data=b"{}")
        self.client.post("/slots", data=b"{}")
"""


def test_a_search_by_arrivals_finds_iterations_of_any_scenario(lab):
    lab.start(TWO_REQUESTS, by="arrivals")
    lab.let_begin()
    code, capacity = lab.finish()
    assert (code, capacity["error"]) == (0, None), lab.logs()
    assert capacity["order"] == ORDER | {"by": "arrivals"}
    assert capacity["ended"] in ("done", "budget", "generator", "no_load_passes")
    trials = capacity["trials"]
    assert [trial["purpose"] for trial in trials[:2]] == ["unloaded", "probe"]
    # An iteration has two requests, so half as many are possible.
    held = [trial["rate_rps"] for trial in trials if trial["verdict"] == "good"]
    assert max(held, default=0) <= 1.1 * SLOTS_RPS / 2
    for trial in trials:
        summary = lab.read(trial["file"])
        measured = summary["measured"]
        assert summary["trial"] == trial["trial"]
        if trial["verdict"] == "good":
            # Two for each iteration. At both ends of the window, one of the two may be outside of it.
            assert 1.5 < measured["offered"] / measured["iterations"]["due"] < 2.5
    timeline = lab.read("timeline.json")
    workers = [json.loads(path.read_text()) for path in lab.out.glob("worker-lab-load-*.json")]
    # Recorders, Locust and the server counted the same requests, and no one else sent any.
    reported = sum(worker["requests"] - worker["unreported"] for worker in workers)
    assert timeline["requests_recorded"] == timeline["requests_reported"] == reported
    assert sum(worker["sent"] for worker in workers) >= lab.counts()["/slots"] >= reported
    assert (timeline["questions"], timeline["left_lab"]) == (0, {})
    assert len(list(lab.out.glob("ended-*.json"))) == 3


def test_a_search_by_arrivals_refuses_a_fixed_number_of_users_before_any_load(lab):
    lab.start(NO_OPEN_LOOP.replace("    @task", "    fixed_count = 1\n    @task"), by="arrivals", workers=1)
    lab.let_begin()
    code, capacity = lab.finish(alive=1)
    assert code == 1
    assert capacity["error"].startswith("ClosedUser: fixed_count sets a number of users")
    assert lab.counts() == {}


OWN_CLIENT = """
from locust import User, events, task
class Visitor(User):
    @task
    def ask(self):
        events.request.fire(request_type="GRPC", name="ask", response_time=1, response_length=1)
"""


def test_a_search_by_arrivals_names_a_client_that_it_cannot_time(lab):
    lab.start(OWN_CLIENT, by="arrivals", workers=1)
    lab.let_begin()
    code, capacity = lab.finish(alive=1)
    assert code == 1
    assert capacity["error"].startswith("no iteration sent a request with a client of Locust")
    assert capacity["error"].endswith("Use load.by: users for other clients")


def test_a_search_finds_what_the_server_can_do(searched):
    lab, code, capacity, _ = searched
    assert (code, capacity["error"]) == (0, None), lab.logs()
    assert capacity["order"] == ORDER | {"by": None}
    assert capacity["profile"]["name"] == "short"
    trials = capacity["trials"]
    assert [trial["trial"] for trial in trials] == list(range(1, len(trials) + 1))
    begun = [(trial["purpose"], trial["kind"], trial["verdict"], trial["connections"]) for trial in trials[:2]]
    assert begun == [("unloaded", "closed", "probe", 1), ("probe", "closed", "probe", ORDER["connections"])]
    assert {trial["kind"] for trial in trials[2:]} == {"constant"}
    rates = {trial["verdict"]: trial["rate_rps"] for trial in sorted(trials[2:], key=lambda trial: trial["rate_rps"])}
    # The search itself reports what a busy machine could not do.
    # How near a search comes is for `./lab bench truth` to say.
    if capacity["ended"] in ("done", "budget"):
        assert {"good", "bad"} <= rates.keys()
    else:
        assert capacity["ended"] in ("generator", "no_load_passes")
    # No more than the server has.
    assert rates.get("good", 0) <= 1.1 * SLOTS_RPS
    assert capacity["load_seconds"] == sum(trial["seconds_settle"] + trial["seconds_measure"] for trial in trials)
    assert capacity["load_seconds"] <= capacity["profile"]["budget_seconds"]
    assert capacity["started"] < trials[0]["window_start"] < trials[-1]["window_end"] <= capacity["stopped"]


def test_every_trial_leaves_its_files(searched):
    lab, _, capacity, _ = searched
    seeds = set()
    for trial in capacity["trials"]:
        summary = lab.read(trial["file"])
        assert summary["trial"] == trial["trial"]
        assert (summary["workers_ordered"], summary["workers_reported"], summary["stopped"]) == (2, 2, None)
        assert set(summary["within_limits"]) == {"p95_ms"}
        measured = summary["measured"]
        assert 0 <= summary["within_limits"]["p95_ms"] <= measured["ok"] <= measured["offered"]
        if trial["verdict"] == "good":
            assert summary["within_limits"]["p95_ms"] >= 0.95 * measured["offered"]
        assert measured["latency_ms"]["p50"] <= measured["latency_ms"]["p99"]
        assert measured["latency_ms"]["mean"] >= 19
        if trial["kind"] == "closed":
            assert summary["order"]["connections"] == trial["connections"]
        else:
            # Little's law at the mean latency with which 95 % just hold 250 ms, and half as many more; two workers.
            held_seconds = 0.95 * 0.25 + 0.05 * ORDER["timeout_seconds"]
            most = math.ceil((64 + 1.5 * trial["rate_rps"] * held_seconds) / 2)
            assert summary["order"]["most_in_flight"] == most
        seeds.add(summary["order"]["seed"])
        for worker in summary["workers"]:
            assert (lab.out / worker["requests_file"]).stat().st_size > 0
            assert lab.read(f"open-trial-{trial['trial']}-lab-load-{worker['index']}.json")["trial"] == trial["trial"]
    assert len(seeds) == len(capacity["trials"])
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert not list(lab.out.glob(".*"))


def test_server_files_and_locust_count_the_same(searched):
    lab, _, capacity, counts = searched
    timeline = lab.read("timeline.json")
    facts = {"schema": 1, "mode": "capacity", "users": 2, "workers_expected": 2, "workers_connected": 2}
    assert timeline.items() >= (facts | {"workers_lost": 0}).items()
    trials = capacity["trials"]
    edges = (trials[0]["window_start"], trials[-1]["window_end"])
    assert (timeline["window_start"], timeline["window_end"]) == edges
    assert timeline["spawn_started"] <= timeline["spawn_complete"] <= timeline["stopped"]
    assert timeline["requests_recorded"] == timeline["requests_reported"]
    # One question at least after each overload.
    assert timeline["questions"] >= sum(trial["verdict"] == "bad" for trial in trials)
    assert counts == {"/slots": timeline["requests_recorded"] + timeline["questions"]}
    with (lab.out / "stats_stats.csv").open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in DictReader(file) if row["Name"] == "/slots"]
    assert int(row["Request Count"]) == timeline["requests_recorded"]


def test_the_live_file_shows_what_each_probe_offers_and_gets(searched):
    lab, _, capacity, _ = searched
    probes = {trial["trial"]: trial for trial in capacity["trials"]}
    shown = [version for version in lab.live.seen if version["probe"] is not None]
    assert {version["probe"] for version in shown} <= probes.keys()
    assert len({version["probe"] for version in shown}) >= 3
    for version in shown:
        trial = probes[version["probe"]]
        rate = trial["rate_rps"]
        offered = (trial["connections"], "connections") if rate is None else (rate, "requests/s")
        assert (version["stage"], version["offered"], version["offered_unit"]) == (trial["purpose"], *offered)
    # While a probe runs, not only at its end.
    known = [version for version in shown if version["rps"] > 0 and version["p95_ms"] is not None]
    assert {version["probe"] for version in known} - {1, 2}
    # Each slot of the server takes so long.
    assert all(SLOT_MS * 0.9 <= version["p50_ms"] <= version["p95_ms"] for version in known)
    assert not lab.live.path.exists()


def test_alone_without_workers(lab):
    """Also with an upper limit of the rate, which the server holds."""
    # Ten times what the server needs at that rate, so that a pause of this machine fails no trial.
    slo = {"p95_ms": 2000, "p99_ms": None, "max_failure_percent": 1}
    lab.start(workers=0, max_rps=40.0, slo=slo, timeout_seconds=10.0)
    lab.let_begin()
    code, capacity = lab.finish()
    assert (code, capacity["error"], capacity["ended"]) == (0, None, "max_rps"), lab.logs()
    assert max(trial["rate_rps"] for trial in capacity["trials"][2:]) == 40
    assert {trial["verdict"] for trial in capacity["trials"][2:]} == {"good"}
    timeline = lab.read("timeline.json")
    assert timeline.items() >= {"workers_expected": 1, "workers_connected": 1, "workers_lost": 0}.items()
    assert lab.counts() == {"/slots": timeline["requests_recorded"]}


def test_a_lost_worker_ends_the_search_with_an_error(lab):
    lab.start()
    lab.let_begin()
    lab.wait_for("a trial", lambda: lab.trials() >= 1)
    known = lab.trials()
    lab.locust[2].kill()
    code, capacity = lab.finish(alive=2)
    assert code == 1
    assert capacity["ended"] is None
    assert "1 of 2 workers were lost" in capacity["error"]
    # Figures that were measured before are kept.
    assert len(capacity["trials"]) >= known
    assert all(lab.read(trial["file"])["workers_reported"] == 2 for trial in capacity["trials"])
    assert lab.read("timeline.json").items() >= {"workers_connected": 2, "workers_lost": 1}.items()


def test_an_interrupted_search_leaves_what_it_has(lab):
    lab.start()
    lab.let_begin()
    lab.wait_for("two trials", lambda: lab.trials() >= 2)
    lab.locust[0].send_signal(signal.SIGTERM)
    code, capacity = lab.finish()
    assert code == 1
    assert capacity["ended"] is None
    assert "signal to quit" in capacity["error"]
    assert len(capacity["trials"]) >= 2
    assert capacity["stopped"] >= capacity["trials"][-1]["window_end"]
    assert lab.read("timeline.json")["window_start"] == capacity["trials"][0]["window_start"]


def test_a_scenario_of_closed_loops_is_refused_before_any_request(lab):
    lab.start(NO_OPEN_LOOP)
    lab.let_begin()
    code, capacity = lab.finish()
    assert code == 1
    assert capacity["error"].endswith("exactly one OpenLoopUser, and no other user; found: ClosedUser")
    assert capacity["trials"] == []
    assert lab.counts() == {}


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"slo": {"max_failure_percent": 1}}, "has no latency limit"),
        ({"arrivals": "steady"}, "'steady'"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(lab, order, message):
    lab.start(workers=0, **order)
    assert lab.locust[0].wait(60) != 0
    log = (lab.folder / "master.log").read_text()
    assert "conductor: SWEEP_SEARCH is" in log
    assert message in log
    assert not (lab.out / "capacity.json").exists()
    assert lab.counts() == {}


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"profile": "quick"}, "profile is 'quick'; allowed: one of smoke, standard, publish, short"),
        ({"seed": "5"}, "seed is '5'; allowed: a whole number"),
        ({"spam": 1}, "unexpected keyword argument 'spam'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(lab, order, message):
    """By what reads the order, in the folder of a load host."""
    program = "import sys; from loadgen.master.search_order import SearchOrder; SearchOrder.from_json(sys.argv[1])"
    command = [sys.executable, "-c", program, json.dumps(ORDER | order)]
    done = subprocess.run(command, cwd=lab.home, capture_output=True, text=True, timeout=60)
    assert "ValueError" in done.stderr
    assert message in done.stderr
