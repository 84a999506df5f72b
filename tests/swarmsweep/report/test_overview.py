"""The table on the first screen: configurations in one column, eight columns at most, and few lines."""

import pytest
from msgspec.structs import replace
from rows import capacity_of, fixed, plan_of

from swarmsweep.markdown import MISSING
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import ApiUse, AttemptEntry, ProbeRow
from swarmsweep.report.modes import CapacityPage, FixedPage
from swarmsweep.report.overview import MAX_ROWS, axes_of, configuration, overview, varying_axes
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.slo_limits import SloLimits

SLO = {"p95_ms": 100, "max_failure_percent": 1}


def page(rows, slo=None, kind=FixedPage, **load):
    planned = [PlannedCell(id=row.id, config=row.config, memory="1G") for row in rows]
    load = {"mode": "fixed", "locustfile": "predict.py"} | load
    return kind(plan_of(load, planned, slo or SLO), rows)


def cell(name, **axes):
    """A row with some axes changed."""
    row = fixed(name)
    return replace(row, config=row.config | axes)


@pytest.mark.parametrize(
    ("rows", "texts", "same"),
    [
        (
            [cell("a"), cell("b", replicas=2, cpus=0.5)],
            ["1 x 1 CPU", "2 x 0.5 CPU"],
            "In every cell: 1G of memory, 1 worker.",
        ),
        (
            [cell("a"), cell("b", replicas=2)],
            ["1 replica", "2 replicas"],
            "In every cell: 1 CPU, 1G of memory, 1 worker.",
        ),
        (
            [cell("a", cpus=0.5), cell("b", workers=2, memory_bytes=512 * 1024**2)],
            ["0.5 CPU, 1G, 1 worker", "1 CPU, 512M, 2 workers"],
            "In every cell: 1 replica.",
        ),
        # Axes of the sweep file alone. A cell that lacks one has none.
        (
            [cell("a", variant="onnx"), cell("b", variant="onnx", API_THREADS=4)],
            [MISSING, "API\\_THREADS 4"],
            "In every cell: 1 replica, 1 CPU, 1G of memory, 1 worker, variant onnx.",
        ),
        # Nothing varies.
        ([cell("a", variant="onnx")], ["1 x 1 CPU, 1G, 1 worker, variant onnx"], ""),
    ],
)
def test_a_configuration_is_one_column_and_what_is_the_same_is_above(rows, texts, same):
    found = overview(page(rows))
    assert [row[0].removeprefix("**→** ") for row in found.rows] == texts
    assert found.same == same
    assert len(found.header) == len(found.rows[0]) == 8


def test_a_configuration_in_all_axes():
    assert varying_axes([cell("a")]) == []
    assert configuration(cell("a", replicas=3).config, axes_of([cell("a")])) == "3 x 1 CPU, 1G, 1 worker"


def test_the_figures_of_a_fixed_load():
    good = replace(fixed("a", rps=100.25, p95=50.0), api=ApiUse(cpu_cores=0.5), bottleneck="cpu_limit")
    (row,) = overview(page([good])).rows
    assert row[1:] == ["1.11", "100.2", "50.0", "0", "0.50 of 1", "cpu limit", "holds the SLO"]


@pytest.mark.parametrize(
    ("slo", "column"),
    [({"p95_ms": 100}, "p95 ms"), ({"p95_ms": 100, "p99_ms": 200}, "p99 ms"), ({"mean_ms": 9}, "mean ms")],
)
def test_the_latency_is_the_highest_that_is_limited(slo, column):
    assert overview(page([fixed("a")], slo)).header[3] == column


def judged(slo, **figures):
    row = replace(fixed("a", p95=50.0), **figures)
    return replace(row, meets_slo=slo_of.meets(row, SloLimits(slo)))


@pytest.mark.parametrize(
    ("slo", "figures", "result"),
    [
        (SLO, {}, "holds the SLO"),
        (SLO | {"p95_ms": 40}, {}, "misses the SLO: p95"),
        ({"p50_ms": 1, "p95_ms": 2, "p99_ms": 3}, {}, "misses the SLO: p50, p95 and 1 more"),
        (SLO, {"failure_percent": 2.0}, "misses the SLO: failures"),
        (SLO, {"latency_intervals_ms": {"p95": (37.5, 120.0)}}, "undecided: p95"),
        # A limit that is missed decides, also where another one is open.
        (SLO | {"mean_ms": 9}, {"latency_intervals_ms": {"p95": (37.5, 120.0)}}, "misses the SLO: mean"),
    ],
)
def test_the_result_names_the_limits(slo, figures, result):
    assert overview(page([judged(slo, **figures)], slo)).rows[0][7] == result


