#!/usr/bin/env python3
"""Sample the CPU, memory and network of this machine, and the containers of some Swarm stacks, as JSON lines.

Needs Python 3.9 and the standard library only. One line per tick is appended to --output and flushed:

    {"t": epoch seconds, "host": {...}, "containers": {"<64 hex id>": {...}}}

Counters are the kernel's own and cumulative: whoever reads them takes differences. A counter that the kernel does not
offer is null, never 0. A container that has gone is absent from the line. Both cgroup versions and their hybrid are
read. Containers are looked up in a thread of their own, so that a slow Docker daemon never delays a tick.

Who used the machine's cores? ``own_cpu_seconds`` is what all processes of this machine used; where it shares its
computer (a container that plays a machine), the rest of what /proc/stat shows on its cores was used by others.
``lab_cpu_seconds`` is the lab's part of it; null where only the machine as a whole can be told.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VERSION = "2"

# How often the Docker daemon is asked which containers run. A replica started in between is seen at most this late, and
# loses nothing: its counters begin with the container.
DISCOVERY_SECONDS = 2.0
# The daemon may be busy on a loaded core; the lookup thread waits this long before it tries again.
DOCKER_TIMEOUT_SECONDS = 5.0

COUNTERS = (
    "cpu_seconds",
    "periods",
    "throttled_periods",
    "throttled_seconds",
    "memory_bytes",
    "memory_peak_bytes",
    "oom_kills",
)


# --- small readers ----------------------------------------------------------------------------------------------------


def read_text(path: Path) -> str | None:
    """Text of a kernel file, or None when it does not exist, has gone, or cannot be read."""
    # Unbuffered and decoded at once: half the cost of Path.read_text, at some fifty files a tick.
    try:
        with path.open("rb", buffering=0) as file:
            return file.read().decode()
    except (OSError, UnicodeDecodeError):
        return None


def parse_number(text: str | None) -> int | None:
    """Whole number of a one-value file; None for a missing file and for words such as `max`."""
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def parse_pairs(text: str | None) -> dict[str, int]:
    """Flat `key value` file (cpu.stat, memory.events, memory.oom_control, memory.stat) as a dict."""
    pairs = {}
    for line in (text or "").splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[1].isdigit():
            pairs[fields[0]] = int(fields[1])
    return pairs


def scaled(value: int | None, factor: float) -> float | None:
    """Value times factor, rounded to the microsecond the counters are good for; None stays None."""
    return None if value is None else round(value * factor, 6)


# --- where the cgroups are --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CgroupMount:
    """One mounted cgroup hierarchy: `root` is the path inside the hierarchy that is seen at `point`."""

    point: Path
    root: str
    controllers: frozenset  # names of the v1 controllers; empty for the unified (v2) hierarchy
    unified: bool


def parse_mounts(mountinfo: str, filesystem_root: Path = Path("/")) -> list[CgroupMount]:
    """cgroup mounts of a /proc/<pid>/mountinfo text (proc(5)). `filesystem_root` is prefixed to mount points."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if not separator or len(before) < 5 or len(after) < 3 or after[0] not in ("cgroup", "cgroup2"):
            continue
        point = filesystem_root / unescape(before[4]).lstrip("/")
        unified = after[0] == "cgroup2"
        controllers = frozenset() if unified else frozenset(after[2].split(","))
        mounts.append(CgroupMount(point, unescape(before[3]), controllers, unified))
    return mounts


