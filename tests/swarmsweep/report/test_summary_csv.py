"""summary.csv: its columns, and their values."""

import csv
import io

import pytest
from msgspec.structs import replace
from rows import fixed, searched

from swarmsweep.plan.row import Retry
from swarmsweep.report.summary_csv import as_csv

CAPACITY = (
    *("capacity_estimate_rps", "capacity_low_rps", "capacity_high_rps", "capacity_lower_bound_rps"),
    "capacity_estimate_users",
    *("capacity_deployments", "capacity_between_deployments", "capacity_at_least", "capacity_limited_by"),
    *("capacity_rps_per_cost", "twin_of"),
)
CONFIG = {"replicas": 2, "cpus": 0.5, "memory_bytes": 1024**3, "workers": 1}


def table(cells, **options):
    """The lines of the file as dictionaries."""
    return list(csv.DictReader(io.StringIO(as_csv(cells, [], **options))))


def test_a_fixed_load_has_no_columns_of_capacity():
    (row,) = table([fixed("a")])
    assert "capacity_rps" in row and not set(CAPACITY) & set(row) and "retries" not in row


def test_a_search_with_users_has_its_own_figures():
    (row,) = table([replace(fixed("a"), capacity_users=16, capacity_iterations_per_second=9.5)])
    assert (row["capacity_users"], row["capacity_iterations_per_second"]) == ("16", "9.5")


def test_no_cells_are_an_empty_table():
    assert table([]) == []


def test_capacities_have_their_columns():
    rows = [
        replace(searched("a", 400.0, 404.0, 396.0), config=CONFIG),
        replace(
            searched("b", 100.0, is_lower_bound=True, estimate_rps=None, interval_rps=None, limited_by="generator"),
            config=CONFIG,
            twin_of="a",
        ),
        fixed("c", status="failed", reason="died"),
    ]
    found, least, dead = table(rows, capacity=True)
    assert [*found][-11:] == list(CAPACITY)
    assert float(found["capacity_rps"]) == pytest.approx(0.96 * 396)
    low, estimate, high = (float(found[f"capacity_{name}_rps"]) for name in ("low", "estimate", "high"))
    assert low < float(found["capacity_lower_bound_rps"]) < estimate < high
    assert (found["capacity_deployments"], found["capacity_between_deployments"]) == ("3", "true")
    assert float(found["capacity_rps_per_cost"]) == pytest.approx(0.96 * 396 / 1.22, rel=1e-5)
    assert (least["capacity_at_least"], least["capacity_limited_by"], least["twin_of"]) == ("true", "generator", "a")
    assert (least["capacity_estimate_rps"], least["capacity_low_rps"]) == ("", "")
    assert {dead[name] for name in CAPACITY} == {""}


def test_retries_are_counted_where_there_are_any():
    again = [Retry(attempt=1, reason="stolen"), Retry(attempt=2, reason="stolen")]
    assert [row["retries"] for row in table([fixed("a"), replace(fixed("b"), retries=again)])] == ["0", "2"]
