"""The recommendation: who wins, and the sentence that says why."""

import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.choose.fixed_load import memory_headroom, recommend, sensitivity
from swarmsweep.plan.row import ApiUse, EndpointRow, LatencyMs
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.matrix import cost
from swarmsweep.sweep.slo_limits import SloLimits

GIB = 1024**3
SLO = SloLimits({"p95_ms": 100, "max_failure_percent": 1})


def test_cost_counts_cpu_and_memory_of_all_replicas():
    assert cost({"replicas": 2, "cpus": 0.5, "memory_bytes": GIB}) == pytest.approx(2 * 0.61)


def with_workers(row, workers):
    return replace(row, config=row.config | {"workers": workers})


def several(name, rps, low, high):
    """A row of several attempts, with the lowest and the highest of their rates."""
    return replace(fixed(name, rps=rps), rps_range=(low, high), attempt_count=3)


def close(name, p95, **more):
    """A row of one attempt with the limit in the interval of its p95."""
    row = replace(fixed(name, p95=p95, **more), latency_intervals_ms={"p95": (0.75 * p95, 1.25 * p95)})
    return replace(row, meets_slo=slo_of.meets(row, SLO))


def changes_of(cells):
    """How other limits change the recommendation."""
    return sensitivity(cells, SLO, recommend(cells, SLO).cell_id)


