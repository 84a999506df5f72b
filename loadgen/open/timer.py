"""A timer that wakes gevent's loop at the requested moment."""

import ctypes
import os
import time
from collections.abc import Callable

import gevent

# Arrivals that are closer are sent together. Otherwise each arrival of a high rate would cost a separate wake-up.
MIN_SLEEP_SECONDS = 0.0002
# From Linux's headers; Python has os.timerfd_create from 3.13 on.
CLOCK_MONOTONIC, TFD_TIMER_ABSTIME = 1, 1


class _Timerspec(ctypes.Structure):
    """struct itimerspec: interval, then first expiry, each in seconds and nanoseconds."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


class Timer:
    """Calls back on gevent's hub at a time of `time.monotonic`, to about 50 microseconds.

    Gevent's own timers are late by up to a millisecond, because epoll counts in milliseconds. Half of that would be
    added to every latency from the intended start. So the kernel's timerfd is used, as a file that becomes readable.
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

    def arm(self, at: float) -> None:
        """Call back at this time, but not before the shortest sleep is over.

        A callback must arm or disarm the timer again; until then it is called repeatedly.
        """
        # Zero would disarm it.
        nanoseconds = int(max(at, time.monotonic() + MIN_SLEEP_SECONDS) * 1e9)
        self._spec.first_s, self._spec.first_ns = divmod(nanoseconds, 1_000_000_000)
        self._set_time(self._file, TFD_TIMER_ABSTIME, self._reference, None)

    def disarm(self) -> None:
        """Do not call back until it is armed again."""
        self._spec.first_s = self._spec.first_ns = 0
        self._set_time(self._file, TFD_TIMER_ABSTIME, self._reference, None)

    def close(self) -> None:
        """Close the kernel's timer. Arming it afterwards has no effect."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._file)
        self._file = -1
