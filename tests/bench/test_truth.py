"""The tool's grades: their arithmetic as tables, and one short search of a real server behind a real HAProxy."""

import dataclasses
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import deployment, grades, packages, processes, truth
from bench.deployment import Found, Setting, Site
from bench.grades import Graded, Pair
from swarmsweep.errors import LabError
from swarmsweep.judge.capacity import Capacity

SETTING = Setting("8ms-2slots", 8, 2, {"p95_ms": 40, "max_failure_percent": 1})


def found(estimate: float | None, verified: float | None = 190.0, **changes: object) -> Found:
    interval = (0.95 * estimate, 1.05 * estimate) if estimate else None
    capacity = Capacity(verified, 1, False, estimate, interval, None, "No rate held the SLO.")
    late = {"p50": 0.1, "p99": 0.4, "max": 3.0}
    return dataclasses.replace(Found(capacity, "done", 8, 380.0, 0.6, late, 0.5, 0), **changes)


def graded(estimate: float | None, true_rps: float = 200.0, **changes: object) -> Graded:
    return Graded(SETTING, found(estimate, **changes), true_rps)


def pairs(count: int, differing: int = 0) -> list[Pair]:
    """Pairs of three blocks that are the same but for chance; every other of the first really differs."""
    blocks = {}
    for pair in range(1, count + 1):
        factor = 1.2 if pair % 2 and pair < 2 * differing else 1.0
        for block, chance in enumerate((0.99, 1.0, 1.01), 1):
            blocks[pair, block] = found(200 * factor * chance), found(200.0)
    return grades.compare_pairs(blocks, count)


def conclude(graded: list[Graded], pairs: list[Pair], shares: dict, retries: tuple[str, ...] = ()) -> tuple[dict, str]:
    options = SimpleNamespace(seed=7, profile="standard", deployments=3, setting_lanes=4, pair_lanes=10)
    site = SimpleNamespace(retries=list(retries), haproxy=Path("/bin/true"))
    return truth.conclude(options, site, graded, pairs, shares)


QUIET = {"own": 0.4, "others": 0.01}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.setattr(truth.machine, "versions", lambda python, names: {})
    monkeypatch.setattr(truth.haproxy, "version", lambda program: "2.6.12")


@pytest.mark.parametrize(
    ("estimates", "worst", "is_met"),
    [
        ((200, 206, 199), 3.0, True),
        ((200, 190.1, 208), 4.95, True),
        ((200, 189, 208), 5.5, False),
        ((200, None, 208), None, None),
        ((), None, None),
    ],
)
def test_the_worst_error_is_graded(estimates, worst, is_met):
    content, text = conclude([graded(rate) for rate in estimates], [], QUIET)
    assert content["ratios"]["worst_capacity_error_percent"] == worst
    assert content["targets"]["worst_capacity_error_percent"] == {"at_most": 5, "met": is_met}
    assert {True: "yes", False: "NO", None: "not measured"}[is_met] in text


@pytest.mark.parametrize(
    ("count", "differing", "false", "is_met"),
    [(20, 0, 0, True), (20, 1, 1, True), (20, 3, 3, False), (5, 0, None, None)],
)
def test_false_verdicts_are_counted(count, differing, false, is_met):
    content, _ = conclude([], pairs(count, differing), QUIET)
    assert content["ratios"]["false_better_of_20"] == false
    assert content["targets"]["false_better_of_20"]["met"] is is_met
    assert content["pairs"]["count"] == count
    assert content["pairs"]["better"] == differing
    assert content["pairs"]["worse"] == 0
    assert content["pairs"]["difference_percent"] > 0


def test_worse_is_as_false_as_better():
    blocks = {(pair, block): (found(200.0), found(240.0 + block)) for pair in (1, 2) for block in (1, 2, 3)}
    assert [pair.is_false for pair in grades.compare_pairs(blocks, 2)] == [False, False]
    blocks |= {(2, block): (found(200.0), found(200.0 + block % 2)) for block in (1, 2, 3)}
    # The second pair shows little noise, so that the first, judged by it, is called worse.
    first, second = grades.compare_pairs(blocks, 2)
    assert (first.comparison.verdict, first.is_false) == ("worse", True)
    assert not second.is_false