@pytest.mark.parametrize(
    ("cells", "winner"),
    [
        ([fixed("a", cpus=2), fixed("b", cpus=1)], "b"),  # the cheapest
        ([fixed("a", cpus=1, p95=101), fixed("b", cpus=2)], "b"),  # the SLO comes first
        ([fixed("a", cpus=1, failures=1.1), fixed("b", cpus=2)], "b"),
        ([fixed("a", rps=100), fixed("b", rps=120)], "b"),  # as cheap: the faster
        ([fixed("a", rps=100), fixed("b", rps=101)], "a"),  # as cheap, without a clear difference: by name
        ([with_workers(fixed("a", rps=34.1), 2), fixed("b", rps=34.0)], "b"),  # as cheap: fewer workers
        ([several("a", 100, 98, 102), several("b", 104, 103, 105)], "b"),  # attempts show that it is faster
        ([several("a", 100, 80, 120), several("b", 115, 100, 130)], "a"),  # they overlap
        ([close("a", 90), fixed("b", cpus=2)], "b"),  # a clear one wins, whatever it costs
        ([close("a", 90), close("b", 85, cpus=2)], "a"),
        ([close("a", 110), close("b", 90, cpus=2)], "b"),  # over the limit as measured
        ([close("a", 110)], None),
        ([close("a", 90, failures=2.0)], None),  # another limit is missed clearly
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
    assert recommend(cells, SLO).cell_id == winner
    assert recommend(cells[::-1], SLO).cell_id == winner


UNSATURATED = {"bottleneck": "not_saturated", "unloaded_latency_ms": 10.0, "latency_growth": 1.02}


def light(name, **more):
    """A row with the latency of a single user: 60 users, who think for 1.75 s after each request."""
    row = replace(fixed(name, rps=34.0, p95=12.0, **more), users=60, think_time_seconds=1.75)
    row = replace(row, **UNSATURATED)
    return replace(row, api=replace(row.api, cpu_cores=0.1))


# Name of the row -> cells with their differences from a usual cell.
SENTENCES = {
    "cheaper, dead and faster ones": [
        fixed("tiny", cpus=0.25, rps=30, p95=900),
        fixed("small", cpus=0.5, rps=50, p95=250),
        fixed("dead", cpus=0.75, status="failed", reason="out of memory"),
        fixed("right", cpus=1, rps=100),
        fixed("fast", replicas=2, cpus=1, rps=190),
    ],
    "the cheapest and fastest": [fixed("only")],
    "the fastest misses the SLO": [fixed("a"), fixed("b", cpus=2, rps=300, p95=150)],
    "none holds the SLO": [fixed("a", p95=400), fixed("b", cpus=2, p95=150)],
    "no figure": [fixed("a", p95=None)],
    "failed and infeasible": [fixed("a", status="failed", reason="died."), fixed("b", status="infeasible", reason="x")],
    "invalid": [fixed("a", status="invalid", reason="no load")],
    "invalid and failed": [
        fixed("a", status="invalid", reason="no load"),
        fixed("b", status="failed", reason="died."),
    ],
    "not measured and infeasible": [fixed("a", status=None), fixed("b", status="infeasible")],
    "nothing": [],
    "a lower bound within the limit": [replace(fixed("a", p95=60.0), lower_bounds=["mean", "p95"], meets_slo=None)],
    "an open one alone": [close("a", 90), fixed("b", cpus=2, p95=300)],
    "an open one that is cheaper": [close("a", 110, cpus=0.5), fixed("b")],
    "an open one over the limit": [close("a", 110)],
    "an open one of several attempts": [replace(close("a", 90), attempt_count=3)],
    "an open one without load": [replace(close("a", 110), **UNSATURATED)],
    "a lower bound of a cheaper one": [
        replace(fixed("a", cpus=0.5, p95=60.0), lower_bounds=["p95"], meets_slo=None),
        fixed("b"),
    ],
    "too few requests": [replace(fixed("a", p95=None), requests=12, meets_slo=None)],
    "a light load": [light("a", cpus=0.5), light("b", cpus=2, replicas=2)],
    "a light load without a recommendation": [
        replace(light("a", cpus=0.5), latency_ms=LatencyMs(), requests=12, meets_slo=None),
    ],
    "a lower bound above the limit": [replace(fixed("b", p95=160.0), lower_bounds=["mean", "p95"], meets_slo=False)],
}


def test_the_sentences(golden):
    golden("choose_fixed.yml", {name: recommend(cells, SLO).sentence for name, cells in SENTENCES.items()})


def test_the_sentence_compares_with_the_next_cheaper_and_the_fastest():
    sentence = recommend(SENTENCES["cheaper, dead and faster ones"], SLO).sentence
    chosen, cheaper, dead, fastest = (
        ("right", "50.0 ms"),
        ("small", "0.61", "250.0 ms"),
        ("dead", "0.86"),
        ("1.90", "2.00"),
    )
    assert [word for word in (*chosen, *cheaper, *dead, *fastest) if word not in sentence] == []
    assert "tiny" not in sentence


@pytest.mark.parametrize(
    ("status", "words"), [("failed", "but failed."), ("invalid", "but its measurement is invalid."), (None, "")]
)
def test_a_cheaper_cell_without_trusted_figures_is_named_before_the_next_valid_one(status, words):
    """One that was not measured is passed over, so the next one is the next valid one."""
    cells = [fixed("small", cpus=0.5, p95=250), fixed("b", cpus=0.75, status=status, reason="late"), fixed("a")]
    answer = recommend(cells, SLO)
    assert "The next cheaper valid one, small (cost 0.61), misses the SLO" in answer.sentence
    named = [f"b (cost 0.86) is cheaper, {words} Reason: late."] if words else []
    assert [reason for reason in answer.reasons if reason.startswith("b ")] == named


def test_the_fastest_may_miss_the_slo():
    sentence = recommend(SENTENCES["the fastest misses the SLO"], SLO).sentence
    assert [word for word in ("3.00 times", "300.0", "1.90 times") if word not in sentence] == []


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        # The nearest is named, with how far it is away.
        ("none holds the SLO", [" b (", "150.0 ms", "1.50 times"]),
        # The number of cells of each status, and the reason of one cell.
        ("failed and infeasible", ["1 failed, 1 infeasible", "died."]),
        ("invalid", ["1 invalid", "no load."]),
        ("invalid and failed", ["1 failed, 1 invalid", "died."]),
        ("not measured and infeasible", ["1 infeasible"]),
        ("nothing", []),
        ("no figure", []),
    ],
)
def test_without_a_winner_the_sentence_says_what_is_short(name, figures):
    answer = recommend(SENTENCES[name], SLO)
    assert answer.cell_id is None
    assert [words for words in figures if words not in answer.sentence] == []


