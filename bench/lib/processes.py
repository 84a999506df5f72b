"""A server with all its child processes: measured, parked and ended as one."""

import ctypes
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from swarmsweep.errors import LabError

# Seconds for a server to end by itself before it is killed.
GRACE_SECONDS = 10.0
# A server is idle if it uses less than this share of a core ...
IDLE_SHARE = 0.1
# ... for this many seconds. A server that still has a queue at the deadline is parked anyway.
IDLE_SECONDS = 0.3
IDLE_DEADLINE_SECONDS = 5.0
LOG_CHARACTERS = 2000
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """One line of /proc: ``started`` (clock ticks since boot) sets it apart from a later one of the same number."""

    pid: int
    parent: int
    started: int
    cpu_seconds: float
    zombie: bool


def read_process(pid: int) -> Process | None:
    """Read a process; None when no process has that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may contain spaces and parentheses. The fields follow proc(5), from the third on.
    fields = text.rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])  # own and of ended children, user and system
    return Process(pid, int(fields[1]), int(fields[19]), ticks / os.sysconf("SC_CLK_TCK"), fields[0] == "Z")


def all_processes() -> dict[int, Process]:
    """Every process that is visible to this one."""
    readings = (read_process(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {process.pid: process for process in readings if process}


def descendants(root: int, processes: dict[int, Process]) -> set[int]:
    """Numbers of all processes below ``root``, without it."""
    below, frontier = set(), {root}
    while frontier:
        frontier = {pid for pid, process in processes.items() if process.parent in frontier} - below
        below |= frontier
    return below


def adopt_orphans() -> None:
    """Make this process the parent of orphans of its children, so that every process can be ended."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise LabError(f"prctl: {os.strerror(ctypes.get_errno())}")


def end_all_below(root: int) -> None:
    """Kill every process below ``root``, for processes that remain after an exception."""
    while pids := descendants(root, _living()):
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        _reap(pids)
        time.sleep(0.02)


class Tree:
    """A command that runs, and all processes that it has started."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path, **options) -> None:
        folder.mkdir(parents=True)
        self.name, self.command, self.log = name, command, folder / "log"
        with self.log.open("wb") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options
            # A separate session: Ctrl-C goes to the bench, which then ends the server in order.
            self.root = subprocess.Popen(command, env=env, cwd=folder, start_new_session=True, **options)
        self._known: dict[int, int] = {}
        self._seen: set[int] = set()

    def members(self) -> list[Process]:
        """The living processes, including orphans."""
        processes = _living()
        known = {pid for pid, started in self._known.items() if pid in processes and processes[pid].started == started}
        # A root that has ended does not show which processes were below it, except through its children.
        for pid in {self.root.pid, *known}:
            known |= descendants(pid, processes)
            known |= {pid} & processes.keys()
        self._known = {pid: processes[pid].started for pid in known}
        self._seen |= known
        return [processes[pid] for pid in sorted(known)]

    def require_running(self) -> None:
        """Raise LabError, with the end of its log, when the command has ended."""
        if self.root.poll() is not None:
            raise LabError(f"{self.name} ended with code {self.root.returncode}: {self.log_end()}")

    def log_end(self) -> str:
        """The last characters of its log."""
        return self.log.read_text(errors="replace")[-LOG_CHARACTERS:].strip()

    def cpu_seconds(self) -> float:
        """CPU time that all members have used."""
        return sum(process.cpu_seconds for process in self.members())

    def resident_bytes(self) -> int:
        """Sum of VmRSS; pages that members share count for each of them."""
        return sum(status_kib(process.pid, "VmRSS") for process in self.members()) * 1024

    def require_pinned(self, core: int) -> None:
        """Raise LabError when any thread may run on another core."""
        for process in self.members():
            for task in Path(f"/proc/{process.pid}/task").glob("*/status"):
                allowed = status_field(task, "Cpus_allowed_list")
                if allowed not in (str(core), None):
                    raise LabError(f"{self.name}: process {process.pid} may run on cores {allowed}, not only on {core}")

    def park(self) -> None:
        """Let it finish its queue, then stop it, so that it takes no CPU time from the server under load."""
        self._wait_until_idle()
        for process in self.members():
            _signal(process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `park`."""
        for process in self.members():
            _signal(process.pid, signal.SIGCONT)

    def end(self) -> None:
        """End every member: first by a signal to the root, then by one to the other processes, then by force."""
        self.resume()
        deadline = time.monotonic() + GRACE_SECONDS
        signalled: set[int] = set()
        while members := {process.pid for process in self.members()}:
            forced = time.monotonic() > deadline
            first = {self.root.pid} if self.root.poll() is None else members
            for pid in members if forced else first - signalled:
                _signal(pid, signal.SIGKILL if forced else signal.SIGTERM)
            signalled |= first
            time.sleep(0.02)
        self.root.wait()
        _reap(self._seen - {self.root.pid})

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + IDLE_DEADLINE_SECONDS
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(IDLE_SECONDS)
            after = self.cpu_seconds()
            if after - before < IDLE_SHARE * IDLE_SECONDS:
                return
            before = after


def status_field(path: Path, name: str) -> str | None:
    """A field of /proc/PID/status, or None when the process has ended."""
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), None)


def status_kib(pid: int, name: str) -> int:
    """A size of /proc/PID/status in KiB; 0 for a process that has ended."""
    return int((status_field(Path(f"/proc/{pid}/status"), name) or "0").split()[0])


def proportional_bytes(pid: int) -> int | None:
    """PSS: private pages, and this process's part of shared ones. None where the kernel does not allow reading it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def threads(pid: int) -> int:
    """Threads of a process."""
    return int(status_field(Path(f"/proc/{pid}/status"), "Threads") or "0")


def _living() -> dict[int, Process]:
    return {pid: process for pid, process in all_processes().items() if not process.zombie}


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _reap(pids: set[int]) -> None:
    """Collect the exit codes of adopted orphans, which otherwise remain as zombies."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
