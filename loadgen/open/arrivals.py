"""When requests are due, whatever became of those before, and an alarm that wakes gevent's loop at that moment."""

import ctypes
import itertools
import math
import os
import random
import time
from collections.abc import Callable, Iterator

import gevent

# Closer arrivals are sent together. Without it, each arrival of a high rate would cost a wake-up of its own.
SHORTEST_SLEEP_SECONDS = 0.0002
# From Linux's headers; Python has os.timerfd_create from 3.13 on.
CLOCK_MONOTONIC, TFD_TIMER_ABSTIME = 1, 1


def poisson(rate_rps: float, seed: str) -> Iterator[float]:
    """Seconds after the start at which requests are due, with exponential gaps: many users who know nothing of each
    other. The same seed gives the same times."""
    draw, log = random.Random(seed).random, math.log
    due = 0.0
    while True:
        # What random.expovariate does, without a call for each.
        due -= log(1.0 - draw()) / rate_rps
        yield due


def constant(rate_rps: float, phase: float = 0.0) -> Iterator[float]:
    """Seconds after the start, one every 1/rate exactly, the first after ``phase`` of such a gap (0 <= phase < 1)."""
    return ((count + phase) / rate_rps for count in itertools.count())


def schedule(kind: str, rate_rps: float, seed: int, trial: int, worker: int, workers: int) -> Iterator[float]:
    """The part of one of ``workers`` in arrivals of ``rate_rps`` over all of them.

    Poisson streams of a share each add up to one of the whole rate; constant ones interleave.
    """
    share = rate_rps / workers
    if kind == "poisson":
        return poisson(share, f"{seed}/{trial}/{worker}/arrivals")
    return constant(share, worker / workers)


class _Timerspec(ctypes.Structure):
    """struct itimerspec: interval, then first expiry, each in seconds and nanoseconds."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


class Alarm:
    """Calls back on gevent's hub at a time of `time.monotonic`, to some 50 microseconds.

    Gevent's own timers are late by up to a millisecond (epoll counts in them), and half of that would be added to
    every latency that is measured from the intended start: so the kernel's timerfd, as a file that becomes readable.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._spec = _Timerspec()
        self._reference = ctypes.byref(self._spec)
        self._set_time = self._libc.timerfd_settime
        self._watcher = gevent.get_hub().loop.io(self._file, 1)
        self._watcher.start(callback)

    def ring(self, due: float) -> None:
        """Ring at ``due``, but not before the shortest sleep is over; never when it is infinite.

        A callback must set it anew: until then it goes on ringing.
        """
        if due == math.inf:
            self._spec.first_s = self._spec.first_ns = 0
        else:
            # Zero would switch it off.
            nanoseconds = int(max(due, time.monotonic() + SHORTEST_SLEEP_SECONDS) * 1e9)
            self._spec.first_s, self._spec.first_ns = divmod(nanoseconds, 1_000_000_000)
        self._set_time(self._file, TFD_TIMER_ABSTIME, self._reference, None)

    def close(self) -> None:
        """Ring no more, whoever still sets it."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._file)
        self._file = -1
