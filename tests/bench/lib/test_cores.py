"""Two cores or none, and the kernel's figures of one."""

import os
import subprocess
import sys

import pytest

from bench.lib import cores
from swarmsweep.errors import LabError

# /proc/stat; the ticks of core 1: user 300 (guest 100 of them), nice 10, system 200, idle 9000, iowait 5, irq 0,
# softirq 40, steal 7.
STAT = """cpu  700 20 500 18000 11 0 90 9 100 0
cpu0 400 10 300 9000 6 0 50 2 0 0
cpu1 300 10 200 9000 5 0 40 7 100 0
cpu10 1 1 1 1 1 1 1 1 1 1
intr 5 0 0
"""


@pytest.mark.parametrize(
    ("allowed", "server", "client"),
    [({0, 1}, 1, 0), ({3, 1, 2}, 3, 1), (range(64), 63, 0)],
)
def test_choose(allowed, server, client):
    assert cores.choose(allowed) == cores.Cores(server, client)


@pytest.mark.parametrize("allowed", [{0}, {5}, set()])
def test_one_core_is_refused(allowed):
    with pytest.raises(LabError, match="2 are needed"):
        cores.choose(allowed)


def test_busy_seconds():
    tick = os.sysconf("SC_CLK_TCK")
    assert cores.busy_seconds(STAT, 1) == (550 / tick, 7 / tick)
    assert cores.busy_seconds(STAT, 10) == (5 / tick, 1 / tick)


def test_busy_seconds_of_this_machine_grow():
    core = min(os.sched_getaffinity(0))
    before, _ = cores.read_busy_seconds(core)
    assert before > 0
    work = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run(cores.pin([sys.executable, "-c", work], core), check=True)
    # The kernel counts in ticks.
    assert cores.read_busy_seconds(core)[0] >= before + 0.1


def test_pin():
    assert cores.pin(["wrk", "-v"], 3) == ["taskset", "--cpu-list", "3", "wrk", "-v"]