def test_a_pair_alone_is_not_its_own_anchor():
    (pair,) = grades.compare_pairs({(1, block): (found(240.0 + block), found(200.0)) for block in (1, 2, 3)}, 1)
    assert pair.comparison.verdict == "better"


def test_rows_say_what_they_were_made_from():
    content, text = conclude([graded(206.0)], pairs(2), QUIET)
    rows = {row["name"]: row for row in content["rows"]}
    row = rows["8ms-2slots"]
    assert (row["value"], row["unit"], row["truth_rps"], row["error_percent"]) == (206.0, "requests/s", 200.0, 3.0)
    assert (row["verified_rps"], row["verified_error_percent"]) == (190.0, -5.0)
    assert row["truth_in_interval"] is True
    assert row["load_seconds"] == 380.0
    assert rows["pair-1"]["a_rps"] == [198.0, 200.0, 202.0]
    assert rows["pair-1"]["verdict"] == "equal"
    assert content["doubts"] == []
    assert "8ms-2slots" in text and "+3.0" in text


@pytest.mark.parametrize(
    ("changes", "shares", "words"),
    [
        (
            {"late_ms": {"p50": 1.0, "p99": 6.0, "max": 9.0}},
            QUIET,
            "the server 6.0 ms late (p99), for a limit of 40 ms",
        ),
        ({"lag_p99_ms": 9.0}, QUIET, "the generator 9.0 ms late"),
        ({"not_served": 3}, QUIET, "sent 3 requests more than the server has counted"),
        ({}, {"own": 0.4, "others": 0.2}, "others used 20% of the cores"),
        ({}, {"own": 0.9, "others": 0.0}, "the bench itself used 90% of the cores"),
    ],
)
def test_doubts_are_told(changes, shares, words):
    (sentence,) = grades.doubts([graded(200.0, **changes)], shares)
    assert words in sentence


def test_what_was_not_found_is_a_doubt():
    (sentence,) = grades.doubts([graded(None)], QUIET)
    assert sentence == "8ms-2slots: nothing was found: No rate held the SLO."


def test_the_way_to_the_server_is_taken_off_the_limit():
    rates = [grades.true_rps(SETTING, path_ms) for path_ms in (0.0, 1.0, 5.0)]
    assert rates == sorted(rates, reverse=True)
    shorter = Setting("shorter", 8, 2, {"p95_ms": 35})
    assert rates[2] == pytest.approx(grades.true_rps(shorter, 0.0))


def test_the_strictest_limit_counts():
    lax, strict = ({"p95_ms": 40}, {"p99_ms": 45})
    rates = [grades.true_rps(dataclasses.replace(SETTING, slo=slo), 0.5) for slo in (lax, strict, lax | strict)]
    assert rates[2] == min(rates)


@pytest.mark.parametrize("setting", [*truth.SETTINGS, truth.TWIN], ids=lambda setting: setting.name)
def test_every_setting_has_a_truth_that_this_tool_can_find(setting):
    rate = grades.true_rps(setting, 1.0)
    # Two cores carry some of them at a time, and a trial has enough requests.
    assert 100 < rate < 1600
    assert rate <= setting.full_rps
    assert 1.0 <= setting.timeout_seconds <= 10.0


def test_there_are_enough_different_settings():
    assert len({setting.name for setting in truth.SETTINGS}) >= 6
    assert {setting.arrivals for setting in truth.SETTINGS} == {"poisson", "constant"}
    assert len({setting.slots for setting in truth.SETTINGS}) >= 3


@pytest.mark.parametrize(
    "arguments",
    [["--settings", "99"], ["--pairs", "-1"], ["--profile", "fast"], ["--deployments", "1"], ["--pair-lanes", "0"]],
)
def test_wrong_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        truth.parse(arguments)
    assert ended.value.code == 2
    assert "usage: ./lab bench truth" in capsys.readouterr().err


