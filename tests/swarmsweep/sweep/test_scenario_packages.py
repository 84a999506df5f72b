"""The versions of a scenario's packages, from what the load hosts printed."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.scenario_packages import common_packages

FIRST = ["changed", "numpy==2.3.1", "rows @ file:///opt/swarmsweep/locust/locustfiles/rows-1.0-py3-none-any.whl"]
WHEEL = "file:///opt/swarmsweep/locust/locustfiles/rows-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("printed", "versions"),
    [
        ({"a": ["unchanged"]}, {}),
        ({"a": []}, {}),
        ({"a": FIRST}, {"numpy": "2.3.1", "rows": WHEEL}),
        ({"a": ["rows @ https://me:s3cret@a/rows.whl?key=s3cret"]}, {"rows": "https://***@a/rows.whl?***"}),
        ({"a": FIRST, "b": ["unchanged", *reversed(FIRST[1:])]}, {"numpy": "2.3.1", "rows": WHEEL}),
    ],
)
def test_versions_by_name(printed, versions):
    assert common_packages(printed) == versions


def test_hosts_that_differ_are_named_with_both_versions():
    with pytest.raises(InputError) as refused:
        common_packages({"a": FIRST, "b": ["numpy==2.4.0", FIRST[2], "pillow==12.0"]})
    message = str(refused.value)
    assert "numpy (a has 2.3.1, b has 2.4.0), pillow (a has none, b has 12.0)" in message
    assert "rows" not in message and "as numpy==1.0" in message
