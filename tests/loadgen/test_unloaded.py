"""The probe of one user, and the limits of concurrency that it shows: real Locust processes on loopback."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from loadgen.closed.probe_turns import turns_of
from swarmsweep.judge.bottleneck import find_bottleneck
from swarmsweep.judge.concurrency import of_users
from swarmsweep.judge.evidence import Evidence
from swarmsweep.judge.flows import flow_of_users
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.raw.closed_loop import read_users
from swarmsweep.raw.machine_usage import MachineUsage
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.shared.request_record import OK
from tests.loadgen.locust_run import LOCUST, RECORDER, run
from tests.loadgen.planted_api import SERVICE_SECONDS
from tests.loadgen.test_recorder import Server, finish, run_distributed
from tests.loadgen.users_run import Recorded, read_names, read_requests, run_users

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

SCENARIO = """
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant({think_seconds})

    @task
    def predict(self):
        self.client.get("{path}", name="/predict")
"""
CPUS = 1.0


@contextmanager
def planted(plant: str) -> Iterator[tuple[str, int]]:
    """The planted API, as its URL and its process."""
    command = [sys.executable, str(Path(__file__).with_name("planted_api.py")), plant]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
        finally:
            process.kill()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def evidence_of(folder: Path, url: str, pid: int, users: int) -> Evidence:
    """Evidence of a real load.

    Other tests use this machine, too. So of its busy time, only that of the API and of Locust is taken.
    """
    begun, cpu = time.monotonic(), cpu_seconds(pid)
    run(folder, SCENARIO.format(think_seconds=0, path="/predict"), url, 6.0, users, SWEEP_WARMUP_SECONDS="1")
    cores = (cpu_seconds(pid) - cpu) / (time.monotonic() - begun)
    problems: list[str] = []
    record = read_users(folder, ReadOrNote(folder, problems))
    assert problems == []
    timeline = json.loads((folder / "timeline.json").read_text())
    window = timeline["window_start"], timeline["window_end"]
    load = {"users": users, "wait_seconds": [0, 0]}
    flow = flow_of_users(record, window, load)
    busy = 100 * cores / os.cpu_count()
    config = {"replicas": 1, "cpus": CPUS, "memory_bytes": 1 << 28, "workers": 1}
    machines = {"api": MachineUsage("api", busy_percent=busy), "load": MachineUsage("load", busy_percent=busy)}
    usage = ApiUsage(cpu_cores=cores, periods=100, throttled_periods=0, host_busy_percent=busy)
    return Evidence(
        config=config,
        load=load,
        slo={},
        flow=flow,
        peak=flow,
        usage=usage,
        peak_usage=usage,
        machines=machines,
        peak_machines=machines,
        concurrency=of_users(record, window, flow.latency_mean_ms),
    )


@pytest.mark.parametrize(
    ("plant", "users", "at_once", "word"),
    [
        ("threads", 80, 40, "concurrency"),
        ("pool", 15, 5, "concurrency"),
        ("lock", 5, 1, "concurrency"),
        ("free", 15, 15, "not_saturated"),
        # Half of the threads are idle.
        ("threads", 20, 20, "not_saturated"),
    ],
)
def test_a_planted_limit_is_found_with_its_number(tmp_path, plant, users, at_once, word):
    with planted(plant) as (url, pid):
        evidence = evidence_of(tmp_path, url, pid, users)
    found = evidence.concurrency
    # No more requests per second than the limit allows. Fewer where other tests keep this machine busy.
    most = at_once * found.unloaded_ms / (1000 * SERVICE_SECONDS)
    assert at_once / 2 <= found.served_at_once <= 1.1 * most
    kind, sentence = find_bottleneck(evidence)
    # A busy machine may also stall for a third of the window, or let requests without a limit wait.
    is_slowed = word == "not_saturated" and found.has_grown
    assert is_slowed or kind == (word if found.is_flat else "not_saturated"), sentence


def is_whole(requests: int, timeline: dict) -> bool:
    """Whether a probe made its 20 requests, or all for which a busy machine had the time."""
    return requests == 20 or (0 < requests < 20 and timeline["unloaded_end"] - timeline["unloaded_start"] >= 2.9)


def assert_whole(found: Recorded) -> None:
    assert is_whole(len(found.worker["unloaded"]), found.timeline)


def test_one_user_makes_at_most_20_requests_and_they_are_outside_of_the_window(tmp_path):
    found = run_users(tmp_path, SCENARIO.format(think_seconds=0.05, path="/ok"), users=4)
    unloaded = found.worker["unloaded"]
    assert_whole(found)
    assert found.timeline["unloaded_start"] - 0.1 <= unloaded[0][0]
    last_end = max(start + ms / 1000 for start, ms, _ in unloaded)
    assert last_end <= found.timeline["unloaded_end"] <= found.timeline["spawn_complete"]
    assert found.timeline["spawn_complete"] <= found.timeline["window_start"]
    # One request at a time, and each is in the record of all requests too.
    assert all(before[0] + before[1] / 1000 <= after[0] + 0.001 for before, after in itertools.pairwise(unloaded))
    assert {tuple(row) for row in unloaded} <= set(found.requests)
    assert found.timeline["users"] == 4


ON_START = """
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0.02)

    def on_start(self):
        for _ in range(5):
            self.client.get("/slow/0.1", name="login")

    @task(9)
    def read(self):
        self.client.get("/ok", name="read\\n" + 400 * "x")

    @task
    def predict(self):
        self.client.get("/slow/0.05", name="predict")
