"""The sampler against cgroup trees with contents as kernels write them, and against this machine's own /proc."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

SAMPLER = Path(__file__).parents[2] / "roles" / "host_metrics" / "files" / "sampler.py"
CONTAINER = "b3c1f6f1a3c54c5e9d4e3c0a86f4f83f0f6e9a6c2b6a58a5a1d6b7c8d9e0f1a2"
OTHER = "0d9c" * 16


@pytest.fixture(scope="module")
def sampler():
    spec = importlib.util.spec_from_file_location("sampler", SAMPLER)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sampler"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["sampler"]


# Linux 6.18, cgroup v1: a group with a quota of 20 ms per 100 ms and a limit of 32 MiB, after a loop and an OOM kill.
V1_FILES = {
    "cpu/cpu.stat": "nr_periods 28\nnr_throttled 27\nthrottled_time 1964820364\nnr_bursts 0\nburst_time 0\n",
    "cpuacct/cpuacct.usage": "573569254\n",
    "memory/memory.usage_in_bytes": "188416\n",
    "memory/memory.max_usage_in_bytes": "33554432\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
}
V1_VALUES = {
    "cpu_seconds": 0.573569,
    "periods": 28,
    "throttled_periods": 27,
    "throttled_seconds": 1.96482,
    "memory_bytes": 188416,
    "memory_peak_bytes": 33554432,
    "oom_kills": 1,
}
# Linux 6.1 (Debian 12), cgroup v2.
V2_FILES = {
    "cpu.stat": "usage_usec 7338412\nuser_usec 6712090\nsystem_usec 626322\ncore_sched.force_idle_usec 0\n"
    "nr_periods 312\nnr_throttled 288\nthrottled_usec 21449877\nnr_bursts 0\nburst_usec 0\n",
    "cpu.max": "50000 100000\n",
    "memory.current": "151822336\n",
    "memory.peak": "209715200\n",
    "memory.max": "209715200\n",
    "memory.events": "low 0\nhigh 0\nmax 184\noom 2\noom_kill 2\noom_group_kill 0\n",
}
V2_VALUES = {
    "cpu_seconds": 7.338412,
    "periods": 312,
    "throttled_periods": 288,
    "throttled_seconds": 21.449877,
    "memory_bytes": 151822336,
    "memory_peak_bytes": 209715200,
    "oom_kills": 2,
}

# /proc/self/mountinfo, cgroup lines and their neighbours.
V1_SPLIT = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 {root} /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 {root} /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 {root} /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
"""
V1_JOINED = """\
24 29 0:22 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:8 - tmpfs tmpfs ro,mode=755
33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:13 - cgroup cgroup rw,cpu,cpuacct
36 24 0:32 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,memory
"""
V2_ONLY = """\
29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID = V1_SPLIT.format(root="/") + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


def v1_membership(path: str) -> str:
    return f"9:name=systemd:{path}\n8:pids:{path}\n4:memory:{path}\n2:cpuacct:{path}\n1:cpu:{path}\n0::/\n"


def write_tree(root: Path, files: dict, where) -> None:
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / where(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def v1_tree(root: Path, below: str, cpu_folder: str = "cpu", cpuacct_folder: str = "cpuacct") -> None:
    folders = {"cpu": cpu_folder, "cpuacct": cpuacct_folder, "memory": "memory"}

    def where(name: str) -> str:
        controller, file = name.split("/")
        return f"{folders[controller]}{below}/{file}"

    write_tree(root, V1_FILES, where)


def read_back(sampler, root: Path, mountinfo: str, membership: str):
    mounts = sampler.parse_mounts(mountinfo, root)
    cgroup = sampler.locate_container(CONTAINER, membership, mounts)
    return None if cgroup is None else sampler.read_container(cgroup)


def test_v1_every_controller_mounted_alone(sampler, tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    assert read_back(sampler, tmp_path, V1_SPLIT.format(root="/"), v1_membership(f"/docker/{CONTAINER}")) == V1_VALUES


def test_v1_cpu_and_cpuacct_mounted_together(sampler, tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}", "cpu,cpuacct", "cpu,cpuacct")
    path = f"/docker/{CONTAINER}"
    assert read_back(sampler, tmp_path, V1_JOINED, f"5:memory:{path}\n3:cpu,cpuacct:{path}\n") == V1_VALUES


@pytest.mark.parametrize(
    ("root", "seen"),
    [
        pytest.param("/machine/lab-api", "/machine/lab-api/docker/{id}", id="bind mount of the machine's subtree"),
        pytest.param("/..", "/docker/{id}", id="mount root above our cgroup namespace"),
        pytest.param("/", "/../lab-api/docker/{id}", id="process outside our cgroup namespace: found by name"),
    ],
)
def test_v1_in_a_machine_that_is_a_container(sampler, tmp_path, root, seen):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    membership = v1_membership(seen.format(id=CONTAINER))
    assert read_back(sampler, tmp_path, V1_SPLIT.format(root=root), membership) == V1_VALUES


def test_v2_systemd_driver(sampler, tmp_path):
    scope = f"system.slice/docker-{CONTAINER}.scope"
    write_tree(tmp_path, V2_FILES, lambda name: f"{scope}/{name}")
    assert read_back(sampler, tmp_path, V2_ONLY, f"0::/{scope}\n") == V2_VALUES


def test_v2_container_in_its_own_namespace_is_found_by_name(sampler, tmp_path):
    write_tree(tmp_path, V2_FILES, lambda name: f"system.slice/docker-{CONTAINER}.scope/{name}")
    assert read_back(sampler, tmp_path, V2_ONLY, f"0::/../docker-{CONTAINER}.scope\n") == V2_VALUES


def test_v2_counters_of_an_old_kernel_or_a_missing_controller_are_null(sampler, tmp_path):
    # Linux 5.10 has no memory.peak; without the cpu controller cpu.stat has no periods.
    files = {"cpu.stat": "usage_usec 5\nuser_usec 5\nsystem_usec 0\n", "memory.current": "4096\n"}
    write_tree(tmp_path, files, lambda name: f"docker/{CONTAINER}/{name}")
    values = read_back(sampler, tmp_path, V2_ONLY, f"0::/docker/{CONTAINER}\n")
    assert values == {**dict.fromkeys(sampler.COUNTERS), "cpu_seconds": 5e-06, "memory_bytes": 4096}


def test_hybrid_reads_v1_and_ignores_the_empty_v2_tree(sampler, tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    empty = {"cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnice_usec 0\n", "cgroup.procs": ""}
    write_tree(tmp_path, empty, lambda name: f"unified/{name}")
    assert read_back(sampler, tmp_path, HYBRID, v1_membership(f"/docker/{CONTAINER}")) == V1_VALUES


def test_hybrid_takes_from_v2_what_no_v1_controller_holds(sampler, tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    shutil.rmtree(tmp_path / "sys/fs/cgroup/memory")
    mountinfo = "\n".join(line for line in HYBRID.splitlines() if "rw,memory" not in line)
    files = {name: text for name, text in V2_FILES.items() if name.startswith("memory.")}
    write_tree(tmp_path, files, lambda name: f"unified/docker/{CONTAINER}/{name}")
    membership = f"2:cpuacct:/docker/{CONTAINER}\n1:cpu:/docker/{CONTAINER}\n0::/docker/{CONTAINER}\n"
    memory = {name: value for name, value in V2_VALUES.items() if name.startswith("memory") or name == "oom_kills"}
    assert read_back(sampler, tmp_path, mountinfo, membership) == {**V1_VALUES, **memory}


def test_a_container_without_a_cgroup_of_its_own_is_not_the_machine(sampler, tmp_path):
    write_tree(tmp_path, V2_FILES, lambda name: name)
    assert read_back(sampler, tmp_path, V2_ONLY, "0::/\n") is None


def test_a_vanished_container_is_absent_and_the_others_stay(sampler, tmp_path):
    for name in (CONTAINER, OTHER):
        write_tree(tmp_path, V2_FILES, lambda file, name=name: f"docker/{name}/{file}")
    mounts = sampler.parse_mounts(V2_ONLY, tmp_path)
    containers = {
        name: sampler.Container(sampler.locate_container(name, f"0::/docker/{name}\n", mounts), "bench_api_api")
        for name in (CONTAINER, OTHER)
    }
    assert set(sampler.read_containers(containers)) == {CONTAINER, OTHER}
    shutil.rmtree(tmp_path / "sys/fs/cgroup/docker" / CONTAINER)
    assert sampler.read_containers(containers) == {OTHER: {"service": "bench_api_api", **V2_VALUES}}


@pytest.mark.parametrize("version", [1, 2])
def test_memory_is_left_out_where_only_cpu_is_asked_for(sampler, tmp_path, version):
    if version == 1:
        v1_tree(tmp_path, f"/docker/{CONTAINER}")
        mountinfo, membership, expected = V1_SPLIT.format(root="/"), v1_membership(f"/docker/{CONTAINER}"), V1_VALUES
    else:
        write_tree(tmp_path, V2_FILES, lambda name: f"docker/{CONTAINER}/{name}")
        mountinfo, membership, expected = V2_ONLY, f"0::/docker/{CONTAINER}\n", V2_VALUES
    cgroup = sampler.locate_container(CONTAINER, membership, sampler.parse_mounts(mountinfo, tmp_path))
    memory = dict.fromkeys(("memory_bytes", "memory_peak_bytes", "oom_kills"))
    assert sampler.read_container(cgroup, memory=False) == {**expected, **memory}


PROC_STAT = """\
cpu  14027 10 7296 206988 784 0 264 170 0 0
cpu0 6306 4 2828 105463 84 1 22 70 9 0
cpu1 7721 6 4467 101525 700 0 241 100 0 0
intr 1234567 0 9
ctxt 98765
"""


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ({0}, {"user": 63.10, "system": 28.51, "idle": 1054.63, "iowait": 0.84, "steal": 0.70}),
        ({1}, {"user": 77.27, "system": 47.08, "idle": 1015.25, "iowait": 7.00, "steal": 1.00}),
        ({0, 1}, {"user": 140.37, "system": 75.59, "idle": 2069.88, "iowait": 7.84, "steal": 1.70}),
        ({7}, {"user": None, "system": None, "idle": None, "iowait": None, "steal": None}),
    ],
)
def test_cpu_seconds_are_summed_over_exactly_the_given_cores(sampler, cpus, expected):
    assert sampler.parse_cpu_seconds(PROC_STAT, cpus, 100) == pytest.approx(expected)


MEMINFO = (
    "MemTotal:       24684092 kB\nMemFree:        22658016 kB\nMemAvailable:   24107980 kB\nHugePages_Total:       0\n"
)


@pytest.mark.parametrize(
    ("mountinfo", "files", "expected"),
    [
        pytest.param(
            V1_SPLIT.format(root="/"),
            {
                "memory/memory.limit_in_bytes": "4294967296\n",
                "memory/memory.usage_in_bytes": "3221225472\n",
                "memory/memory.stat": "cache 4096\ninactive_file 1\ntotal_inactive_file 536870912\n",
            },
            4294967296 - 3221225472 + 536870912,
            id="v1 machine with 4 GiB",
        ),
        pytest.param(
            V2_ONLY,
            {"memory.max": "4294967296\n", "memory.current": "1073741824\n", "memory.stat": "inactive_file 4096\n"},
            4294967296 - 1073741824 + 4096,
            id="v2 machine with 4 GiB",
        ),
        pytest.param(
            V1_SPLIT.format(root="/"),
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/memory.usage_in_bytes": "3221225472\n",
                "memory/memory.stat": "total_inactive_file 0\n",
            },
            24107980 * 1024,
            id="v1 no limit",
        ),
        pytest.param(V2_ONLY, {"memory.max": "max\n", "memory.current": "4096\n"}, 24107980 * 1024, id="v2 max"),
        pytest.param(V2_ONLY, {"cgroup.procs": ""}, 24107980 * 1024, id="v2 root has no limit file"),
    ],
)
def test_memory_available_is_bounded_by_the_machine_s_own_limit(sampler, tmp_path, mountinfo, files, expected):
    write_tree(tmp_path, files, lambda name: name)
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "stat").write_text(PROC_STAT)
    host = sampler.read_host(proc, sampler.parse_mounts(mountinfo, tmp_path), {0, 1})
    assert host["memory_available_bytes"] == expected
    assert host["cores"] == 2


# --- who used the cores -----------------------------------------------------------------------------------------------


def v2_usage(root: Path, groups: dict[str, float]) -> None:
    """A v2 tree in which these cgroups used so many seconds of CPU."""
    for group, seconds in groups.items():
        write_tree(
            root,
            {"cpu.stat": f"usage_usec {round(seconds * 1e6)}\n", "cgroup.events": ""},
            lambda file, g=group: f"{g}/{file}",
        )


def core_users(sampler, root: Path, mountinfo: str, membership: str):
    return sampler.CoreUsers(sampler.parse_mounts(mountinfo, root), membership)


def test_a_machine_that_shares_its_computer_knows_what_it_used_itself(sampler, tmp_path):
    write_tree(tmp_path, {"cpuacct/cpuacct.usage": "12500000000\n"}, lambda name: name)
    users = core_users(sampler, tmp_path, V1_SPLIT.format(root="/machine/lab-api"), v1_membership("/machine/lab-api"))
    assert users.read({}) == {"own_cpu_seconds": 12.5, "lab_cpu_seconds": None}

    v2_usage(tmp_path / "v2", {".": 3.25})
    users = core_users(sampler, tmp_path / "v2", V2_ONLY, "0::/swarmsweep.slice/x.service\n")
    assert users.read({}) == {"own_cpu_seconds": 3.25, "lab_cpu_seconds": None}


def test_on_a_whole_computer_with_v1_nobody_keeps_accounts(sampler, tmp_path):
    files = {"cpuacct/cpuacct.usage": "12500000000\n", "cpuacct/cgroup.sane_behavior": "0\n"}
    write_tree(tmp_path, files, lambda name: name)
    users = core_users(sampler, tmp_path, HYBRID, v1_membership("/"))
    assert users.read({}) == {"own_cpu_seconds": None, "lab_cpu_seconds": None}


def test_on_a_whole_computer_with_v2_the_lab_is_told_from_the_rest(sampler, tmp_path):
    write_tree(tmp_path, {"cpu.stat": "usage_usec 999000000\n"}, lambda name: name)
    scope = f"system.slice/docker-{CONTAINER}.scope"
    groups = {
        "system.slice": 50.0,  # holds the next five
        "system.slice/docker.service": 5.0,
        "system.slice/containerd.service": 1.0,
        "system.slice/ssh.service": 0.5,
        "system.slice/cron.service": 3.5,
        scope: 40.0,
        "init.scope": 2.0,
        "swarmsweep.slice": 4.0,
        "user.slice": 7.0,
    }
    v2_usage(tmp_path, groups)
    users = core_users(sampler, tmp_path, V2_ONLY, "0::/swarmsweep.slice/swarmsweep-lab.slice/sampler.service\n")
    found = users.read({CONTAINER: 40.0})
    assert found == {"own_cpu_seconds": 63.0, "lab_cpu_seconds": 5.0 + 1.0 + 0.5 + 40.0 + 2.0 + 4.0}
    # A container that has gone takes nothing back: its time stays in its slice.
    shutil.rmtree(tmp_path / "sys/fs/cgroup" / scope)
    assert users.read({}) == found


def test_a_sampler_started_by_hand_is_the_lab_s_and_its_neighbours_are_not(sampler, tmp_path):
    v2_usage(tmp_path, {"user.slice": 9.0, "user.slice/session-1.scope": 2.0})
    users = core_users(sampler, tmp_path, V2_ONLY, "0::/user.slice/session-1.scope\n")
    assert users.read({}) == {"own_cpu_seconds": 9.0, "lab_cpu_seconds": 2.0}


# --- network ----------------------------------------------------------------------------------------------------------

SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs
Tcp: 1 200 120000 -1 186 10 3 0 35 202271 {sent} {again}
"""  # noqa: E501
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  839914    1725    0    0    0     0          0         0   839914    1725    0    0    0     0       0          0
 host0: 98157201  200636    0    0    0     0          0         0 73024391  150983    0    0    0     0       0          0
