"""Jobs side by side: their order, and that none goes on when one has failed."""

import os
import threading
import time

import pytest

from bench.truth import parallel
from swarmsweep.errors import LabError


def test_jobs_return_in_their_order():
    stopping = threading.Event()
    jobs = [lambda number=number: number**2 for number in range(9)]
    assert parallel.run_limited(jobs, 3, stopping, "squares") == [number**2 for number in range(9)]
    assert parallel.run_limited([], 3, stopping, "squares") == []
    # Time for other jobs to start.
    assert not stopping.is_set()


def test_a_job_that_fails_stops_the_others():
    stopping = threading.Event()

    def fail() -> None:
        raise LabError("HAProxy did not respond")

    def work() -> None:
        if stopping.wait(60):
            raise InterruptedError

    with pytest.raises(LabError, match="HAProxy did not respond"):
        parallel.run_limited([work, fail, work, work], 2, stopping, "jobs")
    assert stopping.is_set()


def test_cores_are_shared_between_the_bench_and_others():
    began, worked = time.monotonic(), time.process_time()
    with parallel.cores_used() as shares:
        while time.process_time() < worked + 0.3:
            pass
    seconds, allowed = time.monotonic() - began, len(os.sched_getaffinity(0))
    # Ticks of the kernel, and three digits.
    assert 0.25 / seconds / allowed - 0.001 <= shares["own"] <= 1
    assert 0 <= shares["others"] <= 1