def unescape(field: str) -> str:
    """mountinfo writes space, tab, newline and backslash as octal escapes."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def parse_membership(cgroup: str) -> dict[str, str]:
    """/proc/<pid>/cgroup as {v1 controller: path}; the unified hierarchy has the key ""."""
    membership = {}
    for line in cgroup.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                membership[controller] = parts[2]
    return membership


def directory_in(mount: CgroupMount, path: str) -> Path | None:
    """Directory of cgroup `path` below a mount, or None when the mount does not show it.

    A bind mount shows only the part below its root: the path of the process is then longer than what is visible.
    """
    root = mount.root.rstrip("/")
    for visible in (path[len(root) :] if path == root or path.startswith(root + "/") else None, path):
        if visible is None or ".." in visible.split("/"):
            continue
        directory = mount.point / visible.lstrip("/")
        if directory.is_dir():
            return directory
    return None


def search_by_name(mount: CgroupMount, container_id: str, depth: int = 5) -> Path | None:
    """Directory named after the container, for a process whose path lies outside our cgroup namespace (`/../..`)."""
    names = {container_id, f"docker-{container_id}.scope"}
    base = len(mount.point.parts)
    for directory, children, _ in os.walk(mount.point):
        found = names.intersection(children)
        if found:
            return Path(directory) / found.pop()
        if len(Path(directory).parts) - base >= depth:
            children.clear()
    return None


@dataclass(frozen=True)
class ContainerCgroup:
    """Directories that hold the counters of one container; None where the kernel offers no such controller."""

    cpu: Path | None = None  # v1: periods and throttling
    cpuacct: Path | None = None  # v1: CPU time
    memory: Path | None = None  # v1
    unified: Path | None = None  # v2: all that no v1 controller holds


def locate_container(container_id: str, cgroup: str, mounts: Sequence[CgroupMount]) -> ContainerCgroup | None:
    """Directories of a container, from the /proc/<pid>/cgroup text of its first process; None when nothing is found.

    A controller belongs to exactly one hierarchy, so a v1 mount of it wins. In a hybrid the unified tree is empty: it
    answers only for controllers that no v1 hierarchy holds.
    """
    membership = parse_membership(cgroup)

    def find(wanted: Callable[[CgroupMount], bool], path: str | None) -> Path | None:
        candidates = [mount for mount in mounts if wanted(mount)]
        for mount in candidates:
            directory = directory_in(mount, path) if path is not None else None
            if directory is not None and directory != mount.point:
                return directory
        for mount in candidates:
            directory = search_by_name(mount, container_id)
            if directory is not None:
                return directory
        return None

    directories = {
        name: find(lambda mount, name=name: name in mount.controllers, membership.get(name))
        for name in ("cpu", "cpuacct", "memory")
    }
    directories["unified"] = find(lambda mount: mount.unified, membership.get(""))
    return ContainerCgroup(**directories) if any(directories.values()) else None


# --- counters of one container ----------------------------------------------------------------------------------------


def read_container(cgroup: ContainerCgroup, memory: bool = True) -> dict[str, float | None] | None:
    """The counters of a container, see COUNTERS; None when the container has gone.

    v1 counts CPU time and throttling in nanoseconds, v2 in microseconds. memory_bytes includes the page cache, as the
    limit does. Without `memory` those counters are not read, and null.
    """
    values: dict[str, float | None] = dict.fromkeys(COUNTERS)
    values.update(read_cpu(cgroup))
    if memory:
        values.update(read_memory(cgroup))
    return None if all(value is None for value in values.values()) else values


def read_cpu(cgroup: ContainerCgroup) -> dict[str, float | None]:
    """CPU time, and the periods in which there was a quota."""
    values: dict[str, float | None] = {}
    if cgroup.unified is not None:
        stat = parse_pairs(read_text(cgroup.unified / "cpu.stat"))
        values["cpu_seconds"] = scaled(stat.get("usage_usec"), 1e-6)
        values["periods"] = stat.get("nr_periods")
        values["throttled_periods"] = stat.get("nr_throttled")
        values["throttled_seconds"] = scaled(stat.get("throttled_usec"), 1e-6)
    if cgroup.cpuacct is not None:
        values["cpu_seconds"] = scaled(parse_number(read_text(cgroup.cpuacct / "cpuacct.usage")), 1e-9)
    if cgroup.cpu is not None:
        stat = parse_pairs(read_text(cgroup.cpu / "cpu.stat"))
        values["periods"] = stat.get("nr_periods")
        values["throttled_periods"] = stat.get("nr_throttled")
        values["throttled_seconds"] = scaled(stat.get("throttled_time"), 1e-9)
    return values


def read_memory(cgroup: ContainerCgroup) -> dict[str, float | None]:
    """Memory in use, its peak, and processes killed for want of it."""
    values: dict[str, float | None] = {}
    if cgroup.unified is not None:
        values["memory_bytes"] = parse_number(read_text(cgroup.unified / "memory.current"))
        values["memory_peak_bytes"] = parse_number(read_text(cgroup.unified / "memory.peak"))
        values["oom_kills"] = parse_pairs(read_text(cgroup.unified / "memory.events")).get("oom_kill")
    if cgroup.memory is not None:
        values["memory_bytes"] = parse_number(read_text(cgroup.memory / "memory.usage_in_bytes"))
        values["memory_peak_bytes"] = parse_number(read_text(cgroup.memory / "memory.max_usage_in_bytes"))
        values["oom_kills"] = parse_pairs(read_text(cgroup.memory / "memory.oom_control")).get("oom_kill")
    return values


# --- counters of the machine ------------------------------------------------------------------------------------------


def parse_cpu_seconds(stat: str, cpus: set[int], ticks_per_second: int) -> dict[str, float | None]:
    """CPU time by kind, summed over exactly `cpus`, from a /proc/stat text.

    user includes nice, system includes irq and softirq; guest time is already part of user (proc(5)).
    """
    kinds = ("user", "system", "idle", "iowait", "steal")
    totals = dict.fromkeys(kinds, 0)
    seen = 0
    for line in stat.splitlines():
        name, *fields = line.split() or [""]
        if not (name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus):
            continue
        ticks = [int(field) for field in fields[:8]] + [0] * (8 - len(fields))
        user, nice, system, idle, iowait, irq, softirq, steal = ticks
        totals["user"] += user + nice
        totals["system"] += system + irq + softirq
        totals["idle"] += idle
        totals["iowait"] += iowait
        totals["steal"] += steal
        seen += 1
    if not seen:
        return dict.fromkeys(kinds)
    return {kind: round(value / ticks_per_second, 6) for kind, value in totals.items()}


def parse_meminfo(meminfo: str) -> dict[str, int]:
    """/proc/meminfo as {name: bytes}."""
    values = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        fields = rest.split()
        if fields and fields[0].isdigit():
            values[name] = int(fields[0]) * (1024 if fields[1:] == ["kB"] else 1)
    return values


def memory_room_of_cgroup(mounts: Sequence[CgroupMount], total_bytes: int | None) -> int | None:
    """Bytes left under the memory limit of the cgroup this machine lives in; None when it has no limit of its own.

    Page cache that was not used lately can be given back, so it counts as free, as it does in MemAvailable.
    """
    rooms = []
    for mount in mounts:
        if mount.unified:
            names, reclaimable = ("memory.max", "memory.current"), "inactive_file"
        elif "memory" in mount.controllers:
            names, reclaimable = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file"
        else:
            continue
        limit, usage = (parse_number(read_text(mount.point / name)) for name in names)
        if limit is None or usage is None or (total_bytes is not None and limit >= total_bytes):
            continue
        cache = parse_pairs(read_text(mount.point / "memory.stat")).get(reclaimable, 0)
        rooms.append(max(0, limit - usage + min(cache, usage)))
    return min(rooms) if rooms else None


def read_host(proc: Path, mounts: Sequence[CgroupMount], cpus: set[int]) -> dict[str, object]:
    """The host section of a line: CPU seconds over the cores this machine may use, their number, memory available."""
    meminfo = parse_meminfo(read_text(proc / "meminfo") or "")
    available = [meminfo.get("MemAvailable"), memory_room_of_cgroup(mounts, meminfo.get("MemTotal"))]
    known = [value for value in available if value is not None]
    return {
        "cpu_seconds": parse_cpu_seconds(read_text(proc / "stat") or "", cpus, os.sysconf("SC_CLK_TCK")),
        "cores": len(cpus),
        "memory_available_bytes": min(known) if known else None,
    }


# --- who used the machine's cores -------------------------------------------------------------------------------------

# systemd units that work for the lab where the machine is a whole computer: they start, log and forward for it.
LAB_UNITS = (
    "init.scope",
    "system.slice/docker.service",
    "system.slice/containerd.service",
    "system.slice/ssh.service",
    "system.slice/sshd.service",
)
# Slices whose name begins so hold what a trial runs on a host: load and sampler.
LAB_SLICE = "swarmsweep"


class LastKnown:
    """A sum over things that come and go. What has gone keeps its last value, so that the sum never falls."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def total(self, current: Mapping[str, float | None]) -> float:
        for name, value in current.items():
            if value is not None and value >= self.values.get(name, 0):
                self.values[name] = value
        return sum(self.values.values())


