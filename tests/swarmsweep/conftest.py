"""Fixtures: run folders with real files in them."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves the tests' own helpers out

from run_folder import RECORDED, Run, Traffic, busy

from swarmsweep.errors import LabError
from tests.prose import long_sentences

# Of a sentence of an error, with its values.
MAX_WORDS = 25


@pytest.fixture(autouse=True)
def _short_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every error for the user that a test raises has short sentences."""
    raised: list[str] = []
    begin = LabError.__init__

    def record(self: LabError, message: str = "", *, next_command: str | None = None) -> None:
        raised.append(message)
        begin(self, message, next_command=next_command)

    monkeypatch.setattr(LabError, "__init__", record)
    yield
    long = long_sentences(raised, MAX_WORDS)
    assert long == [], "\n".join([f"sentences of errors with more than {MAX_WORDS} words. Write two:", *long])


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
