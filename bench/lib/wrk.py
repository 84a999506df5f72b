"""The load generator: wrk, one thread, kept-alive connections, each with one request in flight."""

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.lib import cores, packages
from bench.lib.loopback import require_loopback
from swarmsweep.errors import LabError

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 32
# Seconds; a slower request counts as an error. The slowest server needs 32 times about 15 ms.
TIMEOUT_SECONDS = 10
# Seconds for wrk beyond its duration before it is stopped.
PATIENCE_SECONDS = 30
ERRORS = ("status", "connect", "read", "write", "timeout")


@dataclass(frozen=True)
class Load:
    """Figures of one load. ``errors`` has only kinds that occurred; ``client_cpu_seconds`` is what wrk used."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: dict[str, int]
    client_cpu_seconds: float = 0.0

    @property
    def rps(self) -> float:
        return self.requests / self.seconds


def install() -> None:
    """The distribution's package, unless wrk is there already.

    Raises:
        LabError: apt-get failed.
    """
    if shutil.which("wrk") is None:
        packages.install_debian("wrk")


def version() -> str:
    """The version that wrk prints. It comes with its usage, and exit code 1."""
    words = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.split()
    return words[1] if len(words) > 1 else "unknown"


def command(url: str, seconds: int, bodies: Path | None) -> list[str]:
    """The command line, without the pinning. ``bodies`` has one body a line; None loads with GET."""
    options = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
    options += ["--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(SCRIPT), url]
    return ["wrk", *options, *(["--", str(bodies)] if bodies else [])]


def parse(output: str, client_cpu_seconds: float = 0.0) -> Load:
    """Figures from the output of wrk.

    Raises:
        LabError: its last line is not that of wrk.lua, or no request had a response.
    """
    lines = output.strip().splitlines()
    try:
        figures = json.loads(lines[-1]) if lines else {}
        seconds, requests = figures["duration_us"] / 1e6, figures["requests"]
        errors = {kind: figures[kind] for kind in ERRORS if figures[kind]}
        latencies = figures["p50_us"] / 1e3, figures["p99_us"] / 1e3
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"wrk did not print its figures: {output[-500:]!r}") from error
    if requests == 0 or seconds <= 0:
        raise LabError(f"wrk got {requests} responses in {seconds:g} s")
    return Load(requests, seconds, *latencies, errors, client_cpu_seconds)


def run(url: str, seconds: int, bodies: Path | None, core: int) -> Load:
    """Load a server of this machine.

    Raises:
        LabError: the address is not loopback, or wrk failed.
    """
    require_loopback(url)
    pinned = cores.pin(command(url, seconds, bodies), core)
    before = _children_cpu_seconds()
    try:
        done = subprocess.run(pinned, capture_output=True, text=True, timeout=seconds + PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"wrk did not end within {seconds + PATIENCE_SECONDS} s: {' '.join(pinned)}") from error
    used = _children_cpu_seconds() - before
    if done.returncode != 0:
        raise LabError(f"wrk ended with code {done.returncode}: {(done.stderr or done.stdout)[-500:].strip()}")
    return parse(done.stdout, used)


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
