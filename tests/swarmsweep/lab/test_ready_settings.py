"""A value that HAProxy's configuration cannot take is refused, with the file to change."""

import pytest

from swarmsweep.lab.ready_settings import ready_problems

GOOD = {"port": 8000, "path": "/ready", "host": "api"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"port": 1},
        {"port": "65535"},
        {"path": "/"},
        {"path": "/v1/health?full=1&x=%20"},
        {"path": "/predict/"},
        {"host": "my-api.example"},
        {"host": "my_api:8000"},
        {"host": "127.0.0.1"},
        {"host": "[::1]:8000"},
    ],
)
def test_what_is_allowed(given):
    assert ready_problems(**GOOD | given) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", value) for value in (0, 65536, -1, 8000.0, 8000.5, "", "08000", "http", "8000 ", "٨", None, True)]
    + [("path", value) for value in ("", "ready", "/a b", "/a\nserver x", "/a'", '/a"', "/a#b", "/a\\", "/ä", None, 5)]
    + [("host", value) for value in ("", "a b", "a\n", "a/b", "http://a", "a:b", 'a"', "a:123456", None, 5)],
)
def test_what_is_refused(name, value):
    (problem,) = ready_problems(**GOOD | {name: value}, inventory="inventory/mine")
    setting = "lab_api_port" if name == "port" else f"lab_api_ready_{name}"
    assert problem.startswith(f"{setting} is {value!r}; allowed: ")
    assert problem.endswith("Change it in inventory/mine/group_vars/all/lab.yml")


def test_all_mistakes_are_named_together():
    assert len(ready_problems(0, "", "")) == 3


@pytest.mark.parametrize("value", [0, -1, 86401, 1.5, float("inf"), "", "2m", None, True])
def test_a_time_limit_that_is_no_number_of_seconds_is_refused(value):
    (problem,) = ready_problems(**GOOD, timeout_seconds=value)
    assert problem.startswith(f"lab_api_ready_timeout_seconds is {value!r}; allowed: a whole number from 1 to 86400. ")
    for good in ("300", 120.0):
        assert ready_problems(**GOOD, timeout_seconds=good) == []
