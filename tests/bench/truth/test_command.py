"""The tool's errors as tables: what is a hit, a false verdict and a warning, and what the file and the terminal say."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.truth import accuracy, command, deployment
from bench.truth.accuracy import Assessed, Pair
from bench.truth.deployment import SearchResult, Setting
from swarmsweep.errors import LabError
from swarmsweep.judge.capacity import Capacity

SETTING = Setting("8ms-2slots", 8, 2, {"p95_ms": 40, "max_failure_percent": 1})


def search_result(estimate: float | None, verified: float | None = 190.0, **changes: object) -> SearchResult:
    interval = (0.95 * estimate, 1.05 * estimate) if estimate else None
    capacity = Capacity(verified, 1, False, estimate, interval, None, "No rate held the SLO.")
    late = {"p50": 0.1, "p99": 0.4, "max": 3.0}
    return dataclasses.replace(SearchResult(capacity, "done", 8, 380.0, 0.6, late, 0.5, 0), **changes)


def assessed(estimate: float | None, true_rps: float = 200.0, **changes: object) -> Assessed:
    return Assessed(SETTING, search_result(estimate, **changes), true_rps)


def pairs(count: int, differing: int = 0) -> list[Pair]:
    """Pairs of three blocks that are the same but for chance; every other of the first really differs."""
    blocks = {}
    for pair in range(1, count + 1):
        factor = 1.2 if pair % 2 and pair < 2 * differing else 1.0
        for block, chance in enumerate((0.99, 1.0, 1.01), 1):
            blocks[pair, block] = search_result(200 * factor * chance), search_result(200.0)
    return accuracy.compare_pairs(blocks, count)


def conclude(
    assessed: list[Assessed], pairs: list[Pair], shares: dict, retries: tuple[str, ...] = ()
) -> tuple[dict, str]:
    options = SimpleNamespace(seed=7, profile="standard", deployments=3, setting_lanes=4, pair_lanes=10)
    site = SimpleNamespace(retries=list(retries), haproxy=Path("/bin/true"))
    return command.conclude(options, site, assessed, pairs, shares)


QUIET = {"own": 0.4, "others": 0.01}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.setattr(command.machine, "versions", lambda python, names: {})
    monkeypatch.setattr(command.haproxy, "version", lambda program: "2.6.12")


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
def test_the_worst_error_counts(estimates, worst, is_met):
    content, text = conclude([assessed(rate) for rate in estimates], [], QUIET)
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
    blocks = {
        (pair, block): (search_result(200.0), search_result(240.0 + block)) for pair in (1, 2) for block in (1, 2, 3)
    }
    assert [pair.is_false for pair in accuracy.compare_pairs(blocks, 2)] == [False, False]
    blocks |= {(2, block): (search_result(200.0), search_result(200.0 + block % 2)) for block in (1, 2, 3)}
    # The second pair shows little noise, so that the first, judged by it, is called worse.
    first, second = accuracy.compare_pairs(blocks, 2)
    assert (first.comparison.verdict, first.is_false) == ("worse", True)
    assert not second.is_false


def test_a_pair_alone_is_not_its_own_anchor():
    (pair,) = accuracy.compare_pairs(
        {(1, block): (search_result(240.0 + block), search_result(200.0)) for block in (1, 2, 3)}, 1
    )
    assert pair.comparison.verdict == "better"


def test_rows_say_what_they_were_made_from():
    content, text = conclude([assessed(206.0)], pairs(2), QUIET)
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
            "late (p99): the server 6.0 ms; the limit is 40 ms",
        ),
        ({"lag_p99_ms": 9.0}, QUIET, "late (p99): the generator 9.0 ms"),
        ({"not_served": 3}, QUIET, "sent 3 requests more than the server has counted"),
        ({}, {"own": 0.4, "others": 0.2}, "other processes used 20% of the cores"),
        ({}, {"own": 0.9, "others": 0.0}, "the bench itself used 90% of the cores"),
    ],
)
def test_warnings_have_sentences(changes, shares, words):
    (sentence,) = accuracy.warnings_about([assessed(200.0, **changes)], shares)
    assert words in sentence


def test_a_capacity_that_was_not_found_is_a_warning():
    (sentence,) = accuracy.warnings_about([assessed(None)], QUIET)
    assert sentence == "8ms-2slots: no rate was verified: No rate held the SLO."


def test_the_way_to_the_server_is_taken_off_the_limit():
    rates = [accuracy.true_rps(SETTING, path_ms) for path_ms in (0.0, 1.0, 5.0)]
    assert rates == sorted(rates, reverse=True)
    shorter = Setting("shorter", 8, 2, {"p95_ms": 35})
    assert rates[2] == pytest.approx(accuracy.true_rps(shorter, 0.0))


def test_the_strictest_limit_counts():
    lax, strict = ({"p95_ms": 40}, {"p99_ms": 45})
    rates = [accuracy.true_rps(dataclasses.replace(SETTING, slo=slo), 0.5) for slo in (lax, strict, lax | strict)]
    assert rates[2] == min(rates)


@pytest.mark.parametrize("setting", [*command.SETTINGS, command.TWIN], ids=lambda setting: setting.name)
def test_every_setting_has_a_truth_that_this_tool_can_find(setting):
    rate = accuracy.true_rps(setting, 1.0)
    # Two cores carry some of them at a time, and a trial has enough requests.
    assert 100 < rate < 1600
    assert rate <= setting.full_rps
    assert 1.0 <= setting.timeout_seconds <= 10.0


def test_there_are_enough_different_settings():
    assert len({setting.name for setting in command.SETTINGS}) >= 6
    assert {setting.arrivals for setting in command.SETTINGS} == {"poisson", "constant"}
    assert len({setting.slots for setting in command.SETTINGS}) >= 3


@pytest.mark.parametrize(
    "arguments",
    [["--settings", "99"], ["--pairs", "-1"], ["--profile", "fast"], ["--deployments", "1"], ["--pair-lanes", "0"]],
)
def test_wrong_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.parse(arguments)
    assert ended.value.code == 2
    assert "usage: ./lab bench truth" in capsys.readouterr().err


def test_nothing_to_do_is_refused():
    with pytest.raises(LabError, match="there is nothing to do"):
        command.main(["--settings", "0", "--pairs", "0"])


def test_a_deployment_that_fails_is_retried(monkeypatch):
    made = []

    def measure(site, setting, profile, seed, with_path):
        made.append(setting.name)
        if len(made) in (1, 3, 4):
            raise LabError(f"HAProxy did not respond, {len(made)}")
        return search_result(200.0)

    monkeypatch.setattr(deployment, "measure", measure)
    site = SimpleNamespace(retries=[])
    assert command.measure(site, SETTING, "smoke", 1, with_path=False) == search_result(200.0)
    assert site.retries == ["HAProxy did not respond, 1"]
    with pytest.raises(LabError, match="HAProxy did not respond, 4"):
        command.measure(site, SETTING, "smoke", 1, with_path=False)
    content, text = conclude([assessed(200.0)], [], QUIET, tuple(site.retries))
    assert content["retries"] == ["HAProxy did not respond, 1", "HAProxy did not respond, 3"]
    assert "2 deployments failed and were retried" in text
