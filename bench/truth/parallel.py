"""Jobs that run in parallel, and their CPU use."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from bench.lib import cores
from bench.lib.progress import say


@contextmanager
def cores_used() -> Iterator[dict[str, float]]:
    """Shares of the cores that this process may use: taken by its own processes, and by others, once all have ended."""
    allowed, shares = os.sched_getaffinity(0), {"own": 0.0, "others": 0.0}

    def read() -> tuple[float, float, float]:
        own = os.times()
        busy = sum(sum(cores.read_busy_seconds(core)) for core in allowed)
        return time.monotonic(), busy, own.user + own.system + own.children_user + own.children_system

    began, busy, own = read()
    yield shares
    seconds, busy, own = (after - before for after, before in zip(read(), (began, busy, own), strict=True))
    shares["own"] = round(own / seconds / len(allowed), 3)
    shares["others"] = round(max(0.0, busy - own) / seconds / len(allowed), 3)


def run_limited(jobs: Sequence[Callable[[], Any]], limit: int, stopping: threading.Event, what: str) -> list[Any]:
    """What the jobs return, in their order. When one fails, the others are stopped and its exception is raised.

    Args:
        limit: how many run at a time.
        stopping: is set for those that run when one has failed; they end by looking at it.
        what: the jobs are, for the lines of progress.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(limit) as pool:
        futures: list[Future] = [pool.submit(job) for job in jobs]
        try:
            for count, future in enumerate(as_completed(futures), 1):
                future.result()
                minutes = (time.monotonic() - began) / 60
                left = minutes / count * (len(jobs) - count)
                say(f"{count}/{len(jobs)} {what} after {minutes:.1f} minutes, some {left:.0f} left")
        except BaseException:
            stopping.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]
