"""The load of a probe and the verified capacity, in the unit of what the search varied."""

import pytest

from swarmsweep.plan.row import CellCapacity, ProbeRow
from swarmsweep.report import capacity_page


@pytest.mark.parametrize(
    ("load", "text"),
    [
        ({"rate_rps": 120.0}, "120.0 requests/s for 20 s"),
        ({"rate_rps": 40.0, "iterations_per_second": 40.0}, "40.0 iterations/s for 20 s"),
        ({"users": 30}, "30 users for 20 s"),
        ({"connections": 8}, "8 connections for 20 s"),
    ],
)
def test_the_load_of_a_probe(load, text):
    assert capacity_page._load(ProbeRow(seconds_measure=20, **load)) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({}, "120.0"),
        ({"verified_users": 30}, "120.0 (30 users)"),
        ({"verified_iterations_per_second": 40.0}, "120.0 (40.0 iterations/s)"),
    ],
)
def test_the_verified_capacity(found, text):
    capacity = CellCapacity(
        verified_rps=120.0,
        is_lower_bound=False,
        estimate_rps=None,
        interval_rps=None,
        lower_bound_rps=None,
        deployments=1,
        between_deployments=False,
        limited_by=None,
        **found,
    )
    assert capacity_page.verified_text(capacity) == text
