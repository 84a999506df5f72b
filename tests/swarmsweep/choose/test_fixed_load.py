"""The recommendation: who wins, and the sentence that says why."""

import pytest
from rows import fixed

from swarmsweep.choose.fixed_load import recommend, sensitivity
from swarmsweep.sweep.matrix import cost

GIB = 1024**3
SLO = {"p95_ms": 100, "max_failure_percent": 1}


def test_cost_counts_cpu_and_memory_of_all_replicas():
    assert cost({"replicas": 2, "cpus": 0.5, "memory_bytes": GIB}) == pytest.approx(2 * 0.61)


@pytest.mark.parametrize(
    ("cells", "winner"),
    [
        ([fixed("a", cpus=2), fixed("b", cpus=1)], "b"),  # the cheapest
        ([fixed("a", cpus=1, p95=101), fixed("b", cpus=2)], "b"),  # the SLO comes first
        ([fixed("a", cpus=1, failures=1.1), fixed("b", cpus=2)], "b"),
        ([fixed("a", rps=100), fixed("b", rps=101)], "b"),  # as cheap: the faster
        (
            [fixed("a", replicas=2, cpus=0.5, memory=GIB // 2), fixed("b")],
            "b",
        ),  # as cheap and fast: fewer replicas
        ([fixed("a", cpus=0.1, status="invalid", reason="x"), fixed("b")], "b"),
        ([fixed("a", cpus=0.1, status="failed", reason="x"), fixed("b")], "b"),
        ([fixed("a", cpus=0.1, status=None, reason="not measured"), fixed("b")], "b"),
        ([fixed("a", p95=None)], None),
        ([], None),
    ],
)
def test_winner(cells, winner):
    assert recommend(cells, SLO)["cell_id"] == winner
    assert recommend(cells[::-1], SLO)["cell_id"] == winner


def test_the_sentence_compares_with_the_next_cheaper_and_the_fastest():
    cells = [
        fixed("tiny", cpus=0.25, rps=30, p95=900),
        fixed("small", cpus=0.5, rps=50, p95=250),
        fixed("dead", cpus=0.75, status="failed", reason="out of memory"),
        fixed("right", cpus=1, rps=100),
        fixed("fast", replicas=2, cpus=1, rps=190),
    ]
    sentence = recommend(cells, SLO)["sentence"]
    assert sentence.startswith("Take right (1 replica x 1 CPU, 1G, 1 worker each): it is the cheapest configuration")
    assert "p95 50.0 ms (limit 100 ms), failures 0 % (limit 1 %) at 100.0 requests/s from 40 users" in sentence
    assert "The next cheaper one, small (cost 0.61), misses it: p95 250.0 ms (limit 100 ms)." in sentence
    assert "Cheaper dead (cost 0.86) failed: out of memory." in sentence
    assert "tiny" not in sentence
    assert (
        "The fastest valid one, fast, serves 1.90 times the requests per second (190.0) for 2.00 times the cost."
        in sentence
    )


def test_the_cheapest_and_fastest_cell_has_nothing_to_be_compared_with():
    sentence = recommend([fixed("only")], SLO)["sentence"]
    assert "No cheaper configuration was measured." in sentence
    assert "No valid configuration served more requests." in sentence


def test_the_fastest_may_miss_the_slo():
    sentence = recommend([fixed("a"), fixed("b", cpus=2, rps=300, p95=150)], SLO)["sentence"]
    assert "b, serves 3.00 times the requests per second (300.0) for 1.90 times the cost" in sentence
    assert sentence.endswith("and does not hold the SLO.")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [fixed("a", p95=400), fixed("b", cpus=2, p95=150)],
            "None of the tested configurations holds the SLO (p95 at most 100 ms, failures at most 1 %). "
            "The nearest is b (1 replica x 2 CPU, 1G, 1 worker each): p95 150.0 ms (limit 100 ms), 1.50 times the",
        ),
        ([fixed("a", p95=None)], "p95 not measured (limit 100 ms)."),
        (
            [fixed("a", status="failed", reason="died."), fixed("b", status="infeasible", reason="x")],
            "No configuration could be measured: 1 failed, 1 infeasible. a is failed: died.",
        ),
        ([fixed("a", status="invalid", reason="no load")], "1 invalid. a is invalid: no load."),
        (
            [fixed("a", status="invalid", reason="no load"), fixed("b", status="failed", reason="died.")],
            "1 failed, 1 invalid. The first of them, b, is failed: died.",
        ),
        (
            [fixed("a", status=None), fixed("b", status="infeasible")],
            "Nothing has been measured yet (1 infeasible).",
        ),
        ([], "Nothing has been measured yet."),
    ],
)
def test_without_a_winner_the_sentence_says_what_is_short(cells, words):
    assert words in recommend(cells, SLO)["sentence"]


def test_failures_above_a_limit_of_zero():
    sentence = recommend([fixed("a", failures=0.5)], {"max_failure_percent": 0})["sentence"]
    assert recommend([fixed("a", failures=0.5) | {"meets_slo": False}], {"max_failure_percent": 0})["cell_id"] is None
    assert sentence


def test_sensitivity_tells_only_a_change():
    near = [fixed("a", p95=95), fixed("b", cpus=2, p95=40)]
    assert sensitivity(near, SLO) == ["With latency limits 20 % tighter the choice would be b."]
    assert sensitivity([fixed("a", p95=50)], SLO) == []
    assert sensitivity([fixed("a", p95=110)], SLO) == ["With latency limits 20 % looser the choice would be a."]


def test_a_figure_that_is_a_lower_bound_is_no_miss_and_no_pass():
    row = fixed("a", p95=60.0) | {"lower_bounds": ["mean", "p95"], "meets_slo": None}
    found = recommend([row], SLO)
    assert found["cell_id"] is None
    assert found["sentence"].startswith("None of the tested configurations is known to hold the SLO")
    assert "p95 >= 60.0 ms (limit 100 ms). Requests had no response when the load ended" in found["sentence"]
    certain = fixed("b", p95=160.0) | {"lower_bounds": ["mean", "p95"], "meets_slo": False}
    assert recommend([certain], SLO)["sentence"].startswith("None of the tested configurations holds the SLO")
