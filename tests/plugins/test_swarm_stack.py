"""When the wait for a stack ends, and its message, with recorded tasks of Docker 20.10 and a real socket.

The service is that of a recorded roll-out that went well, with the identity and the tasks of another recording.
"""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path

import pytest
from ansible.module_utils import swarm_stack, swarm_tasks
from ansible.module_utils.ready_check import ReadyCheck

DATA = Path(__file__).parent / "data"
TASKS = json.loads((DATA / "tasks-docker-20.10.json").read_text())
SERVICE = json.loads((DATA / "updates-docker-20.10.json").read_text())["updated"]["service"]
STAT = (DATA / "haproxy-2.6-two-up.csv").read_text()

pytest.importorskip("docker", reason="the Docker SDK for Python is needed for its exceptions")


class Replay:
    """Responds as Docker did. ``kills`` are the containers with an OOM kill."""

    def __init__(self, scenario: str, kills: bool = False) -> None:
        self.recorded = TASKS[scenario]
        dead = [task for task in self.recorded if swarm_tasks.exit_code_of(task) == 137]
        self.kills = [swarm_tasks.container_id_of(task) for task in dead] if kills else []

    def services(self, filters):
        policy = {"TaskTemplate": {"RestartPolicy": {"Condition": "any"}}}
        return [SERVICE | {"ID": self.recorded[0]["ServiceID"], "Spec": SERVICE["Spec"] | policy, "UpdateStatus": None}]

    def tasks(self, filters=None):
        return self.recorded

    def events(self, **_options):
        return [{"Actor": {"ID": container}} for container in self.kills]

    def inspect_container(self, container_id):
        return {"Id": container_id, "State": {"Running": False}}

    def logs(self, container_id, **_options):
        return b"last words\n"


def watch(replay, most_deaths, since="start", serving=None):
    """A watch that began before the first task was made, or after the last had changed."""
    found = swarm_stack.StackWatch(replay, "lab_api", {"api": len(replay.recorded)}, 0, most_deaths, serving)
    times = [swarm_tasks.parse_time(task["Status"]["Timestamp"]) for task in replay.recorded]
    found.started = min(times) - 1 if since == "start" else max(times) + 1
    return found


@pytest.mark.parametrize(
    ("scenario", "kills", "most_deaths", "given_up"),
    [
        ("crash", False, 2, True),
        ("crash", False, 3, False),
        ("crash", False, 0, False),
        # One OOM kill is enough. The exit code alone is not evidence.
        ("oom", True, 3, True),
        ("oom", True, 0, False),
        ("oom", False, 3, False),
    ],
)
def test_a_replica_that_dies_too_often_ends_the_wait(scenario, kills, most_deaths, given_up):
    found = watch(Replay(scenario, kills), most_deaths)
    found.step()
    assert found.given_up is given_up


@pytest.mark.parametrize(("scenario", "kills"), [("crash", False), ("oom", True)])
def test_deaths_of_long_ago_end_nothing(scenario, kills):
    found = watch(Replay(scenario, kills), 1, since="end")
    found.step()
    assert found.given_up is False


@pytest.mark.parametrize(
    ("scenario", "kills", "code", "words"),
    [
        ("crash", False, "crash", "exited with code 3 (uvicorn: application startup failed)"),
        ("oom", True, "oom", "needed more than its memory limit of 64M: killed by the kernel (exit 137, OOM)"),
        ("oom", False, "crash", "was killed (exit 137), but nothing indicates that memory was the reason"),
        ("no-image", False, "rejected", "was rejected by its node: No such image: nope:1"),
        (
            "no-room",
            False,
            "rejected",
            "found no node for replica 2: no suitable node (insufficient resources on 1 node)",
        ),
        ("start-failed", False, "rejected", "did not start: exec:"),
    ],
)
def test_the_reason_is_that_of_the_replica(scenario, kills, code, words):
    found = watch(Replay(scenario, kills), 3)
    found.step()
    (state,) = found.unconverged()
    assert found.reason(state)[0] == code
    assert words in found.reason(state)[1]


def test_what_is_waited_for_is_in_the_result(monkeypatch):
    replay = Replay("crash")
    monkeypatch.setattr(swarm_stack.time, "time", lambda: 0.0)
    problem, (service,) = swarm_stack.wait_for_stack(replay, "lab_api", {"api": 2}, 0, 60, 40, most_deaths=2)
    assert service["reason_code"] == "crash"
    assert service["reason"] in problem
    assert problem.endswith("    last words")


@pytest.fixture
def haproxy(tmp_path):
    """A socket that returns a recorded `show stat` to every command."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(STAT.encode())

    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "haproxy.sock"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address
        server.shutdown()


def serving(path, servers_up):
    return swarm_stack.Serving(path, "api", servers_up, ReadyCheck(8000, "/ready", "api"), 10)


def test_replicas_that_haproxy_calls_up_are_enough(haproxy):
    found = watch(Replay("two-ready"), 3, serving=serving(haproxy, 2))
    assert (found.step(), found.not_serving) == (True, None)


def test_running_replicas_are_not_enough_where_haproxy_is_checked(haproxy):
    found = watch(Replay("two-ready"), 3, serving=serving(haproxy, 3))
    assert found.step() is None
    assert found.not_serving.startswith("2 of 3 servers of HAProxy's backend api are up: ")
    assert found.explain(40) == found.not_serving


# The check fails because the replica is dead, and the user must read that reason.
def test_a_death_explains_why_haproxy_sees_nothing(haproxy):
    found = watch(Replay("oom", kills=True), 3, serving=serving(haproxy, 1))
    assert found.step() is True
    assert "needed more than its memory limit of 64M" in found.explain(40)


def test_a_silent_haproxy_is_named(tmp_path):
    found = watch(Replay("two-ready"), 3, serving=serving(str(tmp_path / "none.sock"), 2))
    assert found.step() is None
    assert "HAProxy does not respond" in found.explain(40)
