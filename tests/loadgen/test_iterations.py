"""Iterations of any scenario that start when they are due, in real Locust processes against a real server."""

import math
from collections import Counter
from itertools import takewhile

import pytest

from loadgen.common.arrivals import schedule
from tests.loadgen.iterations_run import run_probes
from tests.loadgen.locust_run import LOCUST

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# A second of twenty iterations, whose users may be late on a busy machine without being dropped.
PROBE = {"kind": "constant", "rate_rps": 20, "seconds_measure": 1.0, "timeout_seconds": 20.0, "most_in_flight": 50}
VISITOR = """
class Visitor(FastHttpUser):
    # Think time does not apply.
    wait_time = constant(600)
    def on_start(self):
        self.client.get("/login")
    @task
    def ask(self):
        self.client.get("/ok")
"""


def counts_of(probe: dict) -> dict:
    return {name: probe[name] for name in ("offered", "ok", "failed", "timed_out", "dropped", "in_flight_end")}


@pytest.mark.parametrize(("kind", "workers"), [("constant", 1), ("poisson", 2)])
def test_iterations_start_at_the_seeded_times_of_their_worker(tmp_path, kind, workers):
    orders = [PROBE | {"kind": kind, "seed": seed, "seconds_settle": 0.5} for seed in (3, 3)]
    made = run_probes(tmp_path, VISITOR, orders, workers)
    for trial, probe in enumerate(made.probes, 1):
        due = [
            list(takewhile(lambda at: at < 1.5 - 1e-6, schedule(kind, 20, 3, trial, worker, workers)))
            for worker in range(workers)
        ]
        number, measured = sum(map(len, due)), sum(at >= 0.5 for part in due for at in part)
        assert counts_of(probe) == counts_of(probe | {"offered": number, "ok": number})
        assert probe["measured"]["offered"] == probe["measured"]["ok"] == measured
        iterations = probe["measured"]["iterations"]
        assert (iterations["due"], iterations["started"], iterations["dropped"]) == (measured, measured, 0)
        assert probe["measured"]["served_by"] == {"peer/1": measured}
        # In the files, the first request of an iteration has the time at which the iteration was due.
        if workers == 1:
            start = probe["workers"][0]["window_start"] - 0.5
            assert sorted(begun - start for begun, *_ in made.records(trial)) == pytest.approx(due[0], abs=1e-5)
    # Each user logged in once, and no login is in a probe.
    users = made.probes[-1]["measured"]["iterations"]["users"]
    assert len(made.paths("/login")) == users
    assert len(made.paths("/ok")) == sum(probe["offered"] for probe in made.probes)
    # All counts agree.
    assert made.probes[-1]["recorded"] == made.counted == len(made.asked)
    assert sum(worker["requests"] for worker in made.workers) == len(made.asked)


def test_the_first_request_counts_from_the_due_time_and_later_ones_from_their_start(tmp_path):
    scenario = """
class Visitor(HttpUser):
    @task
    def ask(self):
        time.sleep(0.3)
        self.client.get("/ok/first")
        time.sleep(0.3)
        self.client.get("/ok/second")
"""
    made = run_probes(tmp_path, scenario, [PROBE | {"rate_rps": 5, "seconds_measure": 2.0}])
    assert made.probes[0]["ok"] == made.probes[0]["offered"] == len(made.records(1))
    window = made.probes[0]["workers"][0]["window_start"]
    rows = sorted((begun - window, latency, lag) for begun, latency, _, lag, _ in made.records(1))
    dues = [number / 5 for number in range(10)]
    first = [row for row in rows if min(abs(row[0] - due) for due in dues) < 1e-4]
    later = [row for row in rows if row not in first]
    assert len(first) == 10
    # Those that begin after the window are not measured. They are recorded.
    assert 0 < len(later) < 8
    assert made.counted == 20
    # The pause before the first request is a delay of the load, so it counts in the latency and in the lag.
    assert all(latency >= lag >= 300 for _, latency, lag in first)
    # A later request begins after both pauses. It has the lag of its iteration, and no delay of its own.
    assert all(due + 0.6 <= begun < 2 for due, (begun, *_) in zip(dues, later, strict=False))
    assert all(latency < begun * 1000 - 300 for begun, latency, _ in later)


def test_iterations_beyond_the_bound_are_dropped_and_the_rest_ends_with_the_probe(tmp_path):
    scenario = """
class Visitor(FastHttpUser):
    network_timeout = connection_timeout = 300
    @task
    def ask(self):
        self.client.get("/slow/60")
"""
    order = PROBE | {"most_in_flight": 5, "timeout_seconds": 0.2}
    made = run_probes(tmp_path, scenario, [order, order])
    for trial, probe in enumerate(made.probes, 1):
        assert counts_of(probe) == {
            "offered": 20, "ok": 0, "failed": 0, "timed_out": 5, "dropped": 15, "in_flight_end": 0
        }  # fmt: skip
        assert probe["errors"] == {"no response within the timeout of the search": 5}
        iterations = probe["measured"]["iterations"]
        assert (iterations["due"], iterations["started"], iterations["dropped"]) == (20, 5, 15)
        # Dropped ones have no latency and no lag.
        dropped = [row for row in made.records(trial) if row[2] == 3.0]
        assert len(dropped) == 15
        assert all(math.isnan(row[1]) and math.isnan(row[3]) for row in dropped)
    # The users of the first probe were ended with it: their requests are recorded, and are no load of the second one.
    assert made.workers[0]["requests"] == made.workers[0]["unreported"] == 10