"""


def test_requests_of_on_start_are_no_part_of_the_probe_and_each_has_its_name(tmp_path):
    found = run_users(tmp_path, ON_START, users=4)
    long = f"read {295 * 'x'}"
    names = found.worker["unloaded_names"]
    assert len(names) == len(found.worker["unloaded"])
    assert_whole(found)
    assert set(names) <= {long, "predict"}
    by_name = found.worker["by_name"]
    assert set(by_name) == {long, "predict"}
    count, time_ms = by_name["predict"]
    assert time_ms / count >= 50
    # The probe and the mix after it are all good requests, and the logins are apart. The end may cut one of each user.
    good = sum(outcome == OK for _, _, outcome in found.requests)
    assert 0 <= good - (len(names) + sum(count for count, _ in by_name.values())) <= 4
    assert len(found.setup) == found.worker["setup_requests"] == 4 * 5


def test_the_probe_ends_after_three_seconds(tmp_path):
    found = run_users(tmp_path, SCENARIO.format(think_seconds=0, path="/slow/1.7"), users=3)
    # The request that runs when the time is over is the second.
    assert 1 <= len(found.worker["unloaded"]) <= 2
    start = found.timeline["unloaded_start"]
    assert found.timeline["unloaded_end"] - start >= 3
    # Without it, slow requests would be missing more often than fast ones.
    last_start, last_ms, _ = found.worker["unloaded"][-1]
    assert last_start + last_ms / 1000 >= start + 3


def test_think_time_of_seconds_does_not_empty_the_probe(tmp_path):
    found = run_users(tmp_path, SCENARIO.format(think_seconds=1.5, path="/ok"), users=2)
    assert len(found.worker["unloaded"]) > 5
    # The load has the scenario's own.
    starts = [start for start, _, _ in found.requests if start > found.timeline["spawn_complete"] + 1.5]
    assert len(starts) <= 2 * (found.timeline["stopped"] - found.timeline["spawn_complete"]) / 1.5
    assert found.worker["think_time"][-1][1] <= len(found.requests) - len(found.worker["unloaded"]) + 2


def test_a_response_slower_than_the_probe_leaves_it_without_a_figure(tmp_path):
    found = run_users(tmp_path, SCENARIO.format(think_seconds=0, path="/slow/4"), users=2)
    assert [latency_ms >= 4000 for _, latency_ms, _ in found.worker["unloaded"]] == [True]
    record = read_users(tmp_path, ReadOrNote(tmp_path, []))
    window = found.timeline["window_start"], found.timeline["window_end"]
    measured = of_users(record, window, 4000.0)
    assert (measured.unloaded_ms, measured.served_at_once, measured.growth) == (None, None, None)


CLASSES = """
from locust import FastHttpUser, constant, task

class Buyer(FastHttpUser):
    weight = {buyers}
    wait_time = constant(0.5)

    def on_start(self):
        self.client.get("/ok", name="login")

    @task
    def predict(self):
        self.client.get("/slow/{buyer_seconds}", name="/predict")

class Visitor(FastHttpUser):
    weight = {visitors}
    wait_time = constant(0.05)

    @task
    def predict(self):
        self.client.get("/slow/0.03", name="/predict")
"""


def probe_of(found: Recorded) -> list[tuple[str, float, float]]:
    """The requests of the probe in their order: name, start, and end in epoch seconds."""
    rows = zip(found.worker["unloaded_names"], found.worker["unloaded"], strict=True)
    return sorted(((name, start, start + ms / 1000) for name, (start, ms, _) in rows), key=lambda row: row[1])


@pytest.mark.parametrize(
    ("buyers", "visitors", "requests", "first"),
    [(1, 1, {"Buyer": 10, "Visitor": 10}, "Buyer"), (1, 3, {"Buyer": 6, "Visitor": 13}, "Visitor")],
)
def test_each_class_of_users_has_its_turn_alone(tmp_path, buyers, visitors, requests, first):
    """Both send requests of one name, of which those of the buyers are slower."""
    scenario = CLASSES.format(buyers=buyers, visitors=visitors, buyer_seconds=0.06)
    found = run_users(tmp_path, scenario, users=8, measure_seconds=3.0)
    probe = probe_of(found)
    assert all(end <= start + 0.001 for (_, _, end), (_, start, _) in itertools.pairwise(probe))
    # A busy machine may need more than the 3 s. Then it has fewer requests than these.
    names = [name.partition(":")[0] for name, _, _ in probe]
    assert names == sorted(names, key=lambda name: name != first)
    assert all(1 <= names.count(name) <= most for name, most in requests.items())
    # Not 3 s for each.
    assert found.timeline["unloaded_end"] - found.timeline["unloaded_start"] < 5.5
    # The users that Locust would have started without the probe, each once.
    assert found.timeline["users"] == 8
    logins = [row for row in read_names(tmp_path, "named-setup-lab-load-0.f64.gz") if "login" in row]
    assert logins == ["GET login"] * (8 * buyers // (buyers + visitors))
    window = found.timeline["window_start"], found.timeline["window_end"]
    measured = of_users(read_users(tmp_path, ReadOrNote(tmp_path, [])), window, 300.0)
    assert measured.gap is None
    # The mean of the two classes, by the number of requests that each has under load.
    (slow, _), (fast, _) = (found.worker["by_name"][f"{name}: /predict"] for name in ("Buyer", "Visitor"))
    assert measured.unloaded_ms >= (slow * 60 + fast * 30) / (slow + fast)


POSTING = """
from locust import FastHttpUser, constant, task