class CoreUsers:
    """Tells the CPU time of this machine and of the lab from what else ran on its cores.

    A machine that shares its computer sees no cgroup but its own: what that used is the machine's, and the lab's part
    is not asked for. Where the machine is the whole computer, the cgroups at the top of a v2 tree are all of its
    processes but the kernel's own; the lab's are its containers, its slice and `LAB_UNITS`. A login is not the lab's:
    during a measured window nobody has anything to do there. With cgroup v1, systemd keeps no such accounts.
    """

    def __init__(self, mounts: Sequence[CgroupMount], membership: str) -> None:
        self.shared: ContainerCgroup | None = None
        self.tree: Path | None = None
        self.own_path = parse_membership(membership).get("", "/").strip("/")
        self.tops, self.lab = LastKnown(), LastKnown()
        for mount in sorted(mounts, key=lambda mount: mount.unified):
            if "cpuacct" in mount.controllers:
                # Only the top of a whole hierarchy has this file.
                if not (mount.point / "cgroup.sane_behavior").exists():
                    self.shared = ContainerCgroup(cpuacct=mount.point)
                return
            if mount.unified:
                # Every cgroup has this file but the top of the tree.
                if (mount.point / "cgroup.events").exists():
                    self.shared = ContainerCgroup(unified=mount.point)
                else:
                    self.tree = mount.point
                return

    def read(self, containers: Mapping[str, float | None]) -> dict[str, float | None]:
        """CPU seconds of the machine and of the lab; `containers` are those of the lab, their CPU seconds by id."""
        own = lab = None
        if self.shared is not None:
            own = read_cpu(self.shared)["cpu_seconds"]
        elif self.tree is not None:
            own = self.tops.total({top: self._used(top) for top in self._tops()})
            lab = self.lab.total({**containers, **{group: self._used(group) for group in self._lab_groups()}})
        return {
            "own_cpu_seconds": None if own is None else round(own, 6),
            "lab_cpu_seconds": None if lab is None else round(lab, 6),
        }

    def _tops(self) -> list[str]:
        try:
            with os.scandir(self.tree) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def _lab_groups(self) -> tuple[str, ...]:
        top = self.own_path.partition("/")[0]
        own = top if top.startswith(LAB_SLICE) else self.own_path
        return (*LAB_UNITS, own) if own else LAB_UNITS

    def _used(self, group: str) -> float | None:
        return read_cpu(ContainerCgroup(unified=self.tree / group))["cpu_seconds"]


