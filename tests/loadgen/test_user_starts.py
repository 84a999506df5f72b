"""Users that take long to start, or fail to: Locust's own runner in a process of its own, without any server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loadgen.locust_run import LOCUST, ROOT

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

HEAD = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
import locust
from locust import TaskSet, User, constant, task
from locust.env import Environment
import gevent
from gevent.event import Event

def finish(**found):
    print(json.dumps(found), flush=True)
    os._exit(0)
"""
PROBE = """
from loadgen.closed.order import DONE, PROBE, UsersOrder
from loadgen.closed.probes import Probes
from loadgen.closed.recorder import Recorder

logged_in, entered = Event(), Event()

class Flow(TaskSet):
    def on_start(self):
        entered.wait()
    @task
    def work(self):
        gevent.sleep(60)

class Visitor(User):
    wait_time = constant(60)
    tasks = [Flow]
    def on_start(self):
        logged_in.wait()

environment = Environment(user_classes=[Visitor], events=locust.events)
runner = environment.create_local_runner()
recorder = Recorder(environment, Path(sys.argv[1]), "lab-load", "0")
Probes(environment, recorder, "lab-load", "0")
reports, starting = [], []
runner.register_message(DONE, lambda msg, **_: reports.append(msg.data))
runner.spawn_users({"Visitor": 2})
gevent.sleep(0.01)
runner.send_message(PROBE, asdict(UsersOrder(1, 2, 0.0, 0.1, 1.0)))
for event in (logged_in, entered):
    gevent.sleep(0.3)
    starting.append(recorder.starting)
    assert not reports
    let = time.time()
    event.set()
while not reports:
    gevent.sleep(0.01)
(report,) = reports
finish(starting=[*starting, recorder.starting], users=report["users"], later=report["window_start"] >= let)
"""
RAISING = """
from loadgen.closed.order import DONE, PROBE, UsersOrder
from loadgen.closed.probes import Probes
from loadgen.closed.recorder import Recorder

class Visitor(User):
    number = 0
    wait_time = constant(0.01)
    @task
    def work(self):
        self.number += 1
        assert self.number % 2

environment = Environment(user_classes=[Visitor], events=locust.events)
runner = environment.create_local_runner()
recorder = Recorder(environment, Path(sys.argv[1]), "lab-load", "0")
Probes(environment, recorder, "lab-load", "0")
reports = []
runner.register_message(DONE, lambda msg, **_: reports.append(msg.data))
runner.spawn_users({"Visitor": 1})
gevent.sleep(0.1)
runner.send_message(PROBE, asdict(UsersOrder(1, 1, 0.1, 0.5, 1.0)))
while not reports:
    gevent.sleep(0.01)
finish(users=reports[0]["users"], tasks=recorder.tasks)
"""
POOL = """
from loadgen.iterations.gate import Gate
from loadgen.iterations.iteration import Iteration
from loadgen.iterations.pool import Pool, PoolError, shares_of

class Visitor(User):
    started, most, is_made = 0, 0, True
    def __init__(self, *arguments):
        super().__init__(*arguments)
        if not Visitor.is_made:
            raise IndexError("no account is left")
    def on_start(self):
        Visitor.started += 1
        if Visitor.started > Visitor.most:
            raise RuntimeError("no token")
    @task
    def work(self):
        over.wait()

over = Event()
environment = Environment(user_classes=[Visitor], events=locust.events)
environment.create_local_runner()
pool = Pool(environment, shares_of([Visitor]))
Gate(pool)

def prepare():
    try:
        pool.prepare(10, 20, 0, 20.0)
    except PoolError as error:
        return str(error)

def offer(number):
    for _ in range(number):
        assert pool.offer(Iteration(time.monotonic(), Visitor))
    gevent.sleep(0.2)

def end_all():
    over.set()
    while pool.in_progress:
        gevent.sleep(0.01)
    over.clear()

Visitor.most = 5  # as many as are idle before a probe at this rate
found = [prepare()]
offer(9)
found += [pool.error, pool.in_progress, pool.users, Visitor.started]
end_all()
"""
ITERATIONS = """
from loadgen.iterations.gate import Gate
from loadgen.iterations.pool import Pool, shares_of
from loadgen.iterations.probe import IterationProbe
from loadgen.iterations.watched_requests import WatchedRequests
from loadgen.master.merge import merge
from loadgen.open.order import Order

class Visitor(User):
    def on_start(self):
        gevent.sleep(0.2)
    @task
    def work(self):
        pass

environment = Environment(user_classes=[Visitor], events=locust.events)
environment.create_local_runner()
pool, watched = Pool(environment, shares_of([Visitor])), WatchedRequests()
watched.gate = Gate(pool)
order = Order(1, "constant", 0.5, rate_rps=20, timeout_seconds=1.0)
parts = []
for _ in range(3):  # the second one needs more users, because it knows how long an on_start takes
    path = Path(sys.argv[1]) / f"{len(parts)}.f64"
    parts.append({"host": "h", "index": "0", **IterationProbe(order, pool, watched, path, None).run()})
iterations = merge(order, parts, {})["measured"]["iterations"]
finish(prepared=[part["prepared_seconds"] for part in parts], iterations=iterations)
"""

