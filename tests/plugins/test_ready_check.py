"""What HAProxy's check got, and whether it ends the wait: a real HAProxy with the lab's configuration, on loopback.

The tasks are recorded. The process that Docker would name as the replica's is the real server.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible.module_utils import haproxy_stats, swarm_engine, swarm_service, swarm_stack, swarm_tasks
from ansible.module_utils.haproxy_stats import Server
from ansible.module_utils.listening_ports import Listener, listeners_of
from ansible.module_utils.other_hosts import OtherHosts, watch
from ansible.module_utils.ready_check import ReadyCheck, ReadyWatch

from bench.lib import packages
from bench.truth import haproxy

pytest.importorskip("docker", reason="the Docker SDK for Python is needed for its exceptions")
from docker.errors import NotFound

HERE = Path(__file__).parent
TASKS = json.loads((HERE / "data" / "tasks-docker-20.10.json").read_text())
# HAProxy checks every half second. A machine that is busy with other tests may need much longer.
PATIENCE_SECONDS = 30.0
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="no root: a network namespace cannot be made")


# --- The rule, without servers ----------------------------------------------------------------------------------------

CHECK = ReadyCheck(8000, "/ready", "api")


def server(result: str, code: int | None, name: str = "api-1") -> Server:
    return Server(name, "DOWN", result, "10.0.1.5", check_code=code)


WAITS = {f"status {code}": ([server("L7STS", code)], {}) for code in (301, 307, 429, 500, 502, 503)} | {
    "refused": ([server("L4CON", None)], {}),
    "silent": ([server("L7TOUT", None)], {}),
    "no check yet": ([server("INI", None)], {}),
    "no server": ([], {}),
    "nothing listens": ([server("L4CON", None)], {"replica 1": []}),
    "on another node": ([server("L4CON", None)], {"replica 1": None}),
    "listens on both": (
        [server("L4CON", None)],
        {"replica 1": [Listener(8000, "0.0.0.0", False), Listener(9100, "::", False)]},
    ),
    "a port that Linux may have chosen": ([server("L4CON", None)], {"replica 1": [Listener(41234, "0.0.0.0", False)]}),
    "connected, but silent": ([server("L7TOUT", None)], {"replica 1": [Listener(5000, "0.0.0.0", False)]}),
    "a helper in the container": ([server("L4CON", None)], {"replica 1": [Listener(5555, "127.0.0.1", True)]}),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_may_pass_never_ends_the_wait(name):
    servers, listeners = WAITS[name]
    watch = ReadyWatch(CHECK, 10)
    assert [watch.observe(servers, listeners, now) for now in (0.0, 10.0, 1000.0)] == [None] * 3


ENDS = {
    "400": ([server("L7STS", 400)], {}, "lab_api_ready_host is api"),
    "401": ([server("L7STS", 401)], {}, "lab_api_ready_path is /ready"),
    "403": ([server("L7STS", 403)], {}, "lab_api_ready_path is /ready"),
    "404": (
        [server("L7STS", 404)],
        {},
        "GET /ready (Host: api) got status 404 from api-1; lab_api_ready_path is /ready",
    ),
    "405": ([server("L7STS", 405)], {}, "lab_api_ready_path is /ready"),
    "one of two": ([server("L7OK", 200), server("L7STS", 404, "api-2")], {}, "from api-2"),
    "another port": (
        [server("L4CON", None)],
        {"replica 1": [Listener(5000, "0.0.0.0", False)]},
        "replica 1 listens on 5000; lab_api_port is 8000",
    ),
    "another port, and a random one": (
        [server("L4CON", None)],
        {"replica 1": [Listener(5000, "0.0.0.0", False), Listener(45123, "0.0.0.0", False)]},
        "replica 1 listens on 5000; lab_api_port is 8000",
    ),
    "its own container alone": (
        [server("L4CON", None)],
        {"replica 1": [Listener(8000, "127.0.0.1", True)]},
        "replica 1 listens on 127.0.0.1:8000 alone, which only its own container reaches",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_no_wait_changes_ends_it_after_the_time(name):
    servers, listeners, words = ENDS[name]
    watch = ReadyWatch(CHECK, 10)
    assert watch.observe(servers, listeners, 0.0) is None
    assert watch.observe(servers, listeners, 9.9) is None
    refusal = watch.observe(servers, listeners, 10.0)
    assert refusal is not None
    assert words in refusal.text
    # The cause is that of every replica, so two cells can be compared by it.
    assert "api-" not in refusal.cause and "replica" not in refusal.cause


def test_the_time_begins_again_after_another_result():
    watch = ReadyWatch(CHECK, 10)
    seen = [(404, 0.0), (404, 6.0), (503, 7.0), (404, 8.0), (404, 17.0), (404, 18.0)]
    ended = [now for code, now in seen if watch.observe([server("L7STS", code)], {}, now)]
    assert ended == [18.0]


def test_the_time_begins_again_after_a_break():
    """A replica that crashed and starts again is another one, with the same name."""
    watch = ReadyWatch(CHECK, 10)
    servers = [server("L7STS", 404)]
    assert watch.observe(servers, {}, 0.0) is None
    watch.interrupt()
    assert watch.observe(servers, {}, 10.0) is None
    assert watch.observe(servers, {}, 20.0) is not None


def test_a_check_that_runs_hides_no_status():
    watch = ReadyWatch(CHECK, 10)
    seen = [("L7STS", 404, 0.0), ("* L7STS", 0, 5.0), ("L7STS", 404, 9.0), ("* L7STS", 0, 10.0)]
    ended = [now for result, code, now in seen if watch.observe([server(result, code)], {}, now)]
    assert ended == [10.0]


# --- A real HAProxy ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program() -> Path:
    found = packages.find(*haproxy.PACKAGE)
    if found is None:
        pytest.skip("HAProxy is not installed: ./lab test installs it")
    return Path(found)


@contextlib.contextmanager
def api(
    address: str, status: int, *host: str, port: int = 0, prefix: tuple[str, ...] = ()
) -> Iterator[tuple[int, int]]:
    """Run the small API. Its port and its process."""
    command = [*prefix, sys.executable, str(HERE / "refusing_api.py"), address, str(port), str(status), *host]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


Proxy = Callable[..., str]


@pytest.fixture
def proxy(program, tmp_path) -> Iterator[Proxy]:
    """Return proxy(port, path, host), which starts HAProxy with the lab's checks and returns its socket."""
    running: list[subprocess.Popen] = []

    def start(port: int, path: str = "/ready", host: str = "api") -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        text = haproxy.config(tmp_path, listener.fileno(), port)
        text = text.replace("uri /ready ver HTTP/1.1 hdr Host api", f"uri {path} ver HTTP/1.1 hdr Host {host}")
        (tmp_path / "haproxy.cfg").write_text(text)
        command = [program, "-db", "-f", tmp_path / "haproxy.cfg"]
        running.append(subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL))
        listener.close()
        return str(tmp_path / "haproxy.sock")

    yield start
    for process in running:
        process.kill()
        process.wait()