# --- network ----------------------------------------------------------------------------------------------------------

# Traffic that stays on the machine, and interfaces whose names change with every container.
LOCAL_INTERFACES = ("lo", "veth")


def parse_tcp(snmp: str | None) -> dict[str, int | None]:
    """Segments sent and sent again, from a /proc/net/snmp text; both null when it has no line of TCP."""
    lines = [line.split() for line in (snmp or "").splitlines() if line.startswith("Tcp:")]
    names, values = lines if len(lines) == 2 else ([], [])
    fields = {name: values[place] for place, name in enumerate(names) if place < len(values)}
    return {
        "segments_out": parse_number(fields.get("OutSegs")),
        "retransmitted": parse_number(fields.get("RetransSegs")),
    }


def parse_interfaces(dev: str | None) -> dict[str, dict[str, int]]:
    """Bytes by interface, from a /proc/net/dev text."""
    interfaces = {}
    for line in (dev or "").splitlines():
        name, separator, rest = line.strip().partition(":")
        fields = rest.split()
        if separator and len(fields) >= 16 and not name.startswith(LOCAL_INTERFACES):
            interfaces[name] = {"rx_bytes": int(fields[0]), "tx_bytes": int(fields[8])}
    return interfaces


class TcpCounters:
    """TCP segments of the machine and of the sampled containers, each of which has a network stack of its own."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.sums = {"segments_out": LastKnown(), "retransmitted": LastKnown()}

    def read(self, pids: Mapping[str, int | None]) -> dict[str, int | None]:
        stacks = {"": parse_tcp(read_text(self.proc / "self" / "net" / "snmp"))}
        for name, pid in pids.items():
            if pid is not None:
                stacks[name] = parse_tcp(read_text(self.proc / str(pid) / "net" / "snmp"))
        if stacks[""]["segments_out"] is None:
            return stacks[""]
        return {
            counter: round(known.total({name: values[counter] for name, values in stacks.items()}))
            for counter, known in self.sums.items()
        }


# --- which containers run ---------------------------------------------------------------------------------------------


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=DOCKER_TIMEOUT_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class DockerEngine:
    """The two questions the sampler asks the Docker Engine API, over one kept connection."""

    def __init__(self, path: str) -> None:
        self.connection = UnixConnection(path)

    def get(self, target: str) -> object:
        """JSON answer of a GET; raises OSError, HTTPException or ValueError. None on 404."""
        try:
            self.connection.request("GET", target)
            response = self.connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()  # the next request connects anew
            raise
        if response.status == 404:
            return None
        if response.status != 200:
            raise OSError(f"GET {target}: {response.status} {body[:200].decode(errors='replace')}")
        return json.loads(body)

    def running(self, label: str) -> dict[str, dict[str, str]]:
        """Labels of the running containers with this label (`name` or `name=value`), by id."""
        filters = urllib.parse.quote(json.dumps({"label": [label], "status": ["running"]}))
        found = self.get(f"/containers/json?filters={filters}") or []
        return {container["Id"]: container.get("Labels") or {} for container in found}

    def pid(self, container_id: str) -> int | None:
        """Pid of the container's first process in our pid namespace; None when it does not run any more."""
        answer = self.get(f"/containers/{container_id}/json")
        return (answer["State"]["Pid"] or None) if answer else None