CLASSES = """
from loadgen.closed.order import DONE, PROBE, UsersOrder
from loadgen.closed.probes import Probes
from loadgen.closed.recorder import Recorder

class Quick(User):
    wait_time = constant(0.01)
    @task
    def work(self):
        pass

class Slow(User):
    wait_time = constant(60)
    fixed_count = 1
    @task
    def work(self):
        pass

class Nobody(Quick):
    weight = 0

environment = Environment(user_classes=[Quick, Slow, Nobody], events=locust.events)
runner = environment.create_local_runner()
recorder = Recorder(environment, Path(sys.argv[1]), "lab-load", "0")
Probes(environment, recorder, "lab-load", "0")
reports = []
runner.register_message(DONE, lambda msg, **_: reports.append(msg.data))
runner.spawn_users({"Quick": 3, "Slow": 1})
runner.send_message(PROBE, asdict(UsersOrder(1, 4, 0.1, 0.2, 1.0)))
while not reports:
    gevent.sleep(0.01)
finish(users=reports[0]["users"])
"""
LOGINS = """
from loadgen.closed.in_flight import Request
from loadgen.iterations.gate import Gate
from loadgen.iterations.pool import Pool, shares_of
from loadgen.iterations.probe import IterationProbe
from loadgen.iterations.watched_requests import WatchedRequests
from loadgen.master.merge import merge
from loadgen.open.order import Order
from loadgen.shared.request_record import OK

class Visitor(User):
    def on_start(self):
        gevent.sleep(1)
    @task
    def work(self):
        request = Request(False, "GET", "/", None)
        watched.on_begin(request)
        gevent.sleep(0.5)
        watched.on_end(request, 500.0, OK, None, None)

environment = Environment(user_classes=[Visitor], events=locust.events)
environment.create_local_runner()
pool, watched = Pool(environment, shares_of([Visitor])), WatchedRequests()
watched.gate = Gate(pool)
order = Order(1, "constant", 1.0, rate_rps=20, timeout_seconds=30.0, most_in_flight=50)
part = IterationProbe(order, pool, watched, Path(sys.argv[1]) / "requests.f64", None).run()
# Any number of ms may be a limit of the SLO.
limits = {str(limit): limit for limit in range(100, 3000, 20)}
finish(probe=merge(order, [{"host": "h", "index": "0", **part}], limits), limits=limits)
"""

GARBAGE = """
import weakref
from loadgen.iterations.gate import Gate
from loadgen.iterations.pool import Pool, shares_of
from loadgen.iterations.probe import IterationProbe
from loadgen.iterations.watched_requests import WatchedRequests
from loadgen.open.order import Order

users = []

class Visitor(User):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.circle = self
        users.append(weakref.ref(self))
    @task
    def work(self):
        Event().wait()

environment = Environment(user_classes=[Visitor], events=locust.events)
environment.create_local_runner()
pool, watched = Pool(environment, shares_of([Visitor])), WatchedRequests()
watched.gate = Gate(pool)
left = []
for number in range(3):
    order = Order(1, "closed", 0.2, connections=5, timeout_seconds=0.1)
    IterationProbe(order, pool, watched, Path(sys.argv[1]) / f"{number}.f64", None).run()
    left.append(sum(user() is not None for user in users))
finish(made=len(users), left=left)
"""

HANGING = """
import gzip
from array import array
from loadgen.closed.in_flight import Request
from loadgen.iterations.gate import Gate
from loadgen.iterations.pool import Pool, shares_of
from loadgen.iterations.probe import IterationProbe
from loadgen.iterations.watched_requests import WatchedRequests
from loadgen.open.order import Order

class Visitor(User):
    @task
    def work(self):
        request = Request(False, "GET", "/", None)
        watched.on_begin(request)
        Event().wait()

environment = Environment(user_classes=[Visitor], events=locust.events)
environment.create_local_runner()
pool, watched = Pool(environment, shares_of([Visitor])), WatchedRequests()
watched.gate = Gate(pool)
path = Path(sys.argv[1]) / "requests.f64"
order = Order(1, "constant", 0.5, rate_rps=20, timeout_seconds=0.2, most_in_flight=4)
found = IterationProbe(order, pool, watched, path, None).run()
values = array("d", gzip.decompress((path.parent / found["requests_file"]).read_bytes()))
finish(found=found, rows=list(zip(*(values[column::5] for column in range(5)))))
"""