def until(question: Callable[[], object]) -> object:
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := question()):
        assert time.monotonic() < deadline, "no answer in time"
        time.sleep(0.05)
    return answer


def look(path: str) -> list[Server]:
    """The servers, once each has been checked."""
    try:
        servers = haproxy_stats.list_servers(haproxy_stats.show_stat(path), "api")
    except haproxy_stats.HaproxyError:
        return []
    return servers if all(s.got or s.proven_up for s in servers) else []


class Docker:
    """Responds with the recorded tasks of a service. ``pid`` is the process of each container, None on another host."""

    def __init__(self, pid: int | None, scenario: str = "ready") -> None:
        self.recorded, self.pid = TASKS[scenario], pid
        # HAProxy reaches the server at this address, as it would reach the replica at its own.
        self.recorded = [task | {"NetworksAttachments": [{"Addresses": ["127.0.0.1/8"]}]} for task in self.recorded]

    def services(self, filters):
        mode = {"Replicated": {"Replicas": len(self.recorded)}}
        spec = {"Name": "lab_api_api", "Mode": mode, "TaskTemplate": {"RestartPolicy": {"Condition": "any"}}}
        return [{"ID": self.recorded[0]["ServiceID"], "Spec": spec}]

    def tasks(self, filters=None):
        return self.recorded

    def events(self, **_options):
        return []

    def nodes(self):
        return []

    def inspect_container(self, container_id):
        if self.pid is None:
            raise NotFound(container_id)
        config = {"Image": "kit:1", "Env": []}
        state = {"Running": True, "Pid": self.pid}
        return {"Id": container_id, "State": state, "HostConfig": {}, "Config": config}

    def logs(self, container_id, **_options):
        return b"started\n"

    def service_logs(self, service_id, **_options):
        return [f"com.docker.swarm.task.id={self.recorded[-1]['ID']} started\n".encode()]