LEFT_LAB = (
    "requests to addresses outside the lab were blocked and failed: 7 to http://example.com:80. Serve the API without "
    "a redirect to another host or to https, and write relative URLs in the scenario. Then start a new run"
)


@pytest.mark.parametrize("status", ["failed", "invalid"])
def test_a_long_reason_is_whole_because_its_fix_comes_last(status):
    lost = fixed("a", cpus=0.5, status=status, reason=f"{LEFT_LAB}.")
    for cells in ([lost], [lost, fixed("b")]):
        (found,) = [text for text in recommend(cells, SLO).reasons if "Reason: " in text]
        assert found.endswith(f"Reason: {LEFT_LAB}.")


def test_without_a_valid_cell_each_cause_is_named_with_its_cells():
    given = [("a", "failed", "x"), ("b", "invalid", "y"), ("c", "failed", "x"), ("d", None, "not measured")]
    cells = [fixed(name, status=status, reason=reason) for name, status, reason in given]
    found = recommend(cells, SLO)
    assert found.answer == ["No configuration has a valid measurement: 2 failed, 1 invalid, 1 not measured."]
    assert found.reasons == ["a and c failed. Reason: x.", "b is invalid. Reason: y."]
    assert found.next_steps == ["Remove the causes, and measure again."]
    many = [fixed(f"c{number}", status="invalid", reason=f"r{number}") for number in range(5)]
    more = 'The section "Every configuration" has 2 further reasons.'
    assert recommend(many, SLO).reasons[2:] == ["c2 is invalid. Reason: r2.", more]
    same = [fixed(f"c{number}", status="invalid", reason="r") for number in range(5)]
    assert recommend(same, SLO).reasons == ["c0, c1, c2 and 2 others are invalid. Reason: r."]
    assert recommend(same, SLO).next_steps == ["Remove the cause, and measure again."]


def test_one_user_is_not_called_users():
    served = " ".join(recommend([replace(fixed("a"), users=1)], SLO).reasons)
    assert "requests/s from 1 user, with" in served


def test_failures_above_a_limit_of_zero():
    none = SloLimits({"max_failure_percent": 0})
    assert recommend([fixed("a", failures=0.5)], none).sentence
    assert recommend([replace(fixed("a", failures=0.5), meets_slo=False)], none).cell_id is None


def endpoint(name, p95=50.0, requests=30):
    latency_ms = LatencyMs(p95, p95, p95, None) if requests else LatencyMs()
    return EndpointRow(
        name=name, requests=requests, failures=0, failure_percent=0 if requests else None, latency_ms=latency_ms
    )


READY, SLOW, ABSENT = endpoint("GET /ready", 4.0, 900), endpoint("POST /predict", 506.0), endpoint("POST /x", 0, 0)
PREDICT = {"POST /predict": {"p95_ms": 600, "max_failure_percent": 1}}
WITH_ENDPOINTS = {
    "one is hidden": ([replace(fixed("a", p95=16.0), requests=930, endpoints=[READY, SLOW])], {}),
    "one has a limit and holds it": ([replace(fixed("a"), requests=930, endpoints=[SLOW, READY])], PREDICT),
    "one of the cheaper cell misses its limit": (
        [
            replace(fixed("a"), meets_slo=False, endpoints=[endpoint("POST /predict", 700.0), READY]),
            replace(fixed("b", cpus=2), endpoints=[endpoint("POST /predict", 300.0), READY]),
        ],
        PREDICT,
    ),
    "none holds it": (
        [replace(fixed("a"), meets_slo=False, endpoints=[endpoint("POST /predict", 700.0), READY])],
        PREDICT,
    ),
    "one never occurred": (
        [replace(fixed("a"), meets_slo=None, endpoints=[ABSENT, READY, SLOW])],
        {"POST /x": {"p95_ms": 600}},
    ),
    "one may be among the others": (
        [replace(fixed("a"), meets_slo=None, endpoints=[ABSENT, READY, endpoint("other")])],
        {"POST /x": {"p95_ms": 600}},
    ),
    "one has too few requests": (
        [replace(fixed("a"), meets_slo=None, endpoints=[endpoint("POST /x", None, 7), READY])],
        {"POST /x": {"p95_ms": 600}},
    ),
    "many are missed": (
        [
            replace(
                fixed("a"), meets_slo=False, endpoints=[endpoint(f"GET /{index}", 200.0 + index) for index in range(6)]
            ),
            replace(fixed("b", cpus=2), endpoints=[endpoint(f"GET /{index}") for index in range(6)]),
        ],
        {f"GET /{index}": {"p95_ms": 100} for index in range(6)},
    ),
}


