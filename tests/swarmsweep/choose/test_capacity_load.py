"""The recommendation where capacities were looked for."""

import pytest
from capacity_run import deployment
from msgspec.structs import replace
from rows import plan_of

from swarmsweep.choose.capacity_load import conservative_rps, recommend, sensitivity, unverified
from swarmsweep.choose.paired_test import Noise
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import AttemptEntry, ProbeRow, blank_row
from swarmsweep.results.cell import merge

GIB = 1024**3
SLO = {"p95_ms": 100, "max_failure_percent": 1}


def plan(target=None):
    """A plan without an anchor."""
    return plan_of({"mode": "capacity", "target_rps": target}, slo=SLO)


def planned(name, cpus=1.0, replicas=1, memory=GIB, **more):
    """A cell of the plan."""
    config = {"replicas": replicas, "cpus": cpus, "memory_bytes": memory, "workers": 1}
    return PlannedCell(id=name, config=config, memory="1G", **more)


def cell(name, *rates, cpus=1.0, replicas=1, memory=GIB, twin_of=None, **changes):
    """A valid cell whose deployments have these capacities; 96 % of each is verified."""
    attempts = [deployment(number, rate, **changes) for number, rate in enumerate(rates, start=1)]
    return merge(plan(), planned(name, cpus, replicas, memory, twin_of=twin_of), attempts)


def three(name, rps, **more):
    """A cell with three deployments that differ by a percent."""
    return cell(name, rps, 1.01 * rps, 0.99 * rps, **more)


def never(name, **more):
    """A valid cell that held the SLO at no rate."""
    row = three(name, 100.0, verified_rps=None, estimate_rps=None, interval_rps=None, **more)
    return replace(row, attempts=[AttemptEntry(attempt=1, status="valid", probes=[ProbeRow(verdict="bad")])])


def once(name):
    """A cell of which one probe held the SLO, but none for long enough."""
    probes = [ProbeRow(verdict="bad"), ProbeRow(verdict="good")]
    return replace(never(name), attempts=[AttemptEntry(attempt=1, status="valid", probes=probes)])


def dead(name, status, cpus=0.1):
    """A cell without a measurement."""
    return blank_row(planned(name, cpus), status, "it is dead")


def least(name, rps, **more):
    """A cell that held the SLO at every rate that the generator could send."""
    open_end = {"is_lower_bound": True, "estimate_rps": None, "interval_rps": None, "limited_by": "generator"}
    return cell(name, rps, rps, rps, **open_end, **more)


def test_a_cell_is_proven_for_the_smaller_of_lower_bound_and_verified_rate():
    assert conservative_rps(cell("a", 100.0)) == 96.0  # no lower bound from one deployment
    assert conservative_rps(three("a", 100.0)) == pytest.approx(0.96 * 99)
    scattered = cell("a", 100.0, 200.0, 150.0)
    assert conservative_rps(scattered) == scattered.capacity.lower_bound_rps < 96
    assert conservative_rps(never("a")) is None
    assert conservative_rps(dead("a", "failed")) is None


