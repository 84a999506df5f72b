"""Open-loop load: its schedule, and real Locust processes on loopback that send it to a real server."""

import gzip
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import islice, pairwise, takewhile
from pathlib import Path
from statistics import fmean

import pytest

from app.dependencies.processes import free_port

ROOT = Path(__file__).parents[2]
ENTRIES = ROOT / "loadgen/entry"
PEER = Path(__file__).with_name("http_peer.py")
LOCUST = shutil.which("locust", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")

pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
pytest.importorskip("httptools", reason="httptools is not installed")
pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
from hdrh.histogram import HdrHistogram  # noqa: E402

from loadgen.common.arrivals import constant, poisson, schedule  # noqa: E402
from loadgen.open.timer import Timer  # noqa: E402

# The schedule.


def first(seconds: float, arrivals) -> list[float]:
    return list(takewhile(lambda due: due < seconds, arrivals))


def test_same_seed_gives_the_same_times_and_another_does_not():
    parts = [(7, 1, 0), (7, 1, 1), (7, 2, 0), (8, 1, 0)]
    streams = [
        tuple(islice(schedule("poisson", 100, seed, trial, worker, 2), 50))
        for seed, trial, worker in [*parts, parts[0]]
    ]
    assert streams[0] == streams[-1]
    assert len(set(streams)) == len(parts)


@pytest.mark.parametrize("rate_rps", [0.5, 40, 3000])
def test_poisson_gaps_are_exponential(rate_rps):
    number = 20_000
    due = list(islice(poisson(rate_rps, "seed"), number))
    gaps = [after - before for before, after in zip([0.0, *due], due, strict=False)]
    assert min(gaps) > 0
    # Mean and standard deviation of an exponential are both 1/rate; four standard errors around what is expected.
    four = 4 / math.sqrt(number)
    assert fmean(gaps) * rate_rps == pytest.approx(1, abs=four)
    assert fmean(gap * gap for gap in gaps) * rate_rps**2 == pytest.approx(2, abs=2 * math.sqrt(5) * four)
    for share in (0.1, 1.0, 3.0):
        expected = math.exp(-share)
        found = sum(gap > share / rate_rps for gap in gaps) / number
        assert found == pytest.approx(expected, abs=four * math.sqrt(expected * (1 - expected)))
    # Independent of each other.
    lag_one = fmean((a * rate_rps - 1) * (b * rate_rps - 1) for a, b in pairwise(gaps))
    assert lag_one == pytest.approx(0, abs=four)


@pytest.mark.parametrize("rate_rps", [0.1, 3, 700.0])
def test_constant_times_do_not_drift(rate_rps):
    due = list(islice(constant(rate_rps), 100_000))
    assert due[0] == 0
    assert all(moment == count / rate_rps for count, moment in enumerate(due))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_rate_is_split_over_workers(workers):
    seconds, rate_rps = 200, 90.0
    whole = [first(seconds, schedule("constant", rate_rps, 1, 1, worker, workers)) for worker in range(workers)]
    merged = sorted(due for part in whole for due in part)
    assert len(merged) == seconds * rate_rps
    assert merged == pytest.approx([count / rate_rps for count in range(len(merged))])
    parts = [first(seconds, schedule("poisson", rate_rps, 1, 1, worker, workers)) for worker in range(workers)]
    for part in parts:
        expected = seconds * rate_rps / workers
        assert len(part) == pytest.approx(expected, abs=4 * math.sqrt(expected))
    # Streams of workers that leaned on the same numbers would share times.
    assert len({due for part in parts for due in part}) == sum(map(len, parts))


def test_a_timer_calls_in_time_and_only_when_it_is_armed():
    import gevent

    begun, called = time.monotonic(), []
    due = [begun + 0.02, begun + 0.0201, begun + 0.05]

    def call() -> None:
        called.append(time.monotonic())
        if len(called) < len(due):
            timer.arm(due[len(called)])
        else:
            timer.disarm()

    timer = Timer(call)
    try:
        timer.arm(due[0])
        with gevent.Timeout(20):
            while len(called) < 3:
                gevent.sleep(0.01)
        gevent.sleep(0.1)
    finally:
        timer.close()
    timer.arm(0.0)
    assert len(called) == 3
    assert all(moment >= wanted for moment, wanted in zip(called, due, strict=True))


# Locust.

# Makes the probes that PLAN lists, one after the other, and writes their results.
CONDUCTOR = """
import json, os, time, traceback
import gevent, locust.stats
from locust import events
from locust.runners import WorkerRunner
from loadgen.master.probes import ProbeError, Probes

@events.init.add_listener
def on_init(environment, runner, **_):
    if not isinstance(runner, WorkerRunner):
        gevent.spawn(conduct, environment, runner, Probes(environment))

def conduct(environment, runner, probes):
    plan, found = json.load(open(os.environ["PLAN"])), []
    try:
        probes.wait_ready(plan["standing"], 60)
        probes.wait_ready(plan["workers"], plan["patience"])
        for step in plan["trials"]:
            stop_after = step.pop("stop_after", None)
            if stop_after:
                gevent.spawn_later(stop_after, probes.stop)
            try:
                found.append(probes.run(**step))
            except (ProbeError, ValueError) as error:
                found.append({"error": f"{type(error).__name__}: {error}"})
            # The test may do something to the workers now.
            with open(f"{os.environ['PLAN']}.done", "a") as file:
                file.write("trial\\n")
    except BaseException as error:
        found.append({"error": f"{type(error).__name__}: {error}"})
    # The workers send their last statistics before they report.
    gevent.sleep(0.5)
    total = runner.stats.total
    stats = {"requests": total.num_requests, "failures": total.num_failures, "bytes": total.total_content_length,
             "latency_ms": sum(k * n for k, n in total.response_times.items()) / max(1, total.num_requests),
             "greatest_ms": total.max_response_time, "least_ms": total.min_response_time,
             "per_second": sum(total.num_reqs_per_sec.values()),
             "names": [list(key) for key in runner.stats.entries],
             "errors": {entry.error: entry.occurrences for entry in runner.stats.errors.values()}}
    with open(os.environ["PLAN"] + ".out", "w") as file:
        json.dump({"trials": found, "stats": stats}, file)
    runner.quit()
"""
SCENARIO = """
from open_loop import OpenLoopUser
class PeerUser(OpenLoopUser):
    path = {path!r}
    payloads = [b'{{"predictions": %d}}' % n for n in range(16)]
    @staticmethod
    def check(status, headers, body):
        return f"status {{status}}" if status != 200 else None if b'"predictions"' in body else "wrong"
"""


class Lab:
    """A server, a Locust master and workers, all of which end with the ``stack``."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.server = self.popen([sys.executable, str(PEER)], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.server.stdout.readline())}"
        self.locust: list[subprocess.Popen] = []

    def popen(self, command: list[str], **options) -> subprocess.Popen:
        process = self.stack.enter_context(subprocess.Popen(command, **options))
        self.stack.callback(process.kill)
        return process

    def start(self, plan: list[dict], workers: int, path: str = "/echo", patience: float = 60, users: int = 0) -> None:
        (self.folder / "conductor.py").write_text(CONDUCTOR)
        scenario = self.folder / "peer_scenario.py"
        scenario.write_text(SCENARIO.format(path=path))
        expected = {"workers": workers or 1, "standing": min(users or workers or 1, workers or 1), "patience": patience}
        (self.folder / "plan").write_text(json.dumps(expected | {"trials": plan}))
        files = f"{ENTRIES / 'open_loop.py'},{scenario},{self.folder / 'conductor.py'}"
        command = [LOCUST, "-f", files, "--exit-code-on-error", "0", "--loglevel", "INFO"]
        load = ["--headless", "-u", str(users or workers or 1), "-r", "10", "--host", self.url, "--only-summary"]
        if not workers:
            self.run("alone", [*command, *load], index="0")
            return
        port = str(free_port())
        master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        master += ["--expect-workers", str(workers), "--expect-workers-max-wait", "60"]
        self.run("master", [*command, *master, *load])
        for index in range(workers):
            worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
            self.run(f"worker-{index}", [*command, *worker], index=str(index))

    def run(self, name: str, command: list[str], index: str | None = None) -> None:
        env = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        env |= {"SWEEP_OUTPUT_DIR": str(self.folder / "out"), "SWEEP_HOST": "lab-load", "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {"PYTHONPATH": str(ROOT)}
        env |= {"PLAN": str(self.folder / "plan")} | ({} if index is None else {"SWEEP_WORKER_INDEX": index})
        with (self.folder / f"{name}.log").open("wb") as log:
            self.locust.append(self.popen(command, env=env, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT))

    def wait_for(self, what: str, holds) -> None:
        deadline = time.monotonic() + 90
        while not holds():
            assert time.monotonic() < deadline, f"{what}: {self.logs()}"
            time.sleep(0.01)

    def wait_for_requests(self, number: int) -> None:
        self.wait_for(f"{number} requests", lambda: sum(self.counts()["requests"].values()) >= number)

    def finish(self) -> dict:
        """What the conductor wrote, when all of Locust has ended."""
        self.wait_for("end of the master", lambda: self.locust[0].poll() is not None)
        for process in self.locust[1:]:
            process.wait(60)
        assert self.locust[0].returncode == 0, self.logs()
        return json.loads((self.folder / "plan.out").read_text())

    def logs(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-3000:]}" for log in self.folder.glob("*.log"))

    def counts(self) -> dict:
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        connection.request("GET", "/counts")
        content = json.loads(connection.getresponse().read())
        connection.close()
        return content

    def rows(self, trial: int) -> list[tuple[float, ...]]:
        """Records of all workers: intended start, latency, outcome, lag, server."""
        found = []
        for path in sorted((self.folder / "out").glob(f"open-requests-*-trial-{trial}.f64.gz")):
            values = array("d")
            values.frombytes(gzip.decompress(path.read_bytes()))
            found += zip(*(values[column::5] for column in range(5)), strict=True)
        return found

    def run_plan(self, plan: list[dict], workers: int, **options) -> dict:
        self.start(plan, workers, **options)
        return self.finish()


@pytest.fixture
def lab(tmp_path):
    with ExitStack() as stack:
        yield Lab(stack, tmp_path)


OUTCOMES = {"ok": 1.0, "failed": 0.0, "timed_out": 2.0, "dropped": 3.0}
LOWEST_KIND = 10.0


def check_conserved(summary: dict) -> None:
    """Nothing is lost: in the whole, in each bin, and between the two."""
    assert summary["offered"] == sum(summary[name] for name in OUTCOMES) + summary["in_flight_end"]
    for name in ("offered", *OUTCOMES):
        assert sum(part[name] for part in summary["bins"]) == summary[name]
        assert sum(part[name] for part in summary["bins"] if part["second"] >= 0) == summary["measured"][name]
        assert sum(worker[name] for worker in summary["workers"]) == summary[name]
    assert sum(summary["errors"].values()) == summary["failed"] + summary["timed_out"]


def check_rows(lab: Lab, summary: dict) -> None:
    """The file of requests agrees with the bins."""
    rows = lab.rows(summary["trial"])
    # A failure has its kind as outcome.
    found = Counter(0.0 if row[2] >= LOWEST_KIND else row[2] for row in rows)
    assert found == Counter({OUTCOMES[name]: summary[name] for name in OUTCOMES})
    begun = min(worker["window_start"] for worker in summary["workers"]) - summary["order"]["seconds_settle"]
    end = max(worker["window_end"] for worker in summary["workers"])
    for start, latency_ms, outcome, lag_ms, server in rows:
        assert begun <= start < end
        if outcome == 3.0:
            assert math.isnan(latency_ms)
            assert math.isnan(lag_ms)
            assert server == -1
        else:
            assert 0 <= lag_ms <= latency_ms
    total = HdrHistogram(1, 3_600_000_000, 3)
    for part in summary["bins"]:
        total.decode_and_add(part["latency_histogram"])
    ok_us = sorted(1000 * row[1] for row in rows if row[2] == 1.0)
    assert total.total_count == len(ok_us) == summary["ok"]
    if len(ok_us) > 1:
        # To three significant digits, and at least what it was.
        for percent in (1, 50, 95, 99, 100):
            rank = max(1, int(percent / 100 * len(ok_us) + 0.5))
            assert total.get_value_at_percentile(percent) == pytest.approx(ok_us[rank - 1], rel=0.001, abs=1)
    sent = [row for row in rows if row[2] != 3.0]
    assert sum(part["latency_ms_sum"] for part in summary["bins"]) == pytest.approx(sum(row[1] for row in sent))
    assert sum(part["lag_ms_sum"] for part in summary["bins"]) == pytest.approx(sum(row[3] for row in sent))


def check_within(lab: Lab, summary: dict, limits_ms: dict[str, float]) -> None:
    """Requests of the measured window of one worker are counted by their latency, to a histogram's three digits."""
    assert set(summary["within_limits"]) == set(limits_ms)
    (start,) = [worker["window_start"] for worker in summary["workers"]]
    ok_ms = [row[1] for row in lab.rows(summary["trial"]) if row[2] == 1.0 and row[0] >= start - 1e-6]
    assert len(ok_ms) == summary["measured"]["ok"]
    assert summary["measured"]["latency_ms"]["mean"] == pytest.approx(fmean(ok_ms), rel=0.002, abs=0.001)
    for name, limit_ms in limits_ms.items():
        least, most = (sum(latency <= limit_ms * factor for latency in ok_ms) for factor in (0.999, 1.0015))
        assert least <= summary["within_limits"][name] <= most


MANY = [
    {"kind": "poisson", "rate_rps": 200.0, "seconds_settle": 1.0, "seconds_measure": 2.0, "seed": 7},
    {"kind": "constant", "rate_rps": 60.0, "seconds_measure": 2.0},
    {"kind": "closed", "connections": 3, "seconds_settle": 0.5, "seconds_measure": 1.0},
    {"kind": "poisson", "rate_rps": 200.0, "seconds_settle": 1.0, "seconds_measure": 2.0, "seed": 7},
    {"kind": "constant", "rate_rps": 11.0, "seconds_measure": 1.5},
]


def test_one_start_serves_trials_of_many_rates_over_two_workers(lab):
    found = lab.run_plan(MANY, workers=2)
    trials = found["trials"]
    assert [trial.get("error") for trial in trials] == [None] * len(MANY)
    for number, (asked, summary) in enumerate(zip(MANY, trials, strict=True), start=1):
        assert summary["trial"] == number
        assert summary["order"].items() >= asked.items()
        assert (summary["workers_ordered"], summary["workers_reported"], summary["stopped"]) == (2, 2, None)
        check_conserved(summary)
        check_rows(lab, summary)
        assert summary["ok"] == summary["offered"]
        assert summary["in_flight_end"] == 0
        assert [(worker["host"], worker["index"]) for worker in summary["workers"]] == [
            ("lab-load", "0"),
            ("lab-load", "1"),
        ]
        # The peer gives every connection of a worker the name of another replica.
        assert set(summary["measured"]["served_by"]) <= {"peer/0", "peer/1"}
        assert sum(summary["measured"]["served_by"].values()) == summary["measured"]["ok"]
        if asked["kind"] != "closed":
            settle, measure = asked.get("seconds_settle", 0), asked["seconds_measure"]
            assert [part["second"] for part in summary["bins"]] == list(range(-math.ceil(settle), math.ceil(measure)))
        if asked["kind"] == "constant":
            assert summary["offered"] == pytest.approx(asked["rate_rps"] * asked["seconds_measure"], abs=1)
        for part in summary["bins"][: int(asked["seconds_measure"])]:
            assert part["cpu_percent"] >= 0
            assert 0 <= part["in_flight_mean"] <= part["in_flight_max"]
    # The same seed in another trial is another sequence; the schedule itself is what the functions above say.
    offered = [
        sum(len(first(3 - 1e-6, schedule("poisson", 200, 7, trial, worker, 2))) for worker in range(2))
        for trial in (1, 4)
    ]
    assert [trials[0]["offered"], trials[3]["offered"]] == offered
    # Who counts what: server, files, Locust.
    total = sum(summary["offered"] for summary in trials)
    stats = found["stats"]
    assert lab.counts()["requests"] == {"/echo": total}
    assert stats["requests"] == stats["per_second"] == total
    assert stats["names"] == [["/echo", "POST"]]
    assert stats["failures"] == 0
    rows = [row for number in range(1, len(MANY) + 1) for row in lab.rows(number)]
    assert stats["greatest_ms"] == pytest.approx(max(row[1] for row in rows), abs=0.001)
    assert stats["least_ms"] == pytest.approx(min(row[1] for row in rows), abs=0.001)
    assert len('{"predictions": 1}') * total <= stats["bytes"] <= len('{"predictions": 11}') * total
    assert all(process.returncode == 0 for process in lab.locust)


def test_requests_of_a_trial_are_those_of_the_seed(lab):
    """Times in the file are the schedule, whatever the machine did meanwhile; a user too many does not double it."""
    limits_ms = {"p50_ms": 0.5, "p95_ms": 2.0, "p99_ms": 10_000}
    plan = [{"kind": "poisson", "rate_rps": 100.0, "seconds_measure": 1.0, "seed": 3, "limits_ms": limits_ms}]
    (summary,) = lab.run_plan(plan, workers=0, users=2)["trials"]
    assert "this worker already has its open-loop user" in (lab.folder / "alone.log").read_text()
    starts = sorted(row[0] - summary["workers"][0]["window_start"] for row in lab.rows(1))
    assert starts == pytest.approx(first(1, schedule("poisson", 100, 3, 1, 0, 1)), abs=1e-5)
    check_within(lab, summary, limits_ms)


def test_stalled_server_shows_in_the_latency_from_the_intended_start(lab):
    rate_rps, stall_seconds = 100.0, 0.5
    lab.start([{"kind": "constant", "rate_rps": rate_rps, "seconds_measure": 4.0}], workers=1)
    lab.wait_for_requests(100)
    lab.server.send_signal(signal.SIGSTOP)
    time.sleep(stall_seconds)
    lab.server.send_signal(signal.SIGCONT)
    (summary,) = lab.finish()["trials"]
    check_conserved(summary)
    assert summary["ok"] == summary["offered"] == pytest.approx(4 * rate_rps, abs=1)
    # 50 of 400 requests were due in the stall, 10 of them in its first tenth of a second: a closed loop would show one.
    latencies = sorted((row[1] for row in lab.rows(1)), reverse=True)
    assert latencies[9] >= 400
    assert summary["measured"]["latency_ms"]["p99"] >= 400
    # Of 400 the fifth from above or its neighbour, to a histogram's three digits.
    assert latencies[5] * 0.999 <= summary["measured"]["latency_ms"]["p99"] <= latencies[3] * 1.001


def test_stalled_generator_hides_nothing_either(lab):
    lab.start([{"kind": "constant", "rate_rps": 100.0, "seconds_measure": 4.0}], workers=1)
    lab.wait_for_requests(100)
    worker = lab.locust[1]
    worker.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    worker.send_signal(signal.SIGCONT)
    (summary,) = lab.finish()["trials"]
    check_conserved(summary)
    assert summary["ok"] == summary["offered"] == pytest.approx(400, abs=1)
    assert summary["measured"]["lag_ms"]["p99"] >= 400
    assert summary["measured"]["latency_ms"]["p99"] >= 400


def test_what_is_not_sent_is_counted_as_dropped(lab):
    """Each request takes 50 ms, so 2 at a time are 40 requests/s of the 200 that each worker is to send."""
    plan = [{"kind": "constant", "rate_rps": 400.0, "seconds_measure": 2.0, "most_in_flight": 2}]
    found = lab.run_plan(plan, workers=2, path="/slow")
    (summary,) = found["trials"]
    check_conserved(summary)
    check_rows(lab, summary)
    assert summary["offered"] == pytest.approx(800, abs=1)
    assert summary["dropped"] >= 800 - 2 * 2 * (2 / 0.05 + 1)
    assert summary["measured"]["achieved_rps"] == (summary["offered"] - summary["dropped"]) / 2
    assert max(part["in_flight_max"] for part in summary["bins"]) <= 4
    assert lab.counts()["requests"]["/slow"] == summary["ok"] == found["stats"]["requests"]


@pytest.mark.parametrize(
    ("path", "outcome", "reason"),
    [
        ("/silent", "timed_out", "timed out after 0.5 s"),
        ("/status", "failed", "status 503"),
        ("/cut", "failed", "connection closed in the middle of the response"),
    ],
)
def test_failures_are_counted_by_their_reason(lab, path, outcome, reason):
    plan = [
        {"kind": "constant", "rate_rps": 40.0, "seconds_measure": 1.0, "timeout_seconds": 0.5},
        {"kind": "closed", "connections": 2, "seconds_measure": 1.0, "timeout_seconds": 0.5},
    ]
    plan = [step | {"limits_ms": {"p95_ms": 400}} for step in plan]
    found = lab.run_plan(plan, workers=0, path=path)
    for summary in found["trials"]:
        check_conserved(summary)
        check_rows(lab, summary)
        assert summary[outcome] == summary["offered"] > 0
        assert summary["errors"] == {reason: summary["offered"]}
        assert summary["measured"]["latency_ms"] == dict.fromkeys(("p50", "p95", "p99", "mean"))
        assert summary["within_limits"] == {"p95_ms": 0}
    total = sum(summary["offered"] for summary in found["trials"])
    assert found["stats"]["failures"] == found["stats"]["requests"] == total
    assert found["stats"]["errors"] == {reason: total}
    assert lab.counts()["requests"][path] == total


def test_closed_trial_keeps_its_connections_busy(lab):
    plan = [{"kind": "closed", "connections": 5, "seconds_measure": 2.0}]
    (summary,) = lab.run_plan(plan, workers=2, path="/slow")["trials"]
    check_conserved(summary)
    assert summary["ok"] == summary["offered"]
    assert summary["connections"] == {"opened": 5, "closed_idle": 0, "resent": 0}
    assert summary["bins"][0]["in_flight_max"] == 5
    # 50 ms each, one after the other on each connection, all of which end what they have begun.
    assert 5 <= summary["ok"] <= 5 * (2 / 0.05 + 1)


def test_littles_law_holds_between_requests_in_flight_and_latencies(lab):
    """Mean number in flight = rate x time in the system; the two sides are counted in different ways."""
    plan = [{"kind": "poisson", "rate_rps": 300.0, "seconds_settle": 1.0, "seconds_measure": 4.0}]
    (summary,) = lab.run_plan(plan, workers=0, path="/slow")["trials"]
    in_flight = fmean(part["in_flight_mean"] for part in summary["bins"] if part["second"] >= 0)
    (begin,) = [worker["window_start"] for worker in summary["workers"]]
    # When each request was sent and got its response, cut to the window.
    spans = [(start + lag_ms / 1000, start + latency_ms / 1000) for start, latency_ms, _, lag_ms, _ in lab.rows(1)]
    seconds = sum(max(0.0, min(end, begin + 4.0) - max(sent, begin)) for sent, end in spans)
    assert in_flight == pytest.approx(seconds / 4.0, rel=0.005)


def test_a_probe_can_be_stopped_and_reports_requests_in_flight(lab):
    plan = [
        {"kind": "constant", "rate_rps": 20.0, "seconds_measure": 60.0, "stop_after": 1.0},
        {"kind": "constant", "rate_rps": 20.0, "seconds_measure": 0.5, "timeout_seconds": 0.3},
    ]
    found = lab.run_plan(plan, workers=2, path="/silent")["trials"]
    stopped, after = found
    check_conserved(stopped)
    assert stopped["stopped"] == "the master stopped it"
    assert stopped["in_flight_end"] == stopped["offered"] > 0
    # The workers can run the next probe.
    check_conserved(after)
    assert after["timed_out"] == after["offered"] == pytest.approx(10, abs=1)


def test_lost_worker_is_seen(lab):
    lab.start([{"kind": "constant", "rate_rps": 50.0, "seconds_measure": 3.0}] * 2, workers=2)
    lab.wait_for_requests(25)
    lab.locust[2].kill()
    first_trial, second = lab.finish()["trials"]
    assert (first_trial["workers_ordered"], first_trial["workers_reported"]) == (2, 1)
    assert (second["workers_ordered"], second["workers_reported"]) == (1, 1)
    check_conserved(second)


REFUSED = [
    ({"kind": "steady", "seconds_measure": 1.0}, "kind is 'steady'; allowed: one of poisson, constant, closed"),
    ({"kind": "poisson", "rate_rps": 0.0, "seconds_measure": 1.0}, "rate_rps is 0.0"),
    ({"kind": "poisson", "rate_rps": math.nan, "seconds_measure": 1.0}, "rate_rps is nan"),
    ({"kind": "poisson", "seconds_measure": 1.0}, "rate_rps is None"),
    ({"kind": "constant", "rate_rps": 5.0, "seconds_measure": 0.0}, "seconds_measure is 0.0"),
    ({"kind": "constant", "rate_rps": 5.0, "seconds_measure": 1e9}, "allowed: above 0, at most 3600"),
    ({"kind": "constant", "rate_rps": 5.0, "seconds_measure": 1.0, "seconds_settle": -1.0}, "seconds_settle is -1.0"),
    ({"kind": "constant", "rate_rps": 5.0, "seconds_measure": 1.0, "connections": 5}, "connections is 5"),
    ({"kind": "closed", "connections": 0, "seconds_measure": 1.0}, "connections is 0"),
    ({"kind": "closed", "connections": 1, "rate_rps": 5.0, "seconds_measure": 1.0}, "rate_rps is 5.0"),
    ({"kind": "closed", "connections": 1, "seconds_measure": 1.0, "most_in_flight": 0}, "most_in_flight is 0"),
    ({"kind": "closed", "connections": 1, "seconds_measure": 1.0, "timeout_seconds": True}, "timeout_seconds is True"),
    ({"kind": "closed", "connections": 1, "seconds_measure": 1.0, "seed": "7"}, "seed is '7'"),
]


def test_orders_that_make_no_sense_are_refused_before_any_request(lab):
    found = lab.run_plan([step for step, _ in REFUSED], workers=0)["trials"]
    for (step, message), summary in zip(REFUSED, found, strict=True):
        assert message in summary["error"], step
    assert lab.counts()["requests"] == {}


def test_missing_users_are_named(lab):
    (found,) = lab.run_plan([], workers=2, users=1, patience=2)["trials"]
    assert found["error"].startswith("ProbeError: 1 of 2 workers are ready after 2 s. ")


def ask(program: str, folder: Path) -> object:
    """What a program prints as JSON, in a process of its own: Locust patches the process it is in."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ENTRIES}:{ROOT / 'locustfiles'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_open_scenario_sends_what_the_closed_one_sends(tmp_path):
    program = """
import json
import open_loop, predict, predict_open
user = predict_open.PredictOpenUser
answers = [(200, b'{"predictions":[2],"model_version":"1"}'), (200, b"{}"), (503, b"")]
same = [user.payloads is predict.PAYLOADS, dict(user.headers) == predict.HEADERS]
print(json.dumps([user.method, user.path, *same, *(user.check(status, {}, body) for status, body in answers)]))
"""
    judged = [None, 'no "predictions" in the response', "status 503"]
    assert ask(program, tmp_path) == ["POST", "/predict", True, True, *judged]


def test_values_are_rounded_as_the_histogram_rounds_them(tmp_path):
    program = """
import json, random
from loadgen.common.histogram import new_histogram, quantize_us
histogram, draw = new_histogram(), random.Random(1)
values_ms = [0.0, 0.0004, 0.001, 2.047, 2.048, 2.049, 4.095, 4.097, *(draw.lognormvariate(2, 4) for _ in range(5000))]
exact = [histogram.get_lowest_equivalent_value(int(value * 1000 + 0.5)) for value in values_ms]
print(json.dumps([exact == quantize_us(values_ms), len(set(exact))]))
"""
    same, different = ask(program, tmp_path)
    assert same
    assert different > 2000