def test_the_sentences_on_endpoints(golden):
    found = {
        name: recommend(cells, SloLimits(SLO.total, endpoints)).sentence
        for name, (cells, endpoints) in WITH_ENDPOINTS.items()
    }
    assert "p95 506.0 ms (limit 100 ms)" in found["one is hidden"]
    assert "POST /predict p95 700.0 ms (limit 600 ms), 1.17 times the limit" in found["none holds it"]
    assert "These names occurred: GET /ready, POST /predict." in found["one never occurred"]
    golden("choose_endpoints.yml", found)


def test_limits_of_endpoints_are_changed_with_the_others():
    cells = [replace(fixed("a"), endpoints=[SLOW]), replace(fixed("b", cpus=2), endpoints=[endpoint("POST /predict")])]
    limits = SloLimits(SLO.total, PREDICT)
    (sentence,) = sensitivity(cells, limits, recommend(cells, limits).cell_id)
    assert sentence == "If the latency limits were 20 % lower, b would be recommended."


def test_sensitivity_names_only_a_change(golden):
    tighter = changes_of([fixed("a", p95=95), fixed("b", cpus=2, p95=40)])
    looser = changes_of([fixed("a", p95=110)])
    golden("choose_fixed_sensitivity.yml", {"tighter": tighter, "looser": looser})
    assert changes_of([fixed("a", p95=50)]) == []
    assert len(tighter) == len(looser) == 1


def test_the_sentence_on_other_limits_says_that_a_cell_would_be_open():
    (sentence,) = changes_of([close("a", p95=65), fixed("b", cpus=2, p95=20)])
    assert sentence == (
        "If the latency limits were 20 % lower, b would be recommended, because it would be open whether a holds them."
    )


def test_a_figure_that_is_a_lower_bound_is_no_miss_and_no_pass():
    within = recommend(SENTENCES["a lower bound within the limit"], SLO)
    assert within.cell_id is None
    assert ">= 60.0 ms" in within.sentence
    above = recommend(SENTENCES["a lower bound above the limit"], SLO)
    assert above.cell_id is None


WAITING = {"bottleneck": "not_saturated", "unloaded_latency_ms": 10.0, "latency_growth": 15.0}


@pytest.mark.parametrize(
    ("figures", "changes", "words"),
    [
        # What held it back is not known.
        ({"p95": 150}, WAITING, "No measured resource was at its limit. Add a configuration with more replicas"),
        ({"p95": None}, WAITING, "This figure was not measured"),
        ({"p95": 150}, WAITING | {"latency_growth": 1.1}, "larger configurations would hardly help"),
        ({"p95": 150}, {"bottleneck": "concurrency"}, "The API serves too few requests at once"),
        ({"p95": 150}, {"bottleneck": "generator"}, "Give the load more workers or another load host"),
        ({"p95": 150}, {"bottleneck": "host_cpu"}, "use a larger API host"),
        ({"p95": 150}, {"bottleneck": "worker_cpu"}, "add more workers or replicas to the matrix"),
        # For example: the API does not have the path.
        ({"failures": 100.0}, WAITING | {"latency_growth": 1.0}, 'The section "Failed requests" has the kinds'),
        # For example: an overloaded API responds with 503.
        ({"failures": 30.0}, {"bottleneck": "cpu_throttled"}, "Add larger configurations to the matrix"),
    ],
)
def test_the_advice_fits_the_cause(figures, changes, words):
    assert words in recommend([replace(fixed("a", **figures), **changes)], SLO).sentence


