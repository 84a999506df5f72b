"""What `./lab watch` says of a run, in words; and its lines where there is no terminal."""

from collections.abc import Iterator
from datetime import datetime
from typing import TextIO

from swarmsweep.markdown import one_line
from swarmsweep.report.cell_text import time_left
from swarmsweep.report.progress_file import CellProgress, Now, RunProgress
from swarmsweep.units import counted, format_figure, format_seconds

# Seconds between two lines on the same attempt. A log of an hour has 360 of them.
AGAIN_SECONDS = 10.0

_ENDS = {
    "ended": "The sweep has ended",
    "failed": "The sweep failed",
    "interrupted": "The sweep was interrupted",
}


def head(run: RunProgress, now: float) -> str:
    """As 'sweep quick: 3 of 8 attempts, 12 min 30 s left, until 18:40'. ``now``: epoch seconds."""
    done = f"sweep {run.sweep}: {run.steps_done} of {counted(run.steps, 'attempt')}"
    if run.state != "running":
        took = format_seconds(run.written_at - run.started_at)
        return f"{done}. {_ENDS[run.state]} {_moment(run.written_at, now)}, after {took}. Run {one_line(run.run_id)}"
    left = time_left(run.seconds_left, datetime.fromtimestamp(run.ends_at - run.seconds_left))
    return f"{done}, {left}" if run.seconds_left else done


def _moment(then: float, now: float) -> str:
    """As 'at 18:40'; with the date when that is not today."""
    end = datetime.fromtimestamp(then)
    is_today = end.date() == datetime.fromtimestamp(now).date()
    return f"{end:{'at %H:%M' if is_today else 'on %Y-%m-%d at %H:%M'}}"


def now_line(run: RunProgress, now: float) -> str:
    """As '4/8 r1-c0.5-m256M-w1: load, 12 s of about 30 s: window, 412 requests/s, p95 12.3 ms, 40 users'."""
    current = run.now
    if current is None:
        return run.phase or ""
    return f"{attempt_name(current)}: {attempt_phase(current, now)}"


def attempt_name(current: Now) -> str:
    """As 'again 4/8 r1-c0.5-m256M-w1'."""
    return f"{'again ' if current.is_retry else ''}{current.position}/{current.of} {one_line(current.cell_id)}"


def attempt_phase(current: Now, now: float) -> str:
    """The phase, its time, and what the load does. ``now``: epoch seconds."""
    since = max(0.0, now - current.started_at)
    text = f"{one_line(current.phase)}, {since:.0f} s of about {current.expected_seconds:.0f} s"
    if current.load is None:
        return text if current.no_figures is None else f"{text}: {current.no_figures.words(now)}"
    return f"{text}: {current.load.stage_words()}, {current.load.figures()}"


def best_line(run: RunProgress) -> str:
    """The cell that would be chosen now, with its figures."""
    runs = run.state == "running"
    if run.best is None:
        return "no cell can be compared yet" if runs else "no cell can be compared"
    best, none = ("best so far", "no cell meets the SLO yet") if runs else ("best", "no cell meets the SLO")
    words = best if run.best_holds_slo else f"{none}, nearest"
    return f"{words}: {one_line(run.best.id)}, {figures(run.best)}"


def figures(cell: CellProgress) -> str:
    """Rate and latency of a measured cell."""
    rate = "requests/s not measured" if cell.rps is None else f"{format_figure(cell.rps)} requests/s"
    return rate if cell.p95_ms is None else f"{rate}, p95 {format_figure(cell.p95_ms)} ms"


class Lines:
    """A line for each attempt that ended or began a phase, and one now and then while it is the same."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: str | None = None
        self._key: tuple[object, ...] | None = None
        self._said = 0.0

    def show(self, run: RunProgress, now: float) -> None:
        """Print what is new."""
        for line in self._new(run, now):
            print(line, file=self._out, flush=True)

    def _new(self, run: RunProgress, now: float) -> Iterator[str]:
        if run.last is not None and run.last != self._last:
            self._last = run.last
            yield run.last
        if run.state != "running":
            yield head(run, now)
            yield best_line(run)
            return
        key = (run.now.position, run.now.phase, run.now.is_retry) if run.now else (run.phase,)
        if key != self._key or now - self._said >= AGAIN_SECONDS:
            self._key, self._said = key, now
            if line := now_line(run, now):
                yield line

    def close(self) -> None:
        """Nothing is left."""
