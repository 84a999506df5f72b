"""The command: which benchmarks there are, and what is refused before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [*prefix, sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("help",)])
def test_help_lists_the_benchmarks(arguments):
    done = bench(*arguments)
    assert done.returncode == 0
    assert all(name in done.stdout for name in BENCHMARKS)


@pytest.mark.parametrize(("arguments", "reason"), [((), "NAME is missing"), (("servng",), "no benchmark 'servng'")])
def test_without_a_known_name_they_are_listed_too(arguments, reason):
    done = bench(*arguments)
    assert done.returncode == 2
    assert reason in done.stderr
    assert all(name in done.stderr for name in BENCHMARKS)


def test_every_benchmark_has_help():
    for name in BENCHMARKS:
        done = bench(name, "--help")
        assert done.returncode == 0
        assert f"./lab bench {name}" in done.stdout


@pytest.mark.parametrize("option", [("--rounds", "0"), ("--seconds", "1.5"), ("--seconds", "3600"), ("--seed", "x")])
def test_bad_options_are_refused(option):
    done = bench("serving", *option)
    assert done.returncode == 2
    assert option[1] in done.stderr


def test_one_core_is_refused_before_anything_starts():
    core = min(os.sched_getaffinity(0))
    done = bench("serving", prefix=("taskset", "--cpu-list", str(core)))
    assert done.returncode == 1
    assert "2 are needed" in done.stderr
    assert "==>" not in done.stderr


def test_absent_data_is_refused_before_anything_starts(tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine gives one core, and a bench needs two")
    done = bench("serving", "--data", str(tmp_path / "absent.csv"))
    assert done.returncode == 1
    assert "absent.csv: no such file" in done.stderr
    assert "==>" not in done.stderr
