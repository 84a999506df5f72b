"""When the page advises to raise the load."""

import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.report.page_lists import bottlenecks_of

ADVICE = "Raise the load"
NEAR = {"bottleneck": "not_saturated", "unloaded_latency_ms": 100.0, "latency_growth": 1.1, "meets_slo": True}


@pytest.mark.parametrize(
    ("changes", "is_advised"),
    [
        ({}, True),
        # Less than 5 ms more is near, too.
        ({"unloaded_latency_ms": 1.0, "latency_growth": 3.0}, True),
        ({"latency_growth": 1.6}, False),
        # Not measured.
        ({"unloaded_latency_ms": None, "latency_growth": None}, False),
        # The page then advises to make the API larger or faster.
        ({"meets_slo": False}, False),
        ({"meets_slo": None}, False),
        # A search has no users: it raised the load itself.
        ({"users": None}, False),
        ({"bottleneck": "concurrency"}, False),
    ],
)
def test_more_load_is_advised_only_where_it_would_show_more(changes, is_advised):
    cells = [replace(fixed("a"), **NEAR | changes)]
    (line,) = bottlenecks_of(cells, cells)
    assert (ADVICE in line.evidence) is is_advised


def test_a_cell_that_cannot_be_chosen_gets_no_advice():
    cells = [replace(fixed("a"), **NEAR), replace(fixed("b"), **NEAR)]
    assert [ADVICE in line.evidence for line in bottlenecks_of(cells, cells[:1])] == [True, False]
