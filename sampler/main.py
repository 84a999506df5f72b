"""The command line of the sampler, and its loop of ticks."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sampler
from sampler.cgroups import parse_mounts
from sampler.containers import ContainerWatch
from sampler.docker_engine import DockerEngine
from sampler.kernel_files import read_text
from sampler.machine import Machine

VERSION = "3"


def sample_until_stopped(
    write: Callable[[], None], interval_seconds: float, max_seconds: float, stop_signals: set[signal.Signals]
) -> None:
    """Call `write` at once, at every tick, and a last time at a stop signal or after max_seconds.

    Stop signals must be blocked in all threads: they are waited for, so no handler can interrupt a line. A missed tick
    is skipped, and not made up for.
    """
    start = time.monotonic()
    tick = 0
    while True:
        write()
        elapsed = time.monotonic() - start
        tick = max(tick + 1, int(elapsed // interval_seconds) + 1)
        wait = min(start + tick * interval_seconds, start + max_seconds) - time.monotonic()
        stopped = signal.sigtimedwait(stop_signals, max(0.0, wait)) is not None
        if stopped or time.monotonic() - start >= max_seconds:
            write()
            return


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m sampler", description=sampler.__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON lines are appended to it")
    parser.add_argument("--host", required=True, metavar="NAME", help="name of this host, for messages")
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="SECONDS", help="time between lines (default: 1)"
    )
    parser.add_argument(
        "--max-seconds", type=float, required=True, metavar="N", help="stop after this number of seconds"
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--stack", action="append", metavar="NAME", help="sample the containers of this Swarm stack; may be repeated"
    )
    which.add_argument("--no-containers", action="store_true", help="sample the machine only")
    parser.add_argument(
        "--cpu-stack",
        action="append",
        default=[],
        metavar="NAME",
        help="sample only the CPU of the containers of this stack; may be repeated; needs --stack",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="count the processes that serve this TCP port in each container of --stack",
    )
    parser.add_argument(
        "--docker-socket",
        default="/var/run/docker.sock",
        metavar="PATH",
        help="socket of the Docker daemon (default: %(default)s)",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if not 0.1 <= options.interval <= 60:
        parser.error(f"--interval {options.interval:g}: allowed are 0.1 to 60 seconds")
    if not options.interval <= options.max_seconds <= 90000:
        parser.error(f"--max-seconds {options.max_seconds:g}: allowed are --interval to 90000 seconds")
    if options.cpu_stack and not options.stack:
        parser.error("--cpu-stack needs --stack with the stack that is measured")
    if options.port is not None and not (options.stack and 1 <= options.port <= 65535):
        parser.error(f"--port {options.port}: allowed are 1 to 65535, together with --stack")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)  # before the thread starts: it inherits the mask

    proc = Path("/proc")
    mounts = parse_mounts(read_text(proc / "self" / "mountinfo") or "")
    watch = None
    if options.stack:
        stacks = {**dict.fromkeys(options.cpu_stack, False), **dict.fromkeys(options.stack, True)}
        watch = ContainerWatch(DockerEngine(options.docker_socket), stacks, proc, mounts, options.port)
        watch.refresh()  # the first line already has the containers
        watch.start()
    machine = Machine(proc, mounts)
    try:
        output = options.output.open("a", encoding="utf-8")
    except OSError as error:
        print(f"sampler on {options.host}: cannot write {options.output}: {error.strerror}", file=sys.stderr)
        return 1
    with output:

        def write() -> None:
            output.write(machine.make_line(watch.containers if watch else {}, os.sched_getaffinity(0)))
            output.flush()

        sample_until_stopped(write, options.interval, options.max_seconds, stop_signals)
    return 0