# What a real HAProxy got from a real server, as the record of a cell says it.
ANSWERS = {
    "404": (200, (), {"path": "/missing"}, "GET /missing (Host: api) got status 404 from api-1"),
    "405": (200, (), {"path": "/predict"}, "GET /predict (Host: api) got status 405 from api-1"),
    "401": (401, (), {}, "GET /ready (Host: api) got status 401 from api-1"),
    "403": (403, (), {}, "GET /ready (Host: api) got status 403 from api-1"),
    "a host that it does not know": (
        200,
        ("myapi.example",),
        {},
        "got status 400 from api-1; lab_api_ready_host is api",
    ),
}


def wait_for(
    docker: Docker,
    socket_path: str,
    check: ReadyCheck,
    settled_seconds: float = 0,
    others: OtherHosts | None = None,
    begun: dict | None = None,
) -> swarm_service.Wait:
    """A wait for a cell of which the service is found, but nothing is deployed; ``begun`` is that of one to go on."""
    request = swarm_service.Deployment(
        stack_name="lab_api",
        service_name="lab_api_api",
        compose_path="",
        replicas=len(docker.recorded),
        nano_cpus=0,
        memory_bytes=0,
        image="kit:1",
        environment={},
        haproxy_socket=socket_path,
        haproxy_backend="api",
        ready_check=check,
        settled_seconds=settled_seconds,
        timeout_seconds=120,
        remove_timeout_seconds=60,
        log_lines=40,
    )
    service = swarm_engine.Service(docker, "lab_api_api")
    service.find()
    started = min(swarm_tasks.parse_time(task["CreatedAt"]) for task in docker.recorded)
    record = {"status": "failed", "reason": None, "reason_code": None, "cause": None, "haproxy_up": None}
    return swarm_service.Wait(service, request, record | {"started_at": started} | (begun or {}), others)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_cell_says_what_the_check_got(proxy, name):
    status, hosts, given, words = ANSWERS[name]
    with api("127.0.0.1", status, *hosts) as (port, pid):
        check = ReadyCheck(port, given.get("path", "/ready"), given.get("host", "api"))
        path = proxy(port, **given)
        until(lambda: look(path))
        wait = wait_for(Docker(pid), path, check)
        assert until(wait.step) is True
        wait.finish()
    assert (wait.record["status"], wait.record["reason_code"]) == ("failed", "not_ready")
    assert words in wait.record["reason"]
    assert wait.record["cause"] and wait.record["log_tail"] == ["started"]