def test_nothing_to_do_is_refused():
    with pytest.raises(LabError, match="there is nothing to do"):
        truth.main(["--settings", "0", "--pairs", "0"])


def test_a_deployment_that_fails_is_made_once_more(monkeypatch):
    made = []

    def measure(site, setting, profile, seed, with_path):
        made.append(setting.name)
        if len(made) in (1, 3, 4):
            raise LabError(f"HAProxy did not answer, {len(made)}")
        return found(200.0)

    monkeypatch.setattr(deployment, "measure", measure)
    site = SimpleNamespace(retries=[])
    assert truth.measure(site, SETTING, "smoke", 1, with_path=False) == found(200.0)
    assert site.retries == ["HAProxy did not answer, 1"]
    with pytest.raises(LabError, match="HAProxy did not answer, 4"):
        truth.measure(site, SETTING, "smoke", 1, with_path=False)
    content, text = conclude([graded(200.0)], [], QUIET, tuple(site.retries))
    assert content["retries"] == ["HAProxy did not answer, 1", "HAProxy did not answer, 3"]
    assert "2 deployments failed and were made once more" in text


# The whole of it.

HAS_HAPROXY = (
    bool(shutil.which("haproxy", path="/usr/sbin:/usr/bin"))
    or (packages.UNPACKED / "haproxy/usr/sbin/haproxy").exists()
)
# Shorter than any profile of a sweep, for the sake of this test: too short to be exact.
TINY = """
import dataclasses
PROFILES["smoke"] = dataclasses.replace(
    PROFILES["smoke"], budget_seconds=16, probe_settle_seconds=0.5, probe_seconds=1.5, settle_seconds=0.5,
    search_seconds=1.5, confirm_seconds=2.0, confirm_factors=(1.0,), verify_seconds=2.0,
)
"""


@pytest.fixture
def site(tmp_path, monkeypatch) -> Site:
    if not HAS_HAPROXY:
        pytest.skip("no haproxy, installed or unpacked: run ./lab bench truth once")
    if missing := [name for name in ("locust", "httptools", "hdrh") if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    here = SimpleNamespace(python=Path(sys.executable), folder=Path(sys.prefix), path=f"{sys.prefix}/bin:/usr/bin:/bin")
    monkeypatch.setattr(deployment, "LOCUST", here)
    monkeypatch.setattr(deployment, "LIGHT_SECONDS", 2.0)
    made = Site(packages.unpacked("haproxy", "usr/sbin/haproxy"), tmp_path)
    with (made.load_host / "search/steps.py").open("a", encoding="utf-8") as file:
        file.write(TINY)
    return made


def below_this_process() -> set[int]:
    living = {pid: process for pid, process in processes.all_processes().items() if not process.zombie}
    return processes.descendants(os.getpid(), living)


def test_a_search_of_a_real_server(site):
    """The whole way once. It is too short to be exact: only gross mistakes, such as a factor of two, would show."""
    before = below_this_process()
    one = truth.grade(site, Setting("5ms-2slots", 5, 2, {"p95_ms": 40}), "smoke", 11)
    assert one.found.ended is not None
    assert one.found.trials >= 3
    assert one.found.not_served == 0
    assert one.found.path_ms > 0
    assert one.found.late_ms["p50"] is not None
    assert 0.5 < one.found.capacity.estimate_rps / one.truth_rps < 1.5
    assert below_this_process() == before
    assert list((site.folder).glob("deployment-*")) == []
    _, text = conclude([one], [], QUIET)
    assert "5ms-2slots" in text


def test_a_deployment_that_is_stopped_leaves_nothing(site):
    before = below_this_process()
    site.stopping.set()
    with pytest.raises(deployment.StoppedError):
        deployment.measure(site, SETTING, "smoke", 1, with_path=False)
    assert below_this_process() == before
    assert list((site.folder).glob("deployment-*")) == []


def test_ports_of_the_master_are_given_once(site):
    with ThreadPoolExecutor(4) as pool:
        ports = list(pool.map(lambda _: site.master_port(), range(8)))
    assert len(set(ports)) == 8
    assert set(ports) <= set(deployment.MASTER_PORTS)