STACK_LABEL = "com.docker.stack.namespace"
SERVICE_LABEL = "com.docker.swarm.service.name"


@dataclass(frozen=True)
class Container:
    """One running container: where its counters are, what it is, and whether its memory is asked for."""

    cgroup: ContainerCgroup
    service: str | None = None
    pid: int | None = None  # of its first process
    memory: bool = True


class ContainerWatch(threading.Thread):
    """Keeps `containers` ({container id: Container}) equal to the running containers of some stacks.

    `stacks` says by a stack's name whether the memory of its containers is read too.
    """

    def __init__(
        self, engine: DockerEngine, stacks: Mapping[str, bool], proc: Path, mounts: Sequence[CgroupMount]
    ) -> None:
        super().__init__(daemon=True, name="container-watch")
        self.engine, self.stacks, self.proc, self.mounts = engine, stacks, proc, mounts
        self.containers: Mapping[str, Container] = {}
        self.problem: str | None = None

    def refresh(self) -> None:
        """Look once. The known containers stay as they are when the daemon does not answer."""
        known = self.containers
        try:
            running = self.engine.running(STACK_LABEL)
            wanted = {name: labels for name, labels in running.items() if labels.get(STACK_LABEL) in self.stacks}
            found = {name: known.get(name) or self.locate(name, labels) for name, labels in wanted.items()}
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.report(f"Docker does not answer on {self.engine.connection.path}: {error}")
            return
        self.problem = None
        # A new dict in one assignment: the sampling thread never sees a half-made one.
        self.containers = {name: container for name, container in found.items() if container is not None}

    def locate(self, container_id: str, labels: Mapping[str, str]) -> Container | None:
        pid = self.engine.pid(container_id)
        membership = read_text(self.proc / str(pid) / "cgroup") if pid else None
        cgroup = locate_container(container_id, membership, self.mounts) if membership is not None else None
        if cgroup is None:
            return None
        return Container(cgroup, labels.get(SERVICE_LABEL), pid, self.stacks[labels[STACK_LABEL]])

    def report(self, problem: str) -> None:
        """Say a problem once, not every two seconds: standard error ends in the journal of the unit."""
        if problem != self.problem:
            print(f"sampler: {problem}", file=sys.stderr, flush=True)
        self.problem = problem

    def run(self) -> None:
        while True:
            self.refresh()
            time.sleep(DISCOVERY_SECONDS)