@pytest.mark.parametrize(
    ("cells", "winner"),
    [
        ([three("a", 100.0, cpus=0.5), three("b", 200.0, cpus=2)], "b"),  # the highest
        ([three("a", 100.0, cpus=0.5), three("b", 100.2, cpus=2)], "a"),  # a tie goes to the cheaper
        ([cell("a", 96.0, cpus=0.5), cell("b", 100.0, cpus=2)], "a"),  # one deployment, near: a tie
        ([cell("a", 50.0, cpus=0.5), cell("b", 100.0, cpus=2)], "b"),  # one deployment, half: no tie
        ([cell("a", 180.0, 240.0, cpus=0.5), three("b", 210.0, cpus=2)], "a"),  # undecided and near
        ([three("a", 100.0, replicas=2, cpus=0.5, memory=GIB // 2), three("b", 100.0)], "b"),  # fewer replicas
        # As cheap, without a clear difference: fewer replicas, not the higher rate.
        ([three("a", 100.4, replicas=2, cpus=0.5, memory=GIB // 2), three("b", 100.0)], "b"),
        ([dead("a", "invalid"), three("b", 100.0)], "b"),
        ([dead("a", "failed"), three("b", 100.0)], "b"),
        ([dead("a", None), three("b", 100.0)], "b"),
        ([never("a", cpus=0.5), three("b", 100.0)], "b"),
        ([replace(three("a", 900.0), status="invalid"), three("b", 100.0)], "b"),
        ([three("b-twin", 900.0, twin_of="b"), three("b", 100.0)], "b"),  # a twin never wins
        ([three("b-twin", 900.0, twin_of="b")], None),
        ([never("a")], None),
        ([dead("a", "failed")], None),
        ([], None),
    ],
)
def test_the_highest_capacity_wins(cells, winner):
    assert recommend(plan(), cells).cell_id == winner
    assert recommend(plan(), cells[::-1]).cell_id == winner


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
        replace(three("wrong", 999.0, cpus=0.5), status="invalid", reason="the generator was late"),
    ]
    assert recommend(plan(target), cells).cell_id == winner


def users_of(name, users, think_seconds=1.0, **more):
    """A cell of a search with users, who send a request in each think time."""
    return cell(name, users / think_seconds / 0.96, verified_users=users, estimate_users=users / 0.96, **more)


@pytest.mark.parametrize(
    ("target", "winner"),
    [(80, "small"), (81, "middle"), (160, "middle"), (320, "large"), (321, None)],
)
def test_a_number_of_users_is_a_target_too(target, winner):
    """Users of the small cell think for longer, so they send fewer requests: the number counts, and not the rate."""
    cells = [
        users_of("large", 400, cpus=4),
        users_of("small", 100, think_seconds=10.0, cpus=1),
        users_of("middle", 200, cpus=2),
    ]
    plan = plan_of({"mode": "capacity", "target_users": target}, slo=SLO)
    found = recommend(plan, cells)
    assert found.cell_id == winner
    if winner == "middle":
        assert "a conservative number of at least" in found.sentence
        assert "has a conservative number of 100 users" in found.sentence
    if winner is None:
        assert "402 users (the target of 321 plus 25.0 %)" in found.sentence
        assert "Its conservative number of 400 users is" in found.sentence
        assert "Or lower target_users" in " ".join(found.next_steps)


def test_a_rate_that_was_rounded_by_the_search_is_enough():
    cells = [cell("a", 100.0, verified_rps=416.6)]
    assert recommend(plan(333.3), cells).cell_id == "a"


# The name of a row: the target (None: the highest rate is wanted), the cells, and the noise where it is known.
UNCONTROLLED = Noise(0.08, (1.02, 1.2), False, "")
FOR_A_TARGET = [never("none", cpus=0.25), three("small", 100.0, cpus=0.5), three("right", 400.0)]
SMALL_AND_LARGE = [three("small", 100.0, cpus=0.5), three("large", 400.0)]
SENTENCES = {
    "a target": (300, [*FOR_A_TARGET, three("large", 800.0, cpus=2)], None),
    "a tie": (None, [three("a", 100.0, cpus=0.5), three("b", 100.2, cpus=2)], None),
    "one deployment of each": (None, [cell("a", 50.0, cpus=0.5), cell("b", 100.0, cpus=2)], None),
    "noise": (None, [three("a", 100.0, cpus=0.5), three("b", 300.0, cpus=2)], UNCONTROLLED),
    "at least": (None, [least("a", 100.0), three("b", 50.0, cpus=0.5)], None),
    "at least, below the target": (500, [least("a", 100.0)], None),
    "a cheaper one may take more": (100, [least("a", 100.0, cpus=0.5), three("b", 400.0)], None),
    "a target that none reaches": (400, SMALL_AND_LARGE, None),
    "a target that is reached with too little to spare": (360, SMALL_AND_LARGE, None),
    "none for long enough": (None, [once("a"), never("b")], None),
    "none at any rate": (None, [never("a"), never("b")], None),
    "failed and infeasible": (None, [dead("a", "failed"), dead("b", "infeasible")], None),
    "not measured": (None, [dead("a", None)], None),
}


def sentence_of(name):
    """The sentence for a row."""
    target, cells, noise = SENTENCES[name]
    return recommend(plan(target), cells, noise).sentence


def test_the_sentences(golden):
    golden("choose_capacity.yml", {name: sentence_of(name) for name in SENTENCES})


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        # Proven, verified, estimated, cost; the next cheaper one; the highest.
        ("a target", ["right", "300 ", "25.0 %", "375.0", "380.2", "88.6 ms", "400.0 requests/s (", "1.11 ", "342.5 "]),
        ("a target", ["small", "0.61", "95.0", "75 %", "large", "0.53 times", "0.50 times"]),
        ("a tie", ["is b (cost", "0.29 times", "1.00 times"]),
        ("one deployment of each", ["96.0 ", "97.0 to 102.0", "cost 0.61", "2.00 times"]),
        ("a cheaper one may take more", ["a (cost", "96.0 requests/s, 23 %"]),
        ("a target that none reaches", ["400 ", "25.0 %", "large", "380.2 ", "24 %"]),
        ("a target that is reached with too little to spare", [" 6 %"]),
        ("failed and infeasible", ["1 failed, 1 infeasible"]),
    ],
)
def test_a_sentence_has_the_figures_behind_the_choice(name, figures):
    assert [words for words in figures if words not in sentence_of(name)] == []


def test_a_cell_that_held_no_rate_is_not_the_next_cheaper_one():
    assert "none" not in sentence_of("a target")


def test_noise_that_is_not_controlled_takes_the_verdict_away():
    target, cells, noise = SENTENCES["noise"]
    assert "better" not in recommend(plan(target), cells, noise).sentence
    assert "better" in recommend(plan(target), cells).sentence


@pytest.mark.parametrize(
    "name",
    [
        *("at least, below the target", "a target that none reaches", "none for long enough", "none at any rate"),
        *("failed and infeasible", "not measured"),
    ],
)
def test_without_a_proof_there_is_no_winner(name):
    target, cells, noise = SENTENCES[name]
    assert recommend(plan(target), cells, noise).cell_id is None


def test_sensitivity_is_about_the_headroom_of_a_target(golden):
    choices = {target: sensitivity(plan(target), SMALL_AND_LARGE) for target in (None, 50, 70, 90, 300)}
    golden("choose_capacity_sensitivity.yml", choices)
    assert [len(sentences) for sentences in choices.values()] == [0, 0, 1, 1, 1]
    assert "large" in choices[70][0] and "small" in choices[90][0]
    assert sensitivity(plan(300), [never("a")]) == []


STEP = "Use load.profile: publish."


@pytest.mark.parametrize("make", [never, once])
def test_the_next_step_of_a_search_is_in_the_sentence(make):
    row = make("a")
    row = replace(row, capacity=replace(row.capacity, next_step=STEP))
    assert recommend(plan(), [row]).sentence.endswith(STEP)
    assert unverified([row, three("b", 100.0), replace(row, id="a-twin", twin_of="a")]) == [
        f"a: no rate was verified. {STEP}"
    ]


def test_a_deployment_without_a_verified_rate_gives_its_cell_the_next_step():
    lost = {"verified_rps": None, "next_step": STEP}
    row = merge(plan(), planned("a"), [deployment(1, 100.0), deployment(2, 100.0, **lost)])
    assert (row.capacity.verified_rps, row.capacity.next_step) == (None, STEP)
    assert [attempt.next_step for attempt in row.attempts] == [None, STEP]


FULL = {"bottleneck": "worker_cpu"}
IDLE = {"bottleneck": "not_saturated", "unloaded_latency_ms": 10.0, "latency_growth": 1.1}


@pytest.mark.parametrize(
    ("cells", "target", "words"),
    [
        ([replace(three("a", 100.0), **FULL)], 400, "add more workers or replicas to the matrix. Or lower target_rps"),
        # A higher capacity is possible, and costs one more measurement.
        ([replace(least("a", 100.0), **FULL)], 400, "Give the load hosts more workers"),
        ([never("a", cpus=0.5), replace(never("b"), **FULL)], None, "add more workers or replicas to the matrix"),
        ([never("a", cpus=0.5), replace(never("b"), **IDLE)], None, "No resource of b was at its limit"),
    ],
)
def test_the_advice_follows_from_the_bottleneck(cells, target, words):
    sentence = recommend(plan(target), cells).sentence
    assert words in sentence
    assert "larger configurations to the matrix" not in sentence