def test_the_right_host_makes_it_ready(proxy):
    with api("127.0.0.1", 200, "myapi.example") as (port, pid):
        path = proxy(port, host="myapi.example")
        until(lambda: look(path))
        wait = wait_for(Docker(pid), path, ReadyCheck(port, "/ready", "myapi.example"))
        assert until(wait.step) is True
        wait.finish()
    assert (wait.record["status"], wait.record["reason"], wait.record["cause"]) == ("ready", None, None)


def test_an_api_that_is_not_ready_yet_is_waited_for(proxy):
    def ended_now() -> dict | None:
        """The record of a wait that ends here. None where a check runs at this moment: it hides the status."""
        wait = wait_for(Docker(pid), path, ReadyCheck(port, "/ready", "api"))
        assert [wait.step() for _ in range(3)] == [None] * 3
        wait.finish()
        return None if "* L7STS" in wait.record["reason"] else wait.record

    with api("127.0.0.1", 503) as (port, pid):
        path = proxy(port)
        until(lambda: look(path))
        record = until(ended_now)
    assert record["cause"] is None
    # The setting that gives a slow model more time.
    limit = r"not ready after 120 s \(lab_api_ready_timeout_seconds\): (\d) of \1 replicas run; "
    assert re.match(limit, record["reason"]), record["reason"]
    found = re.search(
        r"GET /ready \(Host: api\) passes for 0 of \d replicas: api-1 \S+.* \(status 503 \(Service Unavailable\)\)",
        record["reason"],
    )
    assert found, record["reason"]


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("address", "port", "words"),
    [
        ("0.0.0.0", 5000, "replica 1 listens on 5000; lab_api_port is {port}"),
        ("::", 5000, "replica 1 listens on 5000; lab_api_port is {port}"),
        ("127.0.0.1", None, "replica 1 listens on 127.0.0.1:{port} alone"),
    ],
)
def test_a_listener_that_haproxy_cannot_reach_is_named(proxy, address, port, words):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        wanted = closed.getsockname()[1]
    if address == "::" and not Path("/proc/net/tcp6").exists():
        pytest.skip("no IPv6 on this machine")
    with in_a_network_of_its_own(address, port or wanted) as process:
        path = proxy(wanted)
        until(lambda: look(path))
        wait = wait_for(Docker(process.pid), path, ReadyCheck(wanted, "/ready", "api"))
        assert until(wait.step) is True
        wait.finish()
    assert words.format(port=wanted) in wait.record["reason"]
    assert wait.record["cause"] == words.format(port=wanted).partition("replica 1 ")[2] + (
        "" if port else ", which only its own container reaches; the API must listen on 0.0.0.0"
    )


@contextlib.contextmanager
def in_a_network_of_its_own(address: str, port: int) -> Iterator[subprocess.Popen]:
    """A process that listens in a network of its own, as a container has one, and then on each port of its input."""
    up = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    command = [*up, sys.executable, "-c", LISTEN, address, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "listens\n"
            yield process
        finally:
            process.kill()


LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
servers = [socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)]
print("listens", flush=True)
for line in sys.stdin:
    servers.append(socket.create_server((sys.argv[1], int(line)), family=family))
"""


# --- Replicas on other API hosts --------------------------------------------------------------------------------------

REMOTE = [TASKS["ready"][0] | {"NetworksAttachments": [{"Addresses": ["10.0.1.5/24"]}]}]
CONTAINER = REMOTE[0]["Status"]["ContainerStatus"]["ContainerID"]
ELSEWHERE = {CONTAINER: "listens on 5000; lab_api_port is 8000"}


def asked_at(others: OtherHosts, seen: dict[float, tuple[str, dict]]) -> list[float]:
    """The times at which the other hosts would be asked. ``seen`` has a check's result and the ports by the time."""
    due = []
    for now, (result, listeners) in seen.items():
        assert others.observe([server(result, None)], REMOTE, listeners, now) is None
        due += [now] if others.is_due else []
    return due


NAME = swarm_tasks.name_of(REMOTE[0])
UNREAD = {NAME: None}