def run(folder: Path, script: str) -> dict:
    command = [sys.executable, "-c", HEAD + script, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_probe_of_users_begins_when_all_have_begun_a_task(tmp_path):
    """Users who still log in make no load, in on_start of the user as in that of a task set."""
    found = run(tmp_path, PROBE)
    assert found["starting"] == [2, 2, 0]
    users = {"least": 2, "most": 2, "waits": 0, "asked_seconds": 0, "tasks": 0, "raised": 0}
    classes = {"Visitor": {"users": 2, "waits": 0, "asked_seconds": 0}}
    assert found["users"] == users | {"starting": 0, "logging_in": 0, "classes": classes}
    assert found["later"]


def test_starts_that_fail_in_a_probe_end_the_growth_and_not_the_search(tmp_path):
    """An overloaded API refuses logins, too. The iterations wait for the users that are there."""
    script = POOL + "Visitor.most = 1000\nfound += [prepare(), pool.users]\nfinish(found=found)"
    assert run(tmp_path, script)["found"] == [None, None, 9, 5, 14, None, 5]


def test_starts_that_fail_before_a_probe_end_the_search(tmp_path):
    script = POOL + "pool._spare[Visitor] = 0\nfor user in list(environment.runner.user_greenlets): user.kill()\n"
    found = run(tmp_path, script + "finish(found=prepare())")["found"]
    assert found == "users ended in on_start, before their first iteration: RuntimeError: no token"


def test_a_user_that_cannot_be_made_is_the_reason(tmp_path):
    script = POOL + "Visitor.is_made = False\npool._spare[Visitor] = 0\n"
    script += "for user in list(environment.runner.user_greenlets): user.kill()\nfinish(found=prepare())"
    found = run(tmp_path, script)["found"]
    assert found == "a user of the class Visitor could not be created: IndexError: no account is left"


def test_how_far_apart_workers_begin_is_recorded(tmp_path):
    """One worker has its users, and those of another one log in first."""
    found = run(tmp_path, ITERATIONS)
    first, second, third = found["prepared"]
    assert min(first, second) >= 0.2
    earliest = min(first, second, third)
    assert found["iterations"]["apart_seconds"] == pytest.approx(max(first, second, third) - earliest)
    assert found["iterations"]["due"] == 30


def test_a_probe_of_users_has_the_think_time_of_each_class(tmp_path):
    """Locust starts no user of a class without a weight."""
    users = run(tmp_path, CLASSES)["users"]
    quick, slow = users["classes"].pop("Quick"), users["classes"].pop("Slow")
    assert users["classes"] == {}
    assert (quick["users"], slow["users"]) == (3, 1)
    assert slow["asked_seconds"] == 60 * slow["waits"] > 0
    assert quick["asked_seconds"] == pytest.approx(0.01 * quick["waits"])
    assert (users["waits"], users["asked_seconds"]) == tuple(
        quick[name] + slow[name] for name in ("waits", "asked_seconds")
    )


def test_iterations_that_waited_for_a_login_are_known_without_their_wait(tmp_path):
    """The users that are idle at first are fewer than the iterations of half a second that follow."""
    found = run(tmp_path, LOGINS)
    measured, within = found["probe"]["measured"], found["probe"]["within_limits"]
    assert measured["offered"] == measured["ok"] == 20
    without = measured["iterations"]["within_without_waits"]
    assert all(within[name] <= without[name] <= 20 for name in within)
    assert any(within[name] < without[name] for name in within)
    # The first users logged in before the probe.
    assert measured["iterations"]["waited_seconds"] > 0.9
    # A wait is no lag of the generator: the latency without it is that of the request, and the lag.
    assert all(within[name] == without[name] == 0 for name, limit in found["limits"].items() if limit < 500)


def test_a_probe_of_users_counts_the_tasks_that_raised_in_it(tmp_path):
    """Every second task raises. Those before the probe are not counted."""
    found = run(tmp_path, RAISING)
    tasks, raised = found["users"]["tasks"], found["users"]["raised"]
    assert 0 < tasks < found["tasks"][0]
    assert raised > 0
    assert abs(tasks - 2 * raised) <= 1


def test_users_that_were_stopped_do_not_stay_in_memory(tmp_path):
    """Each probe stops its five users, and has the next five."""
    found = run(tmp_path, GARBAGE)
    assert found["made"] == 15
    assert max(found["left"]) <= 5


def test_a_request_that_hangs_has_timed_out_when_its_probe_ends(tmp_path):
    """Its latency is one of the figures, as that of the lean client is."""
    found = run(tmp_path, HANGING)
    probe, rows = found["found"], found["rows"]
    counts = {name: probe[name] for name in ("offered", "ok", "timed_out", "dropped", "in_flight_end")}
    assert counts == {"offered": 10, "ok": 0, "timed_out": 4, "dropped": 6, "in_flight_end": 0}
    assert all(latency >= 200 for _, latency, outcome, *_ in rows if outcome == 2.0)
    assert sum(outcome == 2.0 for _, _, outcome, *_ in rows) == 4
    assert probe["errors"] == {"no response within the timeout of the search": 4}
