"""How an address is compared with the lab's, without a Locust process."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

PROGRAM = Path(__file__).parents[2] / "loadgen/closed/boundary.py"


@pytest.fixture(scope="module")
def boundary():
    pytest.importorskip("requests", reason="requests is not installed")
    spec = importlib.util.spec_from_file_location("boundary", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://api.example", "http://api.example:80"),
        ("HTTP://API.example.:80/x?y#z", "http://api.example:80"),
        ("https://user:word@api.example", "https://api.example:443"),
        ("http://[fd00:0::5]:8080/", "http://[fd00::5]:8080"),
        ("http://[FD00::5]:8080", "http://[fd00::5]:8080"),
        ("http://198.18.0.11:8080", "http://198.18.0.11:8080"),
        ("http://198.18.0.11:0", "http://198.18.0.11:0"),
        ("ftp://api.example", "ftp://api.example:0"),
        ("http://api.example:99999", "(a URL that cannot be read)"),
        ("http://[::1", "(a URL that cannot be read)"),
    ],
)
def test_addresses_have_one_spelling(boundary, url, origin):
    assert boundary.origin(url) == origin


def environment(option, host):
    return SimpleNamespace(parsed_options=SimpleNamespace(host=option), host=host)


@pytest.mark.parametrize(
    ("option", "host", "netloc", "is_blocked"),
    [
        ("http://lab:8080", None, "lab:8080", False),
        ("http://lab:8080", None, "LAB.:8080", False),
        # Values that the scenario sets in the environment have no effect.
        ("http://lab:8080", "http://elsewhere", "elsewhere", True),
        (None, "http://lab:8080", "lab:8080", False),
        (None, None, "lab:8080", True),
        (None, None, "", True),
    ],
)
def test_the_lab_is_what_the_command_says(boundary, option, host, netloc, is_blocked):
    found = boundary.Boundary(environment(option, host)).outside("http", netloc)
    assert (found is not None) is is_blocked


def test_a_worker_may_learn_the_address_late_and_then_keeps_it(boundary):
    late = environment(None, None)
    bound = boundary.Boundary(late)
    late.host = "http://lab"
    assert bound.outside("http", "lab") is None
    late.host = "http://elsewhere"
    assert bound.outside("http", "elsewhere") is not None


def test_targets_do_not_fill_the_memory(boundary):
    bound = boundary.Boundary(environment("http://lab", None))
    for number in range(200):
        bound.outside("http", f"host-{number}")
    assert len(bound.blocked) == boundary.MAX_TARGETS + 1
    assert bound.blocked["(other targets)"] == 200 - boundary.MAX_TARGETS