@pytest.mark.parametrize("base", ["FastHttpUser", "HttpUser"])
def test_a_sequential_set_goes_on_with_its_next_task(tmp_path, base):
    scenario = f"""
class Flow(SequentialTaskSet):
    def on_start(self):
        self.client.get("/ok/enter")
    @task
    def first(self):
        self.client.get("/ok/first")
    @task
    def second(self):
        self.client.get("/ok/second")
    @task
    def leave(self):
        self.interrupt(reschedule=False)

class Visitor({base}):
    wait_time = constant(600)
    tasks = [Flow]
"""
    # One user at a time, so that the order is that of the set. An iteration may be dropped while the last one runs.
    made = run_probes(tmp_path, scenario, [PROBE | {"kind": "closed", "rate_rps": None, "connections": 1}])
    paths = made.paths("/ok")
    steps = ["/ok/enter", "/ok/first", "/ok/second"]
    assert len(paths) >= 6
    assert paths == (steps * len(paths))[: len(paths)]
    iterations = made.probes[0]["measured"]["iterations"]
    # The task that leaves the set is an iteration without a request.
    assert iterations["without_request"] >= 1
    assert made.probes[0]["offered"] == made.probes[0]["ok"]
    # The second request of the last iteration belongs to the probe only if it began before the end.
    left_out = paths[made.probes[0]["offered"] :]
    assert left_out in ([], ["/ok/first"])


def test_tasks_are_picked_by_weight_and_classes_too(tmp_path):
    scenario = """
class Often(FastHttpUser):
    weight = 3
    @task(4)
    def often(self):
        self.client.get("/ok/often/4")
    @task(1)
    def seldom(self):
        self.client.get("/ok/often/1")

class Seldom(HttpUser):
    weight = 1
    @task
    def ask(self):
        self.client.get("/ok/seldom")
"""
    made = run_probes(tmp_path, scenario, [PROBE | {"rate_rps": 100, "seconds_measure": 2.0, "most_in_flight": 300}])
    found = Counter(made.paths("/ok"))
    assert found.total() == made.probes[0]["ok"] == 200
    # The classes are drawn with the seed of the probe, so their numbers are the same each time.
    assert found["/ok/seldom"] == 47
    assert 85 <= found["/ok/often/4"] < found.total() - found["/ok/seldom"]


def test_failures_are_counted_by_kind_and_exceptions_are_too(tmp_path):
    scenario = """
class Visitor(FastHttpUser):
    number = 0
    @task
    def ask(self):
        Visitor.number += 1
        kind = Visitor.number % 4
        if kind == 0:
            raise RuntimeError("before")
        if kind == 1:
            self.client.get("/status/503")
            return
        self.client.get("/ok")
        if kind == 2:
            raise RuntimeError("after")
"""
    made = run_probes(tmp_path, scenario, [PROBE])
    probe = made.probes[0]
    assert counts_of(probe) == {
        "offered": 20, "ok": 10, "failed": 10, "timed_out": 0, "dropped": 0, "in_flight_end": 0
    }  # fmt: skip
    assert probe["measured"]["iterations"]["failed"] == 10
    assert probe["errors"]["RuntimeError: before"] == 5
    assert Counter(row[2] for row in made.records(1)) == {1.0: 10, 503.0: 5, 19.0: 5}
    # An iteration that raised before its first request sent none.
    assert made.paths().count("/ok") + made.paths().count("/status/503") == len(made.asked) == 15


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        (
            """
class Visitor(FastHttpUser):
    def on_start(self):
        raise RuntimeError("no token")
    @task
    def ask(self):
        self.client.get("/ok")
""",
            "users ended in on_start, before their first iteration: RuntimeError: no token",
        ),
        (
            """
class Visitor(FastHttpUser):
    fixed_count = 3
    @task
    def ask(self):
        self.client.get("/ok")
""",
            "Visitor: fixed_count sets a number of users, and has no meaning for a rate. "
            "Set weight, or use load.by: users",
        ),
    ],
)
def test_a_scenario_without_iterations_is_refused_before_any_load(tmp_path, scenario, reason):
    made = run_probes(tmp_path, scenario, [PROBE])
    assert made.probes == [{"error": f"ProbeError: probe 1 on lab-load/0: {reason}"}]
    assert made.asked == []


def test_a_closed_probe_has_as_many_users_and_a_stopped_probe_says_so(tmp_path):
    closed = {"kind": "closed", "connections": 3, "seconds_measure": 1.0, "timeout_seconds": 20.0}
    made = run_probes(
        tmp_path,
        VISITOR.replace("/ok", "/slow/0.1"),
        [closed, PROBE | {"seconds_measure": 60.0, "stop_after": 1.0}],
        workers=2,
    )
    whole, stopped = made.probes
    assert whole["stopped"] is None
    # Each of three users takes at least 0.1 s for an iteration, and the last ones end after the window.
    assert 3 <= whole["offered"] == whole["ok"] <= 3 * 11
    assert max(part["in_flight_max"] for part in whole["bins"] if part["in_flight_max"] is not None) <= 3
    assert stopped["stopped"] == "the master stopped it"
    assert stopped["measured"]["iterations"]["due"] < 60 * 20
