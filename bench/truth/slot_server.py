"""A server whose capacity is known: a queue with a number of slots, each busy for exactly the service time.

`python slot_server.py --service-ms 10 --slots 4` serves on a free port of 127.0.0.1, which it prints, until SIGTERM:

POST /predict   returns at the end of its service, which begins when it arrives, or when the first slot is free
GET /ready      returns at once, also when all slots are busy, because it needs no slot
GET /figures    what was served so far, and how late: {"served", "abandoned", "late_ms": {"p50", "p99", "max"}}

The queue is a virtual schedule. A response that leaves late, because this process was not scheduled, does not keep its
slot busy for longer. So the queue is exactly that of the theory on any machine. The lateness counts as network time of
the response. A request whose client has timed out is served like any other, as by most servers.

Needs httptools, and nothing else of the lab: it runs in the environment of the load generator.
"""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

# The response of the API to one row.
RESPONSE_BODY = b'{"predictions":[2],"model_version":"1"}'
# From Linux's headers; Python has os.timerfd_create from 3.13 on.
CLOCK_MONOTONIC, TFD_TIMER_ABSTIME = 1, 1
# Room for all connections that a proxy may open at once.
BACKLOG = 4096
monotonic = time.monotonic


class Slots:
    """When requests are done that come one after the other, are served in that order, and take ``service`` each."""

    def __init__(self, service: float, slots: int) -> None:
        self._service = service
        # Ends of the last services: the first of them is the next slot to be free.
        self._ends = deque([0.0] * slots, maxlen=slots)

    def book(self, arrival: float) -> float:
        """The end of the service of a request; arrivals must not go back in time."""
        free = self._ends[0]
        end = (arrival if arrival > free else free) + self._service
        self._ends.append(end)
        return end


class Alarm:
    """Calls back on asyncio's loop at a time of `time.monotonic`. Asyncio's own timers are up to a millisecond late."""

    class Spec(ctypes.Structure):
        """struct itimerspec: interval, then first expiry, each in seconds and nanoseconds."""

        _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))

    def __init__(self, callback: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._callback = callback
        asyncio.get_running_loop().add_reader(self._file, self._ring)

    def set(self, due: float) -> None:
        """Ring once, at ``due``, or at once if that time has passed."""
        spec = self.Spec()
        spec.first_s, spec.first_ns = divmod(max(1, int(due * 1e9)), 1_000_000_000)
        self._libc.timerfd_settime(self._file, TFD_TIMER_ABSTIME, ctypes.byref(spec), None)

    def _ring(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            # It was set again meanwhile.
            return
        self._callback()


class Queue:
    """Requests in flight, and their responses when they are due."""

    def __init__(self, service: float, slots: int) -> None:
        self._slots = Slots(service, slots)
        # In the order of their ends, which is that of their arrivals, as all take the same time.
        self._in_flight: deque[tuple[float, Connection, bool]] = deque()
        self._alarm = Alarm(self._on_alarm)
        self._late_ms = array("d")
        self._abandoned = 0

    def enter(self, connection: "Connection", keep: bool) -> None:
        """A request has arrived."""
        due = self._slots.book(monotonic())
        self._in_flight.append((due, connection, keep))
        if len(self._in_flight) == 1:
            self._alarm.set(due)

    def _on_alarm(self) -> None:
        in_flight = self._in_flight
        while in_flight and in_flight[0][0] <= (now := monotonic()):
            due, connection, keep = in_flight.popleft()
            if connection.respond(RESPONSE_BODY, keep):
                self._late_ms.append(1000 * (now - due))
            else:
                self._abandoned += 1
        if in_flight:
            self._alarm.set(in_flight[0][0])

    def figures(self) -> dict[str, Any]:
        """Figures of all responses so far; lateness is from when they were due to when they were written."""
        late = sorted(self._late_ms)
        at = {"p50": len(late) // 2, "p99": len(late) * 99 // 100, "max": -1}
        late_ms = {name: late[index] if late else None for name, index in at.items()}
        return {"served": len(late), "abandoned": self._abandoned, "late_ms": late_ms}


class Connection(asyncio.Protocol):
    """One kept connection, of HAProxy or of another client."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._parser = HttpRequestParser(self)
        self._transport: Any = None
        self._url = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.respond(b'{"detail":"not understood"}', keep=False, status=b"400 Bad Request")

    def on_message_begin(self) -> None:
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        request, keep = (self._parser.get_method(), self._url), self._parser.should_keep_alive()
        if request == (b"POST", b"/predict"):
            self._queue.enter(self, keep)
        elif request == (b"GET", b"/ready"):
            self.respond(b'{"ready":true}', keep)
        elif request == (b"GET", b"/figures"):
            self.respond(json.dumps(self._queue.figures()).encode(), keep)
        else:
            self.respond(b'{"detail":"Not Found"}', keep, b"404 Not Found")

    def respond(self, body: bytes, keep: bool, status: bytes = b"200 OK") -> bool:
        """Write the response; False when the client has disconnected."""
        if self._transport.is_closing():
            return False
        lines = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-served-by: slots/%d\r\n"
        end = b"\r\n" if keep else b"connection: close\r\n\r\n"
        self._transport.write(lines % (status, len(body), os.getpid()) + end + body)
        if not keep:
            self._transport.close()
        return True


async def serve(service: float, slots: int) -> None:
    """Until SIGTERM."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    queue = Queue(service, slots)
    server = await loop.create_server(lambda: Connection(queue), "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()


def main() -> None:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service-ms", type=float, required=True, help="of each request")
    parser.add_argument("--slots", type=int, required=True, help="requests that are served at a time")
    options = parser.parse_args()
    if options.service_ms <= 0 or options.slots < 1:
        parser.error("allowed: a service time above 0 and at least one slot")
    asyncio.run(serve(options.service_ms / 1000, options.slots))


if __name__ == "__main__":
    main()
