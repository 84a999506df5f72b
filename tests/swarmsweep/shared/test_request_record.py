"""The records of a load: earlier runs have these names and figures, so they stay."""

import pytest

from swarmsweep.raw.search_files import Measured, ProbeSummary
from swarmsweep.shared import request_record
from swarmsweep.shared.request_record import (
    COUNTS,
    KINDS,
    open_requests_file,
    own_timings_file,
    requests_file,
    tasks_file,
    unnamed,
)

WRITTEN = {
    "FAILED": 0.0,
    "OK": 1.0,
    "NO_RESPONSE": 2.0,
    "TIMED_OUT": 2.0,
    "DROPPED": 3.0,
    "FAILED_REQUEST": 0.0,
    "UNFINISHED": 2.0,
    "RAISED": 3.0,
    "FIELDS": 4,
    "UNNAMED_FIELDS": 3,
    "OTHER_NAMES": -1.0,
    "NO_NAME": -2.0,
    "TASK_FIELDS": 3,
    "OPEN_FIELDS": 5,
    "COMPRESSED": ".gz",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_figure_is_that_of_earlier_runs(name):
    assert getattr(request_record, name) == WRITTEN[name]


def test_names_are_those_of_earlier_runs():
    assert requests_file("lab-load-0") == "named-requests-lab-load-0.f64"
    assert unnamed(requests_file("lab-load-0")) == "requests-lab-load-0.f64"
    assert unnamed(own_timings_file("lab-load-0")) == "own-timings-lab-load-0.f64"
    assert open_requests_file("lab-load-0", 7) == "open-requests-lab-load-0-trial-7.f64"
    assert tasks_file("lab-load-0") == "tasks-lab-load-0.f64"
    assert set(KINDS) == {"poisson", "constant", "closed"}


@pytest.mark.parametrize("kind", [Measured, ProbeSummary])
def test_each_count_is_read(kind):
    assert set(COUNTS) <= set(kind.__struct_fields__)