@pytest.mark.parametrize(
    ("are_there", "asked", "seen", "due"),
    [
        (True, 0, {0.0: ("L4CON", UNREAD), 9.9: ("L4CON", UNREAD), 10.0: ("L4CON", UNREAD)}, [10.0]),
        # Each further time takes twice as long.
        (True, 1, {0.0: ("L4CON", UNREAD), 19.9: ("L4CON", UNREAD), 20.0: ("L4CON", UNREAD)}, [20.0]),
        (True, 3, {0.0: ("L4CON", UNREAD), 79.0: ("L4CON", UNREAD), 80.0: ("L4CON", UNREAD)}, [80.0]),
        # HAProxy was connected meanwhile.
        (True, 0, {0.0: ("L4CON", UNREAD), 5.0: ("L7STS", UNREAD), 10.0: ("L4CON", UNREAD)}, []),
        # There is no other host, or the replica is on the manager.
        (False, 0, {0.0: ("L4CON", UNREAD), 1000.0: ("L4CON", UNREAD)}, []),
        (True, 0, {0.0: ("L4CON", {NAME: []}), 1000.0: ("L4CON", {NAME: []})}, []),
        (True, 0, {0.0: ("L7STS", UNREAD), 1000.0: ("L7STS", UNREAD)}, []),
    ],
)
def test_other_hosts_are_asked_when_haproxy_cannot_connect_to_their_replicas(are_there, asked, seen, due):
    assert asked_at(OtherHosts(10, are_there, asked), seen) == due


def test_the_time_before_other_hosts_are_asked_begins_again_after_a_break():
    others = OtherHosts(10, True)
    assert asked_at(others, {0.0: ("L4CON", UNREAD)}) == []
    others.interrupt()
    assert asked_at(others, {10.0: ("L4CON", UNREAD), 20.0: ("L4CON", UNREAD)}) == [20.0]
    assert others.question() == {"unread": [CONTAINER], "asked": 1}


def test_what_another_host_found_counts_while_haproxy_cannot_connect():
    found = OtherHosts(10, True, 1, ELSEWHERE)
    assert found.observe([server("L7STS", 503)], REMOTE, UNREAD, 0.0) is None
    refusal = found.observe([server("L4CON", None)], REMOTE, UNREAD, 1.0)
    assert (refusal.cause, refusal.replica) == (ELSEWHERE[CONTAINER], NAME)
    # A new replica has not been looked at.
    other = OtherHosts(10, True, 1, {64 * "0": ELSEWHERE[CONTAINER]})
    assert other.observe([server("L4CON", None)], REMOTE, UNREAD, 0.0) is None


def test_a_server_is_that_of_the_replica_with_its_address():
    """The replica on the other host is fine, and that on the manager refuses."""
    task = REMOTE[0] | {"NetworksAttachments": [{"Addresses": ["10.0.1.9/24"]}]}
    others = OtherHosts(0, True)
    for _ in range(2):
        assert others.observe([server("L4CON", None)], [task], UNREAD, 0.0) is None
    assert not others.is_due
    others.observe([Server("api-1", "DOWN", "L4CON", "10.0.1.9")], [task], UNREAD, 0.0)
    assert others.is_due


