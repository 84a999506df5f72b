"""`./lab watch`: shows a run from its progress.json until it ends. It reads this file alone and changes nothing."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TextIO

import msgspec
from msgspec.structs import replace

from swarmsweep.errors import InputError, LabError
from swarmsweep.lab.lock import running_sweep
from swarmsweep.lab.lock_holder import Holder
from swarmsweep.lab.processes import started_at
from swarmsweep.plan.run_folder import newest_run, read_plan
from swarmsweep.report.progress_file import FILE, RunProgress, read_progress
from swarmsweep.report.watch_text import Lines

# The file is replaced once a second. Its figures must not become much older.
LOOK_SECONDS = 0.25
# Without a new version for so long, the process is looked for. A busy machine may delay one.
SILENT_SECONDS = 10.0
# Seconds in which a sweep that has just begun writes its first version.
FIRST_SECONDS = 10.0
# The folder of the labs of this clone, each with its lock. `./lab` runs in the folder above.
LOCKS = Path(".lab")


class View(Protocol):
    """What shows the progress."""

    def show(self, run: RunProgress, now: float) -> None:
        """Show a version of it. ``now``: epoch seconds."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class JsonLines:
    """Each version on one line, for scripts."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, run: RunProgress, now: float) -> None:
        """Print it."""
        print(msgspec.json.encode(run).decode(), file=self._out, flush=True)

    def close(self) -> None:
        """Nothing is left."""


def watched_run(run: str | None, reports_dir: Path, locks: Path = LOCKS) -> Path:
    """The folder of a run: by its path or id; by default, that of the sweep that runs, or else the newest run.

    Raises:
        LabError: it is no run folder, or the sweep ended before it had one.
    """
    if run is None:
        return _run_that_begins(locks) or newest_run(reports_dir)
    path = Path(run) if Path(run).is_dir() else reports_dir / run
    if not path.is_dir():
        raise InputError(f"{run}: no such run folder. To watch the newest run: ./lab watch")
    return path


def _run_that_begins(locks: Path) -> Path | None:
    """The run of a sweep that holds a lock of this clone, once it writes its progress. None: no sweep holds one.

    A sweep checks its hosts for some 20 seconds before its run begins. The newest run is not yet its own.
    """
    began: Holder | None = None
    while (sweep := running_sweep(locks)) is not None:
        if sweep.run is not None and _writes(sweep, Path(sweep.run)):
            return Path(sweep.run)
        if began is None:
            print(f"A sweep prepares its run. This command waits for it: {sweep.words()}", file=sys.stderr, flush=True)
        began = sweep
        time.sleep(LOOK_SECONDS)
    if began is None:
        return None
    raise LabError(
        f"the sweep ended before it measured anything: {began.words()}. Its terminal and .lab/log/ have the reason. "
        "To show the newest run: ./lab watch"
    )


def _writes(sweep: Holder, run_dir: Path) -> bool:
    """Whether the progress of the run is that of this sweep. A run that is resumed has that of the sweep before."""
    try:
        run = read_progress(run_dir)
    except LabError:
        return False
    return (run.process, run.process_started) == (sweep.process, sweep.started)


def versions(
    run_dir: Path, look_seconds: float = LOOK_SECONDS, silent_seconds: float = SILENT_SECONDS
) -> Iterator[RunProgress]:
    """Each version of progress.json, until the run ends. A run whose process has gone ends as interrupted.

    Raises:
        LabError: the run has no progress.json, it is damaged, or it was removed.
    """
    path = run_dir / FILE
    _wait_for(run_dir, path)
    seen = -1
    while True:
        mark = _mark(path)
        if mark != seen:
            seen, changed = mark, time.monotonic()
            run = read_progress(run_dir)
            yield run
            if run.state != "running":
                return
        elif time.monotonic() - changed > silent_seconds and not _is_running(run):
            yield replace(run, state="interrupted", now=None, seconds_left=0.0)
            return
        time.sleep(look_seconds)


def _mark(path: Path) -> int:
    """What changes with each version."""
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}. To watch the newest run: ./lab watch") from error


def _wait_for(run_dir: Path, path: Path) -> None:
    plan = read_plan(run_dir)
    deadline = (run_dir / "plan.json").stat().st_mtime + FIRST_SECONDS
    while not path.exists():
        if time.time() > deadline:
            raise LabError(f"{path}: is missing, because another version of swarmsweep measured {plan.run_id}")
        time.sleep(LOOK_SECONDS)


def _is_running(run: RunProgress) -> bool:
    """Whether the ansible-playbook of the run still runs on this machine."""
    return run.process_started is not None and started_at(run.process) == run.process_started


def watch(run: str | None, reports_dir: Path, *, as_json: bool = False) -> None:
    """Show a run until it ends. Ctrl-C ends only this."""
    try:
        _show(watched_run(run, reports_dir), _view(as_json, sys.stdout))
    except KeyboardInterrupt:
        print("The sweep continues. To watch it again: ./lab watch", file=sys.stderr)


def _show(run_dir: Path, view: View) -> None:
    try:
        for run in versions(run_dir):
            view.show(run, time.time())
    finally:
        view.close()


def _view(as_json: bool, out: TextIO) -> View:
    if as_json:
        return JsonLines(out)
    if out.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI"):
        # rich takes 0.1 s to import, and scripts do not need it.
        from swarmsweep.report.watch_screen import Screen

        return Screen(out)
    return Lines(out)