class Buyer(FastHttpUser):
    wait_time = constant(0.02)

    @task
    def predict(self):
        self.client.post("/predict", data=b"buyer")

class Visitor(Buyer):
    pass
"""


def test_classes_on_two_workers_have_their_turns_one_after_the_other(tmp_path):
    """The user of the first turn waits on its worker, while that of the second one is on the other worker."""
    (tmp_path / "posting.py").write_text(POSTING)
    with Server(0.02) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        files = f"{tmp_path / 'posting.py'},{RECORDER}"
        finish(run_distributed(stack, tmp_path, server.url, workers=2, files=files), tmp_path)
        server.shutdown()
    probe = read_users(tmp_path, ReadOrNote(tmp_path, [])).unloaded
    names = [request.name.partition(":")[0] for request in probe]
    assert set(names) == {"Buyer", "Visitor"} and names == sorted(names)
    assert len(names) <= 20
    ends = [request.start_seconds + request.latency_ms / 1000 for request in probe]
    assert all(end <= after.start_seconds + 0.001 for end, after in zip(ends, probe[1:], strict=False))


LONG_TASK = """
from locust import FastHttpUser, constant, task

class Reader(FastHttpUser):
    weight = 2

    @task
    def read(self):
        for _ in range(65):
            self.client.get("/slow/0.05", name="read")

class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def predict(self):
        self.client.get("/slow/0.05", name="predict")
"""


def test_a_class_whose_turn_does_not_come_is_named_as_the_gap(tmp_path):
    """A task of more than 3 s takes all of the time. Of its requests, 20 are kept."""
    found = run_users(tmp_path, LONG_TASK, users=3, measure_seconds=3.0)
    assert [name for name, _, _ in probe_of(found)] == 20 * ["Reader: read"]
    assert found.timeline["users"] == 3
    window = found.timeline["window_start"], found.timeline["window_end"]
    measured = of_users(read_users(tmp_path, ReadOrNote(tmp_path, [])), window, 300.0)
    assert measured.unloaded_ms is None
    assert measured.gap.endswith("as Visitor: predict")


@pytest.mark.parametrize(
    ("users", "turns"),
    [
        ("", []),
        ("A", [("A", 20)]),
        ("AAA", [("A", 20)]),
        ("ABAB", [("A", 10), ("B", 10)]),
        # The class with most users is first, and the smallest has three requests, of which two count.
        ("BAAAAAAAAA" * 10, [("A", 15), ("B", 4)]),
        ("ABCDEFGHIJ", [(name, 2) for name in "ABCDEFGHIJ"]),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", [(name, 1) for name in "ABCDEFGHIJKLMNOPQRST"]),
    ],
)
def test_the_requests_of_the_probe_are_shared_by_the_number_of_users(users, turns):
    found = turns_of(users)
    assert [(turn.user_class, turn.requests) for turn in found] == turns
    assert sum(turn.requests for turn in found) <= 20
    assert [turn.is_last for turn in found] == [*([False] * (len(turns) - 1)), *([True] * bool(turns))]


SPAWNED = (
    SCENARIO.format(think_seconds=0.05, path="/ok")
    + """
from locust import events

@events.spawning_complete.add_listener
def note(user_count, **_):
    with open("spawned", "a") as file:
        file.write(f"{user_count}\\n")
"""
)


def test_a_scenario_sees_one_ramp(tmp_path):
    run_users(tmp_path, SPAWNED, users=3)
    assert (tmp_path / "spawned").read_text() == "3\n"


def test_with_two_workers_one_user_exists(tmp_path):
    """The other worker has no request of the probe."""
    with Server(0.02) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finish(run_distributed(stack, tmp_path, server.url, workers=2), tmp_path)
        server.shutdown()
    parts = [json.loads((tmp_path / f"worker-lab-load-{index}.json").read_text())["unloaded"] for index in (0, 1)]
    assert sorted(map(len, parts))[0] == 0
    timeline = json.loads((tmp_path / "timeline.json").read_text())
    assert is_whole(sum(map(len, parts)), timeline)
    rows = [row for index in (0, 1) for row in read_requests(tmp_path / f"named-requests-lab-load-{index}.f64.gz")]
    assert {tuple(row) for part in parts for row in part} <= set(rows)
