"""The program in a process of its own: its lines, its end, and arguments that it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def start(output: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "sampler", "--output", str(output), "--host", "here", *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_lines(output: Path) -> list:
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_it_stops_by_itself_and_appends(tmp_path):
    output = tmp_path / "samples.jsonl"
    output.write_text('{"t": 0}\n')
    process = start(output, "--no-containers", "--interval", "0.1", "--max-seconds", "0.5")
    assert process.wait(timeout=30) == 0
    lines = read_lines(output)
    times = [line["t"] for line in lines]
    assert lines[0] == {"t": 0}
    assert times == sorted(times)
    assert len(lines) >= 3, "the first, the last, and the old line"
    assert lines[-1]["containers"] == {}
    host = lines[-1]["host"]
    assert {"cpu_seconds", "cores", "memory_available_bytes", "own_cpu_seconds", "lab_cpu_seconds"} < set(host)
    assert {"memory_total_bytes", "disks"} < set(host)
    assert host["tcp"]["segments_out"] > 0
    assert host["sampler_cpu_seconds"] > 0
    assert "lo" not in host["network"]


def test_a_stop_signal_writes_a_last_sample(tmp_path):
    output = tmp_path / "samples.jsonl"
    process = start(output, "--no-containers", "--interval", "60", "--max-seconds", "600")
    deadline = time.monotonic() + 30
    while (not output.exists() or not output.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    asked = time.time()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    lines = read_lines(output)
    assert len(lines) == 2
    assert lines[1]["t"] >= asked


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--no-containers", "--max-seconds", "5", "--interval", "0"], "--interval 0"),
        (["--no-containers", "--max-seconds", "0.5"], "--max-seconds 0.5"),
        (["--no-containers", "--max-seconds", "1e9"], "--max-seconds 1e+09"),
        (["--max-seconds", "5"], "--no-containers"),
        (["--no-containers", "--stack", "a", "--max-seconds", "5"], "not allowed with"),
        (["--no-containers", "--cpu-stack", "a", "--max-seconds", "5"], "--stack"),
        (["--no-containers", "--port", "80", "--max-seconds", "5"], "together with --stack"),
        (["--stack", "a", "--port", "0", "--max-seconds", "5"], "allowed are 1 to 65535"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, names):
    process = start(tmp_path / "samples.jsonl", *arguments)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert names in errors
