"""Verdicts over task documents as the Docker Engine API gives them (GET /tasks)."""

from __future__ import annotations

import pytest
from ansible.module_utils import swarm_tasks

SERVICE = "9mnpnzenvg8p8tdbtq4wvbkcz"
NODE = "60gvrl6tm78dmak4yl7srz94v"
# The time from which the tasks below count, as epoch seconds: 2026-11-22T12:00:00Z.
START = 1795348800.0
CONTAINER = "e5d62702a1b48d01c3e02ca1e0212a250801fa8d67caca0b6f35919ebc12f035"


def task(
    slot=1, state="running", created=0.0, err="", exit_code=None, desired=None, container=None, changed=None, **more
):
    """A task document. `created` and `changed` are seconds after START."""
    stamp = "2026-11-22T12:00:{:012.9f}Z"
    status = {"Timestamp": stamp.format(created if changed is None else changed), "State": state, "Message": "started"}
    if err:
        status["Err"] = err
    if container or exit_code is not None:
        status["ContainerStatus"] = {"ContainerID": container or CONTAINER, "PID": 0, "ExitCode": exit_code or 0}
    ended = state in swarm_tasks.TERMINAL
    document = {
        "ID": f"{slot}at{created:g}",
        "Version": {"Index": 71},
        "CreatedAt": stamp.format(created),
        "UpdatedAt": stamp.format(created),
        "Spec": {
            "ContainerSpec": {"Image": "swarmsweep/api:1f0c9b2", "Env": ["API_WORKERS=2"]},
            "Resources": {"Limits": {"NanoCPUs": 500000000, "MemoryBytes": 67108864}},
            "RestartPolicy": {"Condition": "any", "Delay": 1000000000, "MaxAttempts": 2},
            "ForceUpdate": 0,
        },
        "ServiceID": SERVICE,
        "Slot": slot,
        "NodeID": NODE,
        "Status": status,
        "DesiredState": desired or ("shutdown" if ended else "running"),
        "NetworksAttachments": [
            {"Network": {"ID": "4qvuz4ko70xaltuqbt8956gd1"}, "Addresses": [f"10.0.1.{slot + 4}/24"]}
        ],
    }
    return {**document, **more}


def died(slot, created, code, **more):
    return task(slot, "failed", created, f"task: non-zero exit ({code})", code, **more)


CPUS = "range of CPUs is from 0.01 to 1.00, as there are only 1 CPUs available"
ROOM = "no suitable node (insufficient resources on 1 node)"
UNHEALTHY = "task: non-zero exit (137): dockerexec: unhealthy container"
NETWORK = "could not find an available IP while allocating VIP"