def test_the_result_of_a_cell_without_valid_figures_is_its_status():
    rows = [
        fixed("a", status="failed", reason="replica 1 needed more than its memory limit of 32M: killed by the kernel"),
        fixed(
            "f",
            status="infeasible",
            reason=f"{2 * 'one replica needs 2 CPUs, '}api has 1. The range is 0.01 to 1.00 for --limit-cpu",
        ),
        fixed("l", status="failed", reason=f"GET {60 * '/x'} got status 404 from api-1"),
        fixed("b", status=None, reason="not measured"),
        fixed("c", status="infeasible", reason="x|y"),
    ]
    results = [row[7] for row in overview(page(rows)).rows]
    assert results == [
        "failed: replica 1 needed more than its memory limit of 32M: killed by the kernel",
        f"infeasible: {2 * 'one replica needs 2 CPUs, '}api has 1",
        "failed: GET ...",
        "not measured",
        "infeasible: x\\|y",
    ]


def searched(name, verified_rps, meets_slo, **changes):
    capacity = capacity_of(verified_rps, **changes)
    return replace(fixed(name), capacity=capacity, capacity_rps=verified_rps, meets_slo=meets_slo)


@pytest.mark.parametrize(
    ("verified_rps", "meets_slo", "target_rps", "result"),
    [
        (200.0, True, None, "holds the SLO"),
        (200.0, True, 150, "reaches the target"),
        (200.0, False, 900, "below the target"),
        (200.0, None, 205, "target undecided"),
        (None, False, None, "no rate held the SLO"),
        (None, None, None, "no rate verified"),
    ],
)
def test_the_result_of_a_search(verified_rps, meets_slo, target_rps, result):
    row = searched("a", verified_rps, meets_slo)
    shown = overview(page([row], kind=CapacityPage, mode="capacity", target_rps=target_rps)).rows[0]
    assert shown[7] == result
    figures = ["200.0", "200.0", "50.0", "180.2"] if verified_rps else ["none", *[MISSING] * 3]
    assert shown[2:6] == figures


def test_a_rate_that_held_below_the_target_was_not_verified():
    held = AttemptEntry(attempt=1, status="valid", probes=[ProbeRow(verdict="good")])
    row = replace(searched("a", None, False), attempts=[held])
    assert overview(page([row], kind=CapacityPage, mode="capacity", target_rps=900)).rows[0][7] == "no rate verified"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"verified_users": 30}, "200.0 (30 users)"),
        ({"verified_iterations_per_second": 40.0}, "200.0 (40.0 iterations/s)"),
        ({"is_lower_bound": True}, "at least 200.0"),
    ],
)
def test_a_verified_rate_has_its_users_or_iterations(changes, text):
    row = searched("a", 200.0, True, **changes)
    assert overview(page([row], kind=CapacityPage, mode="capacity")).rows[0][2] == text


def test_of_many_cells_those_nearest_in_cost_are_shown_in_their_order():
    rows = [fixed(f"c{number}", cpus=number, p95=300.0 if number < 20 else 50.0) for number in range(1, 41)]
    found = overview(page(rows))
    assert [row[1] for row in found.rows] == [f"{number + 0.11:.2f}" for number in range(14, 26)]
    assert [row[0] for row in found.rows if row[0].startswith("**")] == ["**→** 20 CPU"]
    assert found.left_out == "12 of 40 cells, those whose cost is nearest to that of c20. All cells are below."


def test_the_chosen_one_is_shown_among_many_of_its_cost():
    rows = [replace(fixed(f"c{number:02}", p95=300.0), meets_slo=False) for number in range(30)] + [fixed("x")]
    found = overview(page(rows))
    assert len(found.rows) == MAX_ROWS
    assert found.rows[-1][0].startswith("**→**")


def test_where_nothing_was_measured_the_first_cells_are_shown():
    rows = [fixed(f"c{number}", cpus=number + 1, status=None, reason="not measured") for number in range(20)]
    found = overview(page(rows))
    assert [row[0] for row in found.rows] == [f"{number + 1} CPU" for number in range(MAX_ROWS)]
    assert found.left_out == "12 of 20 cells, the first ones. All cells are below."