@NEEDS_ROOT
def test_a_listener_on_another_host_ends_the_wait_with_the_same_cause(proxy):
    """The wait stops, the other host looks at its own process, and the wait goes on with what it found."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        wanted = closed.getsockname()[1]
    check = ReadyCheck(wanted, "/ready", "api")
    docker = Docker(None)
    containers = [task["Status"]["ContainerStatus"]["ContainerID"] for task in docker.recorded]
    with in_a_network_of_its_own("0.0.0.0", 5000) as process:
        path = proxy(wanted)
        until(lambda: look(path))
        first = wait_for(docker, path, check, others=OtherHosts(0, True))
        assert until(first.step) is True
        first.finish()
        assert (first.record["status"], first.record["reason"]) == ("undecided", None)
        assert set(first.record["unread"]) == set(containers)
        found = watch(dict.fromkeys(containers, process.pid), wanted, 0)
        then = wait_for(docker, path, check, others=OtherHosts(0, True, first.record["asked"], found))
        assert until(then.step) is True
        then.finish()
    assert (then.record["status"], then.record["reason_code"]) == ("failed", "not_ready")
    assert then.record["cause"] == f"listens on 5000; lab_api_port is {wanted}"
    assert then.record["log_tail"] == ["started"]


def test_a_killed_replica_on_another_host_is_asked_about_once():
    """Exit code 137 is any SIGKILL. The host of the replica alone knows whether memory was the reason."""
    for others, asks in [
        (OtherHosts(10, True), True),
        (OtherHosts(10, True, asked=1), False),
        (OtherHosts(10, False), False),
    ]:
        assert others.ask_about("aaa") is asks
        assert others.is_due is asks
        assert others.unread == (["aaa"] if asks else [])
    assert OtherHosts(10, True, 1, killed=["aaa"]).killed == {"aaa"}


@NEEDS_ROOT
def test_the_look_of_another_host_ends_when_the_port_is_served():
    with in_a_network_of_its_own("0.0.0.0", 5000) as process:
        assert watch({"a": process.pid}, 5000, 600) == {}
        assert watch({}, 8000, 600) == {}
        wrong = {"a": "listens on 5000; lab_api_port is 8000"}
        assert watch({"a": process.pid, "b": 2**22 + 1}, 8000, 0.6) == wrong
        looks = []

        def read(pid: int) -> list[Listener] | None:
            looks.append(pid)
            if len(looks) == 2:
                process.stdin.write("8000\n")
                process.stdin.flush()
                until(lambda: len(listeners_of(pid)) == 2)
            return listeners_of(pid)

        assert watch({"a": process.pid}, 8000, 600, read) == {}
        assert len(looks) == 2


def test_the_wait_for_the_inventorys_api_asks_other_hosts_too(proxy):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        wanted = closed.getsockname()[1]
    path = proxy(wanted)
    until(lambda: look(path))
    check, docker = ReadyCheck(wanted, "/ready", "api"), Docker(None)
    serving = swarm_stack.Serving(path, "api", 1, check, 0, OtherHosts(0, True))
    swarm_stack.wait_for_stack(docker, "lab_api", {"api": 1}, 0, PATIENCE_SECONDS, 40, 3, serving)
    question = serving.others.question()
    assert serving.others.is_due and CONTAINER in question["unread"]
    found = dict.fromkeys(question["unread"], "listens on 5000; lab_api_port is 8000")
    then = swarm_stack.Serving(path, "api", 1, check, 0, OtherHosts(0, True, 1, found))
    problem, _ = swarm_stack.wait_for_stack(
        docker, "lab_api", {"api": 1}, 0, PATIENCE_SECONDS, 40, 3, then, time.time() - 5
    )
    # It began five seconds before.
    assert int(re.search(r"has not converged after (\d+) s\.\n", problem)[1]) >= 5
    assert "listens on 5000; lab_api_port is 8000" in problem


# --- The API of the inventory -----------------------------------------------------------------------------------------


def test_the_wait_for_the_inventorys_api_ends_too(proxy):
    with api("127.0.0.1", 200) as (port, pid):
        path = proxy(port, path="/missing")
        until(lambda: look(path))
        serving = swarm_stack.Serving(path, "api", 1, ReadyCheck(port, "/missing", "api"), 0)
        problem, (service,) = swarm_stack.wait_for_stack(
            Docker(pid), "lab_api", {"api": 1}, 0, PATIENCE_SECONDS, 40, 3, serving
        )
    assert problem.splitlines()[1:] == [
        "GET /missing (Host: api) got status 404 from api-1; lab_api_ready_path is /missing"
    ]
    assert service["running"] == 1