MIB = 1024**2
USED = "No replica of a used more than 300 MiB of memory (29 % of its limit of 1G)."


@pytest.mark.parametrize(
    ("files_bytes", "words"),
    [
        (None, ""),
        (0, ""),
        (51 * MIB, ""),
        (200 * MIB, " Up to 200 MiB of it was files in memory: /tmp, lab_api_writable and shared memory."),
    ],
)
def test_memory_that_is_files_is_shown_apart(files_bytes, words):
    use = ApiUse(memory_peak_bytes=300 * MIB, shared_memory_peak_bytes=files_bytes)
    assert memory_headroom(replace(fixed("a"), api=use)) == USED + words


def test_memory_that_was_not_measured_has_no_sentence():
    assert memory_headroom(replace(fixed("a"), api=ApiUse(shared_memory_peak_bytes=5))) is None


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        # 60 users use 0.1 of 0.5 CPUs, and 0.1 of 2 x 2.
        (
            [light("a", cpus=0.5), light("b", cpus=2, replicas=2)],
            ["34.0 requests/s", "60 users", "1.75 s", "300 users"],
        ),
        ([light("a", cpus=0.5), light("b", cpus=2, replicas=2)], ["CPU limit of a, and about 2,400 that of b"]),
        ([light("a")], ["light for the only valid configuration", "600 users"]),
        ([replace(light("a"), api=ApiUse())], ["Raise load.users, or shorten load.wait_seconds"]),
        ([light("a"), fixed("b", status="failed", reason="x")], ["600 users"]),
    ],
)
def test_a_load_that_stressed_nothing_says_first_what_to_change(cells, words):
    sentence = recommend(cells, SLO).sentence
    assert sentence.startswith(("The load stressed ", "The load was light for "))
    assert [part for part in words if part not in sentence] == []


@pytest.mark.parametrize(
    "cells",
    [
        [light("a"), replace(light("b"), bottleneck="cpu_throttled")],
        [light("a"), replace(light("b"), latency_growth=3.0)],
        [light("a"), replace(light("b"), meets_slo=False)],
        [fixed("a")],
    ],
)
def test_one_stressed_cell_is_enough(cells):
    assert "The load stressed" not in recommend(cells, SLO).sentence


@pytest.mark.parametrize(
    ("p95", "interval", "is_lower_bound", "meets"),
    [
        (90, (80, 99.9), False, True),
        (90, (80, 100), False, True),
        (90, (80, 101), False, None),
        (110, (100, 130), False, None),
        (110, (100.1, 130), False, False),
        (110, (90, 130), True, False),  # it is at least 110
        (90, (80, 99), True, None),
    ],
)
def test_a_verdict_is_open_when_the_limit_is_in_the_interval(p95, interval, is_lower_bound, meets):
    row = replace(fixed("a", p95=p95), latency_intervals_ms={"p95": interval})
    row = replace(row, lower_bounds=["p95"] if is_lower_bound else [])
    assert slo_of.meets(row, SLO) is meets
    assert slo_of.meets(replace(row, failure_percent=5.0), SLO) is False


@pytest.mark.parametrize(
    ("cells", "is_first"),
    [
        (SENTENCES["a light load"], True),
        # Too few requests: more load gives more of them.
        (SENTENCES["a light load without a recommendation"], True),
        # A limit in an interval, and a response that never came, do not ask for more load.
        (SENTENCES["an open one without load"], False),
        ([replace(light("a"), lower_bounds=["p95"], meets_slo=None)], False),
    ],
)
def test_a_load_that_stressed_nothing_is_the_first_sentence(cells, is_first):
    found = recommend(cells, SLO)
    assert found.answer[0].startswith(("The load stressed none", "The load was light")) is is_first
    assert found.sentence.startswith(found.answer[0])


def test_the_parts_of_a_recommendation_are_its_sentence():
    for cells in SENTENCES.values():
        found = recommend(cells, SLO)
        assert found.sentence == " ".join([*found.answer, *found.reasons, *found.next_steps])
        assert found.answer and all(found.reasons) and all(found.next_steps)
