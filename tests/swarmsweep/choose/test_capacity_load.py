"""The recommendation where capacities were looked for."""

import pytest
from capacity_run import deployment

from swarmsweep.choose.capacity_load import proven_rps, recommend, sensitivity
from swarmsweep.choose.paired_test import Noise
from swarmsweep.plan.row import blank_cell
from swarmsweep.results.cell import merge

GIB = 1024**3
SLO = {"p95_ms": 100, "max_failure_percent": 1}


def plan(target=None):
    """A plan without an anchor."""
    return {"run_id": "x", "slo": SLO, "load": {"mode": "capacity", "target_rps": target}, "anchor": None, "repeat": 3}


def planned(name, cpus=1.0, replicas=1, memory=GIB, **more):
    """A cell of the plan."""
    config = {"replicas": replicas, "cpus": cpus, "memory_bytes": memory, "workers": 1}
    return {"id": name, "config": config, "memory": "1G"} | more


def cell(name, *rates, cpus=1.0, replicas=1, memory=GIB, twin_of=None, **changes):
    """A valid cell whose deployments have these capacities; 96 % of each is verified."""
    trials = [deployment(number, rate, **changes) for number, rate in enumerate(rates, start=1)]
    return merge(plan(), planned(name, cpus, replicas, memory, twin_of=twin_of), trials)


def three(name, rps, **more):
    """A cell with three deployments that differ by a percent."""
    return cell(name, rps, 1.01 * rps, 0.99 * rps, **more)


def never(name, **more):
    """A valid cell that held the SLO at no rate."""
    row = three(name, 100.0, verified_rps=None, estimate_rps=None, interval_rps=None, **more)
    return row | {"attempts": [{"attempt": 1, "load_trials": [{"verdict": "bad"}]}]}


def once(name):
    """One of which a trial held, and none for long enough."""
    trials = [{"verdict": "bad"}, {"verdict": "good"}]
    return never(name) | {"attempts": [{"attempt": 1, "load_trials": trials}]}


def dead(name, status, cpus=0.1):
    """A cell without a measurement."""
    return blank_cell(planned(name, cpus), status, "it is dead")


def least(name, rps, **more):
    """A cell that held all that the generator could make."""
    open_end = {"at_least": True, "estimate_rps": None, "interval_rps": None, "limited_by": "generator"}
    return cell(name, rps, rps, rps, **open_end, **more)


def test_a_cell_is_proven_for_the_smaller_of_lower_bound_and_verified_rate():
    assert proven_rps(cell("a", 100.0)) == 96.0  # no lower bound from one deployment
    assert proven_rps(three("a", 100.0)) == pytest.approx(0.96 * 99)
    scattered = cell("a", 100.0, 200.0, 150.0)
    assert proven_rps(scattered) == scattered["capacity"]["lower_bound_rps"] < 96
    assert proven_rps(never("a")) is None
    assert proven_rps(dead("a", "failed")) is None