# --- the loop ---------------------------------------------------------------------------------------------------------


def read_containers(containers: Mapping[str, Container]) -> dict[str, dict[str, object]]:
    """The containers section of a line; those that have gone are absent."""
    read = {name: read_container(container.cgroup, container.memory) for name, container in containers.items()}
    return {
        name: {"service": containers[name].service, **values} for name, values in read.items() if values is not None
    }


class Machine:
    """All that a line tells, read once per tick."""

    def __init__(self, proc: Path, mounts: Sequence[CgroupMount]) -> None:
        self.proc, self.mounts = proc, mounts
        self.users = CoreUsers(mounts, read_text(proc / "self" / "cgroup") or "")
        self.tcp = TcpCounters(proc)

    def make_line(self, containers: Mapping[str, Container], cpus: set[int]) -> str:
        """One JSON line with its newline."""
        now = time.time()
        counters = read_containers(containers)
        host = {
            **read_host(self.proc, self.mounts, cpus),
            **self.users.read({name: values["cpu_seconds"] for name, values in counters.items()}),
            "sampler_cpu_seconds": round(time.process_time(), 6),
            "tcp": self.tcp.read({name: container.pid for name, container in containers.items()}),
            "network": parse_interfaces(read_text(self.proc / "self" / "net" / "dev")),
        }
        return json.dumps({"t": round(now, 6), "host": host, "containers": counters}, separators=(",", ":")) + "\n"


def sample_until_stopped(
    write: Callable[[], None], interval_seconds: float, max_seconds: float, stop_signals: set[signal.Signals]
) -> None:
    """Call `write` at once, at every tick, and a last time when a stop signal arrives or max_seconds are over.

    Stop signals must be blocked in all threads: they are waited for, so no handler can interrupt a line. A tick that
    was missed is skipped, not made up for.
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON lines are appended to it")
    parser.add_argument("--host", required=True, metavar="NAME", help="name of this host, for messages")
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="SECONDS", help="time between lines (default: 1)"
    )
    parser.add_argument("--max-seconds", type=float, required=True, metavar="N", help="stop by itself after so long")
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
    parser.add_argument("--docker-socket", default="/var/run/docker.sock", metavar="PATH")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if not 0.1 <= options.interval <= 60:
        parser.error(f"--interval {options.interval:g}: allowed are 0.1 to 60 seconds")
    if not options.interval <= options.max_seconds <= 90000:
        parser.error(f"--max-seconds {options.max_seconds:g}: allowed are --interval to 90000 seconds")
    if options.cpu_stack and not options.stack:
        parser.error("--cpu-stack: name the stack that is measured with --stack, too")
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
        watch = ContainerWatch(DockerEngine(options.docker_socket), stacks, proc, mounts)
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


if __name__ == "__main__":
    sys.exit(main())
