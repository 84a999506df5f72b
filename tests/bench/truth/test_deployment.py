"""One short search of a real server behind a real HAProxy, and that nothing of a deployment stays."""

import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.lib import processes
from bench.truth import accuracy, command, deployment
from bench.truth.deployment import Setting, Site

SETTING = Setting("8ms-2slots", 8, 2, {"p95_ms": 40, "max_failure_percent": 1})
# Shorter than any profile of a sweep, for the sake of this test: too short to be exact.
TINY = """
import dataclasses
PROFILES["smoke"] = dataclasses.replace(
    PROFILES["smoke"], budget_seconds=9, probe_settle_seconds=0.5, probe_seconds=1.5, settle_seconds=0.5,
    search_seconds=1.5, confirm_seconds=2.0, confirm_factors=(1.0,), verify_seconds=2.0,
)
"""


@pytest.fixture
def site(monkeypatch, haproxy_program) -> Iterator[Site]:
    if missing := [name for name in ("locust", "httptools", "hdrh") if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    here = SimpleNamespace(python=Path(sys.executable), folder=Path(sys.prefix), path=f"{sys.prefix}/bin:/usr/bin:/bin")
    monkeypatch.setattr(deployment, "LOCUST", here)
    monkeypatch.setattr(deployment, "UNLOADED_SECONDS", 2.0)
    # The path of HAProxy's socket must be short.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = Site(haproxy_program, Path(folder))
        with (made.load_host / "search/steps.py").open("a", encoding="utf-8") as file:
            file.write(TINY)
        yield made


def below_this_process() -> set[int]:
    living = {pid: process for pid, process in processes.all_processes().items() if not process.zombie}
    return processes.descendants(os.getpid(), living)


@pytest.mark.parametrize(("by", "think_seconds"), [(None, None), ("arrivals", None), ("users", (0.05, 0.15))])
def test_a_search_of_a_real_server(site, by, think_seconds):
    """The whole way once. How near it comes is what the benchmark grades: a busy machine spoils so short a search."""
    before = below_this_process()
    setting = Setting("5ms-2slots", 5, 2, {"p95_ms": 40}, by=by, think_seconds=think_seconds)
    one = command.assess(site, setting, "smoke", 11)
    assert one.result.ended is not None
    assert one.result.trials >= 1
    # A user that is stopped may leave a request that has not reached the server.
    assert one.result.not_served == 0 or (by == "users" and one.result.not_served > 0)
    assert one.result.path_ms > 0
    assert one.result.late_ms["p50"] is not None
    assert 0 < one.truth_rps < one.setting.full_rps
    assert below_this_process() == before
    assert list((site.folder).glob("deployment-*")) == []
    assert "5ms-2slots" in accuracy.settings_table([one])


def test_a_deployment_that_is_stopped_leaves_nothing(site):
    before = below_this_process()
    site.stopping.set()
    with pytest.raises(deployment.StoppedError):
        deployment.measure(site, SETTING, "smoke", 1, with_path=False)
    assert below_this_process() == before
    assert list((site.folder).glob("deployment-*")) == []


def test_ports_of_the_master_are_given_once(site):
    with ThreadPoolExecutor(4) as pool:
        ports = list(pool.map(lambda _: site.master_port(), range(8)))
    assert len(set(ports)) == 8
    assert set(ports) <= set(deployment.MASTER_PORTS)