@pytest.mark.parametrize(
    ("cells", "winner"),
    [
        ([three("a", 100.0, cpus=0.5), three("b", 200.0, cpus=2)], "b"),  # the highest
        ([three("a", 100.0, cpus=0.5), three("b", 100.2, cpus=2)], "a"),  # a tie goes to the cheaper
        ([cell("a", 96.0, cpus=0.5), cell("b", 100.0, cpus=2)], "a"),  # one deployment, near: a tie
        ([cell("a", 50.0, cpus=0.5), cell("b", 100.0, cpus=2)], "b"),  # one deployment, half: no tie
        ([cell("a", 180.0, 240.0, cpus=0.5), three("b", 210.0, cpus=2)], "a"),  # undecided and near
        ([three("a", 100.0, replicas=2, cpus=0.5, memory=GIB // 2), three("b", 100.0)], "b"),  # fewer replicas
        ([dead("a", "invalid"), three("b", 100.0)], "b"),
        ([dead("a", "failed"), three("b", 100.0)], "b"),
        ([dead("a", None), three("b", 100.0)], "b"),
        ([never("a", cpus=0.5), three("b", 100.0)], "b"),
        ([three("a", 900.0) | {"status": "invalid"}, three("b", 100.0)], "b"),
        ([three("b-twin", 900.0, twin_of="b"), three("b", 100.0)], "b"),  # a twin never wins
        ([three("b-twin", 900.0, twin_of="b")], None),
        ([never("a")], None),
        ([dead("a", "failed")], None),
        ([], None),
    ],
)
def test_the_highest_capacity_wins(cells, winner):
    assert recommend(plan(), cells)["cell_id"] == winner
    assert recommend(plan(), cells[::-1])["cell_id"] == winner


@pytest.mark.parametrize(
    ("target", "winner"),
    [
        (70, "small"),
        (76, "small"),  # 76 x 1.25 = 95, of 95.04
        (77, "middle"),
        (150, "middle"),
        (300, "large"),
        (330, None),
    ],
)
def test_with_a_target_the_cheapest_that_is_proven_for_it_with_headroom_wins(target, winner):
    cells = [
        three("large", 400.0, cpus=4),
        three("small", 100.0, cpus=1),
        three("middle", 200.0, cpus=2),
        three("small-twin", 999.0, cpus=1, twin_of="small"),
        three("wrong", 999.0, cpus=0.5) | {"status": "invalid", "reason": "the generator was late"},
    ]
    assert recommend(plan(target), cells)["cell_id"] == winner


def test_a_rate_that_was_rounded_by_the_search_is_enough():
    cells = [cell("a", 100.0, verified_rps=416.6)]
    assert recommend(plan(333.3), cells)["cell_id"] == "a"


def test_the_sentence_for_a_target_says_what_is_proven_and_what_it_costs():
    cells = [
        never("none", cpus=0.25),
        three("small", 100.0, cpus=0.5),
        three("right", 400.0),
        three("large", 800.0, cpus=2),
    ]
    sentence = recommend(plan(300), cells)["sentence"]
    assert sentence.startswith(
        "Take right (1 replica x 1 CPU, 1G, 1 worker each): it is the cheapest configuration that is proven to take "
        "300 requests/s with 25.0 % to spare (375.0) within the SLO (p95 at most 100 ms, failures at most 1 %): 380.2 "
        "requests/s or more were verified in each of 3 deployments with p95 88.6 ms, the estimate is 400.0 ("
    )
    assert "between deployments), for a cost of 1.11 CPU equivalents, 342.5 requests/s for each." in sentence
    assert "The next cheaper one, small (cost 0.61), is proven for 95.0, 75 % short of it." in sentence
    assert "Against the highest, large, for 0.53 times its cost, it is worse: 0.50 times as much (" in sentence
    assert "none" not in sentence


def test_the_sentence_for_the_highest_names_a_tie():
    sentence = recommend(plan(), [three("a", 100.0, cpus=0.5), three("b", 100.2, cpus=2)])["sentence"]
    assert "it is the cheapest configuration that may take as much as the highest within the SLO" in sentence
    assert "No cheaper configuration was measured." in sentence
    assert "Against the highest, b, for 0.29 times its cost, it is equally good: 1.00 times as much" in sentence


def test_one_deployment_is_undecided_and_says_so():
    sentence = recommend(plan(), [cell("a", 50.0, cpus=0.5), cell("b", 100.0, cpus=2)])["sentence"]
    assert "it takes the highest rate" in sentence
    assert "96.0 requests/s were verified in one deployment" in sentence
    assert "97.0 to 102.0 within one)" in sentence
    assert "a (cost 0.61), takes 0.50 times as much." in sentence
    assert "it is undecided which takes more: 2.00 times as much in one block" in sentence


def test_noise_that_is_not_controlled_takes_the_verdict_away():
    noise = Noise(0.08, (1.02, 1.2), False, 3, "")
    sentence = recommend(plan(), [three("a", 100.0, cpus=0.5), three("b", 300.0, cpus=2)], noise)["sentence"]
    assert "it is undecided which takes more" in sentence and "better" not in sentence


def test_at_least_is_said():
    sentence = recommend(plan(), [least("a", 100.0), three("b", 50.0, cpus=0.5)])["sentence"]
    assert "and its capacity is at least that: the load generator could not make more" in sentence
    assert "at least" in recommend(plan(500), [least("a", 100.0)])["sentence"]
    assert "give the load hosts more workers" in recommend(plan(500), [least("a", 100.0)])["sentence"]
    assert (
        "is proven for 96.0, 23 % short of it, but may take more"
        in (recommend(plan(100), [least("a", 100.0, cpus=0.5), three("b", 400.0)])["sentence"])
    )


def test_a_target_that_none_reaches_names_the_best_and_what_is_short():
    cells = [three("small", 100.0, cpus=0.5), three("large", 400.0)]
    found = recommend(plan(400), cells)
    assert found["cell_id"] is None
    assert found["sentence"].startswith(
        "None of the tested configurations is proven to take 400 requests/s with 25.0 %"
    )
    assert (
        "The best is large (1 replica x 1 CPU, 1G, 1 worker each), proven for 380.2 requests/s, 24 % short"
        in (found["sentence"])
    )
    assert "The target itself it takes, with 6 % to spare." in recommend(plan(360), cells)["sentence"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [once("a"), never("b")],
            "No rate is proven. The SLO (p95 at most 100 ms, failures at most 1 %) was held by a, but at no rate",
        ),
        ([never("a"), never("b")], "None of the tested configurations (a, b) held the SLO (p95 at most 100 ms"),
        ([dead("a", "failed"), dead("b", "infeasible")], "No configuration could be measured: 1 failed, 1 infeasible."),
        ([dead("a", None)], "Nothing has been measured yet."),
    ],
)
def test_without_a_winner_the_sentence_says_why(cells, words):
    assert words in recommend(plan(), cells)["sentence"]


def test_sensitivity_is_about_the_headroom_of_a_target():
    cells = [three("small", 100.0, cpus=0.5), three("large", 400.0)]
    assert sensitivity(plan(), cells) == []
    assert sensitivity(plan(50), cells) == []
    assert sensitivity(plan(70), cells) == ["With a headroom of 50 % the choice would be large."]
    assert sensitivity(plan(90), cells) == ["With no headroom the choice would be small."]
    assert sensitivity(plan(300), cells) == [
        "With a headroom of 50 % the choice would be none of the tested configurations."
    ]
    assert sensitivity(plan(300), [never("a")]) == []