CASES = [
    # name, tasks, replicas, now after START, OOM evidence, state, running, code, words of the reason
    ("nothing yet", [], 2, 1, [], "converging", 0, None, []),
    ("all run", [task(1), task(2)], 2, 1, [], "running", 2, None, []),
    ("one still starts", [task(1), task(2, "starting")], 2, 1, [], "converging", 1, None, []),
    ("one is not there yet", [task(1)], 2, 1, [], "converging", 1, None, []),
    ("too many run", [task(1), task(2), task(3)], 2, 1, [], "converging", 3, None, []),
    ("running but told to stop", [task(1, desired="shutdown")], 1, 1, [], "converging", 0, None, []),
    ("refused for good", [task(1, "rejected", err=CPUS), task(1, "ready", 0.5)],
     1, 1, [], "failed", 0, "rejected", ["replica 1", CPUS]),
    ("no such image", [task(1, "rejected", err="No such image: nope:1")],
     1, 1, [], "failed", 0, "rejected", ["nope:1"]),
    ("refused once, may pass", [task(1, "rejected", err=NETWORK), task(1, "starting", 1)],
     1, 2, [], "converging", 0, None, []),
    ("refused twice", [task(1, "rejected", err=NETWORK), task(1, "rejected", 1, err=NETWORK)],
     1, 2, [], "failed", 0, "rejected", [NETWORK]),
    ("no room for a moment", [task(1, "pending", err=ROOM)], 1, 19, [], "converging", 0, None, []),
    ("no room", [task(1), task(2, "pending", err=ROOM)],
     2, 21, [], "failed", 1, "rejected", ["replica 2", "21 s", ROOM]),
    ("OOM at the first death", [died(1, 0, 137), task(1, "ready", 0.5)],
     1, 1, [CONTAINER], "failed", 0, "oom", ["replica 1", "memory limit of 64M", "137"]),
    ("OOM of a worker in a living replica", [task(1, container=CONTAINER), task(2, container="other")],
     2, 1, [CONTAINER], "failed", 2, "oom", ["killed a process inside"]),
    ("137 once, no evidence", [died(1, 0, 137), task(1, "ready", 0.5)], 1, 1, [], "converging", 0, None, []),
    ("137 twice, no evidence", [died(1, 0, 137), died(1, 3, 137)],
     1, 4, [], "failed", 0, "crash", ["killed (exit 137)", "nothing indicates that memory", "2 times"]),
    ("one death, restarted", [died(1, 0, 1), task(1, "running", 2)], 1, 3, [], "running", 1, None, []),
    ("deaths of two slots are no loop", [died(1, 0, 1), task(1, "running", 2), died(2, 0, 1), task(2, "running", 2)],
     2, 3, [], "running", 2, None, []),
    ("crash loop", [died(1, 0, 3), died(1, 2, 3), task(1, "ready", 3), task(2)],
     2, 3, [], "failed", 1, "crash", ["code 3", "uvicorn", "2 times"]),
    ("ends by itself again and again", [task(1, "complete", 0, exit_code=0), task(1, "complete", 2, exit_code=0)],
     1, 3, [], "failed", 0, "crash", ["code 0", "ended by itself"]),
    ("dead without a replacement", [died(1, 0, 1)], 1, 4, [], "failed", 0, "crash", ["code 1", "does not restart"]),
    ("dead, the replacement may come", [died(1, 0, 1)], 1, 1, [], "converging", 0, None, []),
    ("health check", [task(1, "failed", 0, UNHEALTHY, 137), task(1, "failed", 3, UNHEALTHY, 137)],
     1, 4, [], "failed", 0, "crash", ["health check failed"]),
    ("command not found", [task(1, "failed", n, "starting container failed: exec: nope", 127) for n in (0, 2)],
     1, 4, [], "failed", 0, "rejected", ["did not start: exec: nope"]),
    ("exit 127 of a program that ran", [died(1, 0, 127), died(1, 2, 127)],
     1, 4, [], "failed", 0, "crash", ["127", "command not found"]),
    ("order of documents does not matter", [task(1, "running", 9), died(1, 2, 1)], 1, 10, [], "running", 1, None, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "replicas", "after", "oom", "state", "running", "code", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_judge(tasks, replicas, after, oom, state, running, code, words):
    verdict = swarm_tasks.assess(tasks, replicas, START + after, frozenset(oom))
    assert (verdict.state, verdict.running, verdict.reason_code) == (state, running, code)
    assert (verdict.reason is None) == (code is None)
    for word in words:
        assert word in verdict.reason
    assert (verdict.task_id in {task["ID"] for task in tasks}) == (code is not None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-22T12:00:00Z", START),
        ("2026-11-22T12:00:00.5Z", START + 0.5),
        ("2026-11-22T12:00:00.123456789Z", START + 0.123456789),
        ("2026-11-22T13:00:00.25+01:00", START + 0.25),
    ],
)
def test_parse_time(text, seconds):
    assert swarm_tasks.parse_time(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22 12:00:00"])
def test_parse_time_refuses(text):
    with pytest.raises(ValueError, match="RFC 3339"):
        swarm_tasks.parse_time(text)


def test_shorter_fractions_are_not_sorted_as_text():
    older, newer = task(1, "failed", 0.12, exit_code=1), task(1, "running", 0.123)
    older["CreatedAt"], newer["CreatedAt"] = "2026-11-22T12:00:00.12Z", "2026-11-22T12:00:00.123Z"
    assert swarm_tasks.newest_per_slot([newer, older]) == [newer]


def test_addresses():
    assert swarm_tasks.addresses_of(task(2)) == {"10.0.1.6"}
    assert swarm_tasks.addresses_of(task(2, NetworksAttachments=None)) == frozenset()


# --- after a load -----------------------------------------------------------------------------------------------------

DEPLOYED = {
    "started_at": START,
    "ready_at": START + 5,
    "containers": [{"id": "c1", "task_id": "1at1"}, {"id": "c2", "task_id": "2at1"}],
}
# Case, tasks, containers with an OOM kill, (restarts, changed, exit codes), code, words of the reason, index of the
# task whose log explains it.
SURVIVALS = [
    ("all lived", [task(1, created=1, container="c1"), task(2, created=1, container="c2")],
     [], (0, False, []), None, [], None),
    ("a death before they were ready does not count", [died(1, 0, 1), task(1, created=1, container="c1"),
     task(2, created=1, container="c2")],
     [], (0, False, []), None, [], None),
    ("killed for memory", [died(1, 1, 137, container="c1"), task(1, created=20, container="c3"),
     task(2, created=1, container="c2")],
     ["c1"], (1, True, [137]), "oom", ["under load replica 1", "64M", "replaced: 1"], 0),
    ("crashed and not replaced", [task(1, created=1, container="c1"), died(2, 1, 139, container="c2")],
     [], (0, True, [139]), "crash", ["replica 2", "SIGSEGV"], 1),
    ("died twice", [died(1, 1, 1, container="c1"), died(1, 20, 1, container="c3"),
     task(1, created=30, container="c4"), task(2, created=1, container="c2")],
     [], (2, True, [1, 1]), "crash", ["replaced: 2"], 0),
    ("a worker was killed inside", [task(1, created=1, container="c1"), task(2, created=1, container="c2")],
     ["c2"], (0, False, []), "oom", ["killed a process inside"], 1),
    ("gone without a trace", [task(1, created=1, container="c1")], [], (0, True, []), "crash", ["disappeared"], None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "oom", "figures", "code", "words", "whose_log"),
    [pytest.param(*case[1:], id=case[0]) for case in SURVIVALS],
)
def test_survival(tasks, oom, figures, code, words, whose_log):
    survival = swarm_tasks.compare_with_deployment(tasks, DEPLOYED)
    assert (survival.restarts, survival.changed, survival.exit_codes) == figures
    alive = [one for one in tasks if swarm_tasks.is_running(one)]
    found, reason, task_id = swarm_tasks.explain_survival(survival, alive, frozenset(oom))
    assert found == code
    assert (reason is None) == (code is None)
    for word in words:
        assert word in reason
    assert task_id == (None if whose_log is None else tasks[whose_log]["ID"])


# --- a platform's services --------------------------------------------------------------------------------------------


def service(mode, policy="any", update=None):
    spec = {"Name": "lab_mlflow", "Mode": mode, "TaskTemplate": {"RestartPolicy": {"Condition": policy}}}
    document = {"ID": SERVICE, "Spec": spec}
    return {**document, "UpdateStatus": {"State": update, "Message": "update in progress"}} if update else document


ONE = {"Replicated": {"Replicas": 1}}
STATES = [
    ("runs", service(ONE), [task(1)], (1, 1, True, False)),
    ("starts", service(ONE), [task(1, "preparing")], (1, 0, False, False)),
    ("no task yet", service(ONE), [], (1, 0, False, False)),
    ("scaled to nothing", service({"Replicated": {"Replicas": 0}}), [], (0, 0, True, False)),
    ("crashes, may recover", service(ONE), [died(1, 0, 1), task(1, "starting", 5)], (1, 0, False, False)),
    ("recovered", service(ONE), [died(1, 0, 1), task(1, "running", 5)], (1, 1, True, False)),
    ("refused", service(ONE), [task(1, "rejected", 0, "No such image: x:1"), task(1, "ready", 5)], (1, 0, False, True)),
    ("updating", service(ONE, update="updating"), [task(1)], (1, 1, False, False)),
    ("updated", service(ONE, update="completed"), [task(1)], (1, 1, True, False)),
    ("paused and running all the same", service(ONE, update="paused"), [task(1)], (1, 1, True, False)),
    ("being rolled back", service(ONE, update="rollback_started"), [task(1)], (1, 1, False, False)),
    ("rolled back", service(ONE, update="rollback_completed"), [task(1)], (1, 1, False, True)),
    ("rolled back half-way", service(ONE, update="rollback_paused"), [task(1, "starting")], (1, 0, False, True)),
    ("global on two nodes",
     service({"Global": {}}), [task(0, NodeID="a", ID="a"), task(0, NodeID="b", ID="b")], (2, 2, True, False)),
    ("global, one starts", service({"Global": {}}),
     [task(0, NodeID="a", ID="a"), task(0, "starting", NodeID="b", ID="b")], (2, 1, False, False)),
    ("a job that is done", service(ONE, policy="none"), [task(1, "complete", 0, exit_code=0)], (1, 1, True, False)),
    ("a server that ended", service(ONE), [task(1, "complete", 0, exit_code=0)], (1, 0, False, False)),
]  # fmt: skip


@pytest.mark.parametrize(("service", "tasks", "expected"), [pytest.param(*case[1:], id=case[0]) for case in STATES])
def test_assess_service(service, tasks, expected):
    state = swarm_tasks.assess_service(service, tasks)
    assert (state.wanted, state.running, state.converged, state.hopeless) == expected


@pytest.mark.parametrize("update", ["rollback_completed", "rollback_paused"])
def test_a_rolled_back_update_says_so(update):
    state = swarm_tasks.assess_service(service(ONE, update=update), [task(1)])
    assert state.rolled_back
    assert state.error == f"update {update}: update in progress"


@pytest.mark.parametrize(
    ("tasks", "culprit"),
    [
        ([task(1)], None),
        ([task(1, "shutdown", 0), died(1, 5, 137), task(1, created=9)], "1at5"),
        ([died(1, 5, 137), died(2, 7, 3), task(1, created=9)], "2at7"),
        ([task(1, "rejected", 5, "No such image: x:1"), task(1, created=9)], "1at5"),
        ([task(1, "rejected", 5, "No such image: x:1"), task(1, "complete", 6, exit_code=0)], "1at5"),
        ([task(1, "complete", 6, exit_code=0), task(1, created=9)], "1at6"),
    ],
)
def test_the_newest_death_is_why_an_update_was_rolled_back(tasks, culprit):
    found = swarm_tasks.find_culprit(tasks)
    assert (found and found["ID"]) == culprit


def test_tasks_of_other_services_do_not_count():
    state = swarm_tasks.assess_service(service(ONE), [task(1, ServiceID="other")])
    assert (state.running, state.converged) == (0, False)


def test_the_newest_error_is_reported():
    tasks = [task(1, "failed", 0, "old", 1), task(1, "failed", 5, "new", 1)]
    state = swarm_tasks.assess_service(service(ONE), tasks, wanted=1)
    assert (state.error, state.task_id) == ("new", "1at5")