veth1a: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
"""  # noqa: E501


def test_interfaces_that_lead_out_of_the_machine(sampler):
    assert sampler.parse_interfaces(NET_DEV) == {"host0": {"rx_bytes": 98157201, "tx_bytes": 73024391}}
    assert sampler.parse_interfaces(None) == {}


def test_segments_of_the_machine_and_of_its_containers_are_added_and_never_taken_back(sampler, tmp_path):
    def write(pid: str, sent: int, again: int) -> None:
        (tmp_path / pid / "net").mkdir(parents=True, exist_ok=True)
        (tmp_path / pid / "net/snmp").write_text(SNMP.format(sent=sent, again=again))

    write("self", 1000, 2)
    write("42", 500, 1)
    tcp = sampler.TcpCounters(tmp_path)
    assert tcp.read({CONTAINER: 42}) == {"segments_out": 1500, "retransmitted": 3}
    write("self", 1100, 2)
    shutil.rmtree(tmp_path / "42")
    assert tcp.read({CONTAINER: 42}) == {"segments_out": 1600, "retransmitted": 3}
    shutil.rmtree(tmp_path / "self")
    assert tcp.read({}) == {"segments_out": None, "retransmitted": None}


def test_host_figures_of_this_machine(sampler):
    cpus = os.sched_getaffinity(0)
    mounts = sampler.parse_mounts(Path("/proc/self/mountinfo").read_text())
    before = sampler.read_host(Path("/proc"), mounts, cpus)
    burn_cpu_seconds(0.05)  # five ticks of the clock that /proc/stat counts in
    after = sampler.read_host(Path("/proc"), mounts, cpus)
    assert before["cores"] == len(cpus)
    assert before["memory_available_bytes"] > 0
    spent = {kind: after["cpu_seconds"][kind] - before["cpu_seconds"][kind] for kind in before["cpu_seconds"]}
    assert all(seconds >= 0 for kind, seconds in spent.items() if kind != "iowait")  # iowait may fall, proc(5)
    assert spent["user"] + spent["system"] > 0


def burn_cpu_seconds(seconds: float) -> None:
    started = time.process_time()
    while time.process_time() - started < seconds:
        sum(range(10_000))


# --- the Docker Engine API over a unix socket -------------------------------------------------------------------------


@pytest.fixture
def engine_socket(tmp_path):
    """A unix socket that replays answers recorded from Docker Engine 20.10; `answers` may be changed while it runs."""
    answers: dict = {}
    seen: list = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            seen.append(self.path)
            body = answers.get(self.path.split("?")[0])
            data = json.dumps(body if body is not None else {"message": "No such container"}).encode()
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self):
            return "unix"

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    path = tmp_path / "docker.sock"
    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path, answers, seen
        server.shutdown()


def test_the_watch_follows_the_running_containers(sampler, tmp_path, engine_socket):
    path, answers, seen = engine_socket
    write_tree(tmp_path, V2_FILES, lambda name: f"docker/{CONTAINER}/{name}")
    (tmp_path / "proc/4242").mkdir(parents=True)
    (tmp_path / "proc/4242/cgroup").write_text(f"0::/docker/{CONTAINER}\n")
    mounts = sampler.parse_mounts(V2_ONLY, tmp_path)
    stacks = {"bench_api": True, "bench_platform": False}
    watch = sampler.ContainerWatch(sampler.DockerEngine(str(path)), stacks, tmp_path / "proc", mounts)

    answers["/containers/json"] = [
        {"Id": CONTAINER, "State": "running", "Labels": labels("bench_platform", "proxy")},
        {"Id": OTHER, "State": "running", "Labels": labels("bench_api", "api")},
        {"Id": "f" * 64, "State": "running", "Labels": labels("shop", "api")},
    ]
    answers[f"/containers/{CONTAINER}/json"] = {"Id": CONTAINER, "State": {"Status": "running", "Pid": 4242}}
    watch.refresh()  # OTHER died between the two questions: 404
    assert set(watch.containers) == {CONTAINER}
    found = watch.containers[CONTAINER]
    assert (found.service, found.pid, found.memory) == ("bench_platform_proxy", 4242, False)
    assert "com.docker.stack.namespace" in seen[0]
    assert not [target for target in seen if "f" * 64 in target], "a container of another stack is not looked at"
    inspected = len(seen)
    watch.refresh()
    assert [target for target in seen[inspected:] if CONTAINER in target] == [], "a known container is not asked again"

    answers["/containers/json"] = []
    watch.refresh()
    assert watch.containers == {}


def labels(stack: str, service: str) -> dict[str, str]:
    return {"com.docker.stack.namespace": stack, "com.docker.swarm.service.name": f"{stack}_{service}"}


def test_a_silent_daemon_keeps_the_known_containers_and_is_reported_once(sampler, tmp_path, capsys):
    watch = sampler.ContainerWatch(sampler.DockerEngine(str(tmp_path / "none.sock")), {"a": True}, tmp_path, [])
    watch.containers = {CONTAINER: sampler.Container(sampler.ContainerCgroup(unified=tmp_path))}
    watch.refresh()
    watch.refresh()
    assert set(watch.containers) == {CONTAINER}
    assert capsys.readouterr().err.count("none.sock") == 1


# --- the program ------------------------------------------------------------------------------------------------------


def start(output: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, str(SAMPLER), "--output", str(output), "--host", "here", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_lines(output: Path) -> list:
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_it_stops_by_itself_and_appends(tmp_path):
    output = tmp_path / "samples.jsonl"
    output.write_text('{"t": 0}\n')
    process = start(output, "--no-containers", "--interval", "0.1", "--max-seconds", "0.5")
    assert process.wait(timeout=30) == 0
    lines = read_lines(output)
    times = [line["t"] for line in lines]
    assert lines[0] == {"t": 0}
    assert times == sorted(times)
    assert len(lines) >= 3, "the first, the last, and the old line"
    assert lines[-1]["containers"] == {}
    host = lines[-1]["host"]
    assert {"cpu_seconds", "cores", "memory_available_bytes", "own_cpu_seconds", "lab_cpu_seconds"} < set(host)
    assert host["tcp"]["segments_out"] > 0
    assert host["sampler_cpu_seconds"] > 0
    assert "lo" not in host["network"]


def test_a_stop_signal_writes_a_last_sample(tmp_path):
    output = tmp_path / "samples.jsonl"
    process = start(output, "--no-containers", "--interval", "60", "--max-seconds", "600")
    deadline = time.monotonic() + 30
    while (not output.exists() or not output.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    asked = time.time()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    lines = read_lines(output)
    assert len(lines) == 2
    assert lines[1]["t"] >= asked


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--no-containers", "--max-seconds", "5", "--interval", "0"], "--interval 0"),
        (["--no-containers", "--max-seconds", "0.5"], "--max-seconds 0.5"),
        (["--no-containers", "--max-seconds", "1e9"], "--max-seconds 1e+09"),
        (["--max-seconds", "5"], "--no-containers"),
        (["--no-containers", "--stack", "a", "--max-seconds", "5"], "not allowed with"),
        (["--no-containers", "--cpu-stack", "a", "--max-seconds", "5"], "--stack"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, names):
    process = start(tmp_path / "samples.jsonl", *arguments)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert names in errors
