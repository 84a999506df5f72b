"""The recommendation: who wins, and the sentence that says why."""

import pytest

from swarmsweep.cell import blank_cell
from swarmsweep.choose import cost, recommend, sensitivity

GIB = 1024**3
SLO = {"p95_ms": 100, "max_failure_percent": 1}


def cell(name, replicas=1, cpus=1.0, memory=GIB, rps=100.0, p95=50.0, failures=0.0, status="valid", reason=None):
    """A row with these figures."""
    config = {"replicas": replicas, "cpus": cpus, "memory_bytes": memory, "workers": 1}
    row = blank_cell({"id": name, "config": config, "memory": "1G"}, status, reason)
    if status in ("valid", "invalid"):
        meets = p95 is not None and p95 <= 100 and failures <= 1 if status == "valid" else None
        figures = {"mean": p95, "p50": p95, "p95": p95, "p99": p95}
        row |= {"users": 40, "rps": rps, "failure_percent": failures, "latency_ms": figures, "meets_slo": meets}
    return row


def test_cost_counts_cpu_and_memory_of_all_replicas():
    assert cost({"replicas": 2, "cpus": 0.5, "memory_bytes": GIB}) == pytest.approx(2 * 0.61)


@pytest.mark.parametrize(
    ("cells", "winner"),
    [
        ([cell("a", cpus=2), cell("b", cpus=1)], "b"),  # the cheapest
        ([cell("a", cpus=1, p95=101), cell("b", cpus=2)], "b"),  # the SLO comes first
        ([cell("a", cpus=1, failures=1.1), cell("b", cpus=2)], "b"),
        ([cell("a", rps=100), cell("b", rps=101)], "b"),  # as cheap: the faster
        ([cell("a", replicas=2, cpus=0.5, memory=GIB // 2), cell("b")], "b"),  # as cheap and fast: fewer replicas
        ([cell("a", cpus=0.1, status="invalid", reason="x"), cell("b")], "b"),
        ([cell("a", cpus=0.1, status="failed", reason="x"), cell("b")], "b"),
        ([cell("a", cpus=0.1, status=None, reason="not measured"), cell("b")], "b"),
        ([cell("a", p95=None)], None),
        ([], None),
    ],
)
def test_winner(cells, winner):
    assert recommend(cells, SLO)["cell_id"] == winner
    assert recommend(cells[::-1], SLO)["cell_id"] == winner


def test_the_sentence_compares_with_the_next_cheaper_and_the_fastest():
    cells = [
        cell("tiny", cpus=0.25, rps=30, p95=900),
        cell("small", cpus=0.5, rps=50, p95=250),
        cell("dead", cpus=0.75, status="failed", reason="out of memory"),
        cell("right", cpus=1, rps=100),
        cell("fast", replicas=2, cpus=1, rps=190),
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
    sentence = recommend([cell("only")], SLO)["sentence"]
    assert "No cheaper configuration was measured." in sentence
    assert "No valid configuration served more requests." in sentence


def test_the_fastest_may_miss_the_slo():
    sentence = recommend([cell("a"), cell("b", cpus=2, rps=300, p95=150)], SLO)["sentence"]
    assert "b, serves 3.00 times the requests per second (300.0) for 1.90 times the cost" in sentence
    assert sentence.endswith("and does not hold the SLO.")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [cell("a", p95=400), cell("b", cpus=2, p95=150)],
            "None of the tested configurations holds the SLO (p95 at most 100 ms, failures at most 1 %). "
            "The nearest is b (1 replica x 2 CPU, 1G, 1 worker each): p95 150.0 ms (limit 100 ms), 1.50 times the",
        ),
        ([cell("a", p95=None)], "p95 not measured (limit 100 ms)."),
        (
            [cell("a", status="failed", reason="died."), cell("b", status="infeasible", reason="x")],
            "No configuration could be measured: 1 failed, 1 infeasible. a is failed: died.",
        ),
        ([cell("a", status="invalid", reason="no load")], "1 invalid. a is invalid: no load."),
        (
            [cell("a", status="invalid", reason="no load"), cell("b", status="failed", reason="died.")],
            "1 failed, 1 invalid. The first of them, b, is failed: died.",
        ),
        ([cell("a", status=None), cell("b", status="infeasible")], "Nothing has been measured yet (1 infeasible)."),
        ([], "Nothing has been measured yet."),
    ],
)
def test_without_a_winner_the_sentence_says_what_is_short(cells, words):
    assert words in recommend(cells, SLO)["sentence"]


def test_failures_above_a_limit_of_zero():
    sentence = recommend([cell("a", failures=0.5)], {"max_failure_percent": 0})["sentence"]
    assert recommend([cell("a", failures=0.5) | {"meets_slo": False}], {"max_failure_percent": 0})["cell_id"] is None
    assert sentence


def test_sensitivity_tells_only_a_change():
    near = [cell("a", p95=95), cell("b", cpus=2, p95=40)]
    assert sensitivity(near, SLO) == ["With latency limits 20 % tighter the choice would be b."]
    assert sensitivity([cell("a", p95=50)], SLO) == []
    assert sensitivity([cell("a", p95=110)], SLO) == ["With latency limits 20 % looser the choice would be a."]


def test_a_figure_that_is_a_lower_bound_is_no_miss_and_no_pass():
    row = cell("a", p95=60.0) | {"lower_bounds": ["mean", "p95"], "meets_slo": None}
    found = recommend([row], SLO)
    assert found["cell_id"] is None
    assert found["sentence"].startswith("None of the tested configurations is known to hold the SLO")
    assert "p95 >= 60.0 ms (limit 100 ms). Requests had no response when the load ended" in found["sentence"]
    certain = cell("b", p95=160.0) | {"lower_bounds": ["mean", "p95"], "meets_slo": False}
    assert recommend([certain], SLO)["sentence"].startswith("None of the tested configurations holds the SLO")
