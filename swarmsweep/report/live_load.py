"""What the running load does now, as Locust's master writes it (see loadgen/common/live.py).

A scenario runs beside the master and may write the file too. So only known words and numbers are taken from it.
"""

import contextlib
import time
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.files import parse_json, write_atomically
from swarmsweep.markdown import one_line
from swarmsweep.record_file import Amount, Count, as_record, read_record
from swarmsweep.units import counted, format_figure

Stage = Literal[
    "ramp", "warmup", "window", "end", "unloaded", "probe", "bracket", "bisect", "confirm", "verify", "pause"
]
Unit = Literal["requests/s", "iterations/s", "users", "connections"]
# The file of the run folder that has the newest figures while a load runs.
FILE = ".live.json"
# Beside it while there are no figures.
MISSING_FILE = ".live-missing.json"
# After a lost connection, older figures are not those of now. They come once a second.
STALE_SECONDS = 5.0

_WORDS: dict[str, str] = {
    "ramp": "ramp",
    "warmup": "warm-up",
    "window": "window",
    "end": "waiting for the last responses",
    "unloaded": "unloaded probe",
    "probe": "saturation probe",
    "pause": "pause between probes",
}


class LiveLoad(Struct, frozen=True, kw_only=True):
    """Figures of the last seconds. Times are epoch seconds of the load host."""

    stage: Stage
    stage_started: Amount
    stage_seconds: Amount | None = None
    probe: Count | None = None
    offered: Amount | None = None
    offered_unit: Unit | None = None
    measured_at: Amount
    rps: Amount
    failures_per_second: Amount
    p50_ms: Amount | None = None
    p95_ms: Amount | None = None
    users: Count

    def stage_words(self) -> str:
        """As 'window', or 'probe 4, bisect, 210.0 requests/s'."""
        if self.probe is None:
            return _WORDS.get(self.stage, self.stage)
        words = _WORDS.get(self.stage, self.stage)
        offered = "" if self.offered is None else f", {_offered(self.offered, self.offered_unit or 'requests/s')}"
        return f"probe {self.probe}, {words.removesuffix(' probe')}{offered}"

    def figures(self) -> str:
        """As '412 requests/s, p95 12.3 ms, 40 users'."""
        p95 = "p95 not known yet" if self.p95_ms is None else f"p95 {format_figure(self.p95_ms)} ms"
        failures = f", {format_figure(self.failures_per_second)} failures/s" if self.failures_per_second else ""
        return f"{self.rps:.0f} requests/s{failures}, {p95}, {counted(self.users, 'user')}"


def _offered(value: float, unit: str) -> str:
    return counted(int(value), unit.removesuffix("s")) if unit in ("users", "connections") else f"{value:.1f} {unit}"


class NoFigures(Struct, frozen=True, kw_only=True):
    """Why the running load has no figures, and since when (epoch seconds of the controller)."""

    since: Amount
    reason: str

    def words(self, now: float) -> str:
        """As 'no figures of the load for 12 s: the load host has sent none yet'."""
        return f"no figures of the load for {max(0.0, now - self.since):.0f} s: {one_line(self.reason)}"


class LiveFiles:
    """What a load host sends of the running load, in the run folder: its newest figures, or why there are none.

    Nothing that fails here fails the attempt. One thread at a time calls it.

    Args:
        target: the file of the figures. The other one is beside it.
    """

    def __init__(self, target: Path) -> None:
        self._figures, self._missing = target, target.with_name(MISSING_FILE)
        self._since = time.time()
        self.lost("the load host has sent none yet")

    def keep(self, line: str) -> None:
        """Store a line of the load host."""
        if not keep_live(line, self._figures):
            self.lost("this version cannot read what the load host sends")
            return
        self._since = time.time()
        with contextlib.suppress(OSError):
            self._missing.unlink(missing_ok=True)

    def lost(self, reason: str) -> None:
        """Store why no figures come, since the last ones."""
        missing = NoFigures(since=self._since, reason=one_line(reason))
        with contextlib.suppress(LabError, OSError):
            write_atomically(self._missing, msgspec.json.encode(missing), durable=False)

    def remove(self) -> None:
        """Remove both files: no load runs."""
        with contextlib.suppress(OSError):
            self._figures.unlink(missing_ok=True)
            self._missing.unlink(missing_ok=True)


def keep_live(line: str, target: Path) -> bool:
    """Store a line from a load host in the run folder. A line that is no such figures is left out."""
    try:
        load = as_record(parse_json(line, "the load host"), LiveLoad, "the load host")
        write_atomically(target, msgspec.json.encode(load), durable=False)
    except (LabError, OSError):
        return False
    return True


def read_live(run_dir: Path, now: float) -> LiveLoad | None:
    """The newest figures; None where no load runs, or they are older than `STALE_SECONDS`. ``now``: epoch seconds."""
    path = run_dir / FILE
    try:
        load = read_record(path, LiveLoad)
        return load if now - path.stat().st_mtime <= STALE_SECONDS else None
    except (LabError, OSError):
        return None


def read_missing(run_dir: Path, now: float, begun: float) -> NoFigures | None:
    """Why there are no figures for `STALE_SECONDS` or longer; None where there are some, or no load runs.

    What is older than ``begun`` is of an earlier load.
    """
    try:
        missing = read_record(run_dir / MISSING_FILE, NoFigures)
    except LabError:
        try:
            since = (run_dir / FILE).stat().st_mtime
        except OSError:
            return None
        missing = NoFigures(since=since, reason="the load host sends no new ones")
    return missing if begun <= missing.since <= now - STALE_SECONDS else None
