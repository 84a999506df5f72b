"""Fixtures: run folders with real files in them."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves the tests' own helpers out

from run_folder import RECORDED, Run, Traffic, busy


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """An empty run of the quick sweep."""
    return Run(tmp_path / "reports")


@pytest.fixture
def finished_run(tmp_path: Path) -> Run:
    """A run of the quick sweep with one of each outcome."""
    made = Run(tmp_path / "reports")
    made.record("r1-c0.25-m256M-w1", Traffic(busy(2400)))
    made.record("r1-c0.5-m256M-w1", Traffic(busy(6000), failures=3, throttled_share=0.1, cpu_cores=0.5))
    made.record("r2-c0.25-m256M-w1", Traffic(busy(6250), cpu_cores=0.49))
    made.record("r2-c0.5-m256M-w1", Traffic(busy(8000), worker_cpu_percent=97.0))
    made.record_death("r1-c0.5-m32M-w1", "oom", "out of memory: killed at the 32M limit | =1+1")
    return made


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A copy of an attempt recorded from Locust 2.47.0 and HAProxy 2.6.12 on one machine."""
    return Path(shutil.copytree(RECORDED, tmp_path / "recorded"))
