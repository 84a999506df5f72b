"""Judge the tasks of a Swarm service: whether the replicas run, and if they never will, why.

Pure functions of the task documents of the Docker Engine API (GET /tasks). Nothing here queries Docker.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.memory_text import round_memory

Task = Mapping[str, Any]

TERMINAL = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
DEAD = frozenset({"complete", "failed"})

# The scheduler retries without end. By then, it has seen the removal of everything that could make room.
UNPLACED_SECONDS = 20.0
# Swarm makes the replacement of a dead task at once, and only starts it later. Without one by then, none will follow.
ABANDONED_SECONDS = 3.0
# States of a roll-out that Swarm took back, completely or in part.
ROLLED_BACK = ("rollback_completed", "rollback_paused")
TAKEN_BACK = "update rollback_completed: rollback completed"
# Refusals that a retry cannot fix. Others may pass, such as a network that is still being removed.
PERMANENT_REFUSAL = re.compile(
    r"range of CPUs|no such image|minimum memory limit|invalid|pull access denied|manifest unknown|"
    r"executable file not found|bind source path does not exist|permission denied",
    re.IGNORECASE,
)
START_FAILURE = "starting container failed"
RUNTIME_LAYERS = re.compile(
    r"(starting container failed|failed to create (shim )?task( for container)?|OCI runtime create failed|"
    r"runc create failed|unable to start container process|error during container init): "
)
# Meaning of a process's exit code by convention (128 + signal) and for uvicorn (uvicorn/main.py).
EXIT_MEANINGS = {
    0: "it ended by itself",
    1: "error",
    3: "uvicorn: application startup failed",
    126: "command not executable",
    127: "command not found",
    132: "SIGILL, the processor lacks an instruction the program uses",
    134: "SIGABRT",
    135: "SIGBUS",
    137: "SIGKILL",
    139: "SIGSEGV",
    143: "SIGTERM",
}


@dataclass(frozen=True)
class Verdict:
    """state: converging, running or failed. task_id: the task whose log explains a failure."""

    state: str
    running: int
    reason_code: str | None = None
    reason: str | None = None
    task_id: str | None = None


def parse_time(text: str) -> float:
    """Return the epoch seconds of Docker's RFC 3339 time with up to nine decimals. Raises ValueError."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    whole, fraction, zone = match.groups()
    moment = datetime.datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
    return moment.timestamp() + float(fraction or 0)


def state_of(task: Task) -> str:
    return task["Status"]["State"]


def container_id_of(task: Task) -> str | None:
    return (task["Status"].get("ContainerStatus") or {}).get("ContainerID") or None


def exit_code_of(task: Task) -> int | None:
    """Return the exit code of a task that has ended. None before that, and for a task that never started."""
    if state_of(task) not in TERMINAL:
        return None
    return (task["Status"].get("ContainerStatus") or {}).get("ExitCode")


def error_of(task: Task) -> str:
    return task["Status"].get("Err") or ""


def addresses_of(task: Task) -> frozenset[str]:
    """Return the addresses of a task in its overlay networks, without the prefix length."""
    attachments = task.get("NetworksAttachments") or []
    return frozenset(
        address.partition("/")[0] for attachment in attachments for address in attachment.get("Addresses") or []
    )


def slot_of(task: Task) -> int | str:
    """Return what a replacement inherits: the slot number, or the node for a global service."""
    return task.get("Slot") or task.get("NodeID") or task["ID"]


def name_of(task: Task) -> str:
    return f"replica {slot_of(task)}"


def group_by_slot(tasks: Iterable[Task]) -> dict[int | str, list[Task]]:
    """Return the tasks of each slot, oldest first."""
    slots: dict[int | str, list[Task]] = defaultdict(list)
    for task in sorted(tasks, key=lambda task: parse_time(task["CreatedAt"])):
        slots[slot_of(task)].append(task)
    return dict(slots)


def newest_per_slot(tasks: Iterable[Task]) -> list[Task]:
    return [group[-1] for group in group_by_slot(tasks).values()]


def is_running(task: Task) -> bool:
    return state_of(task) == "running" and task["DesiredState"] == "running"


def limit_of(task: Task) -> int | None:
    resources = (task.get("Spec") or {}).get("Resources") or {}
    return (resources.get("Limits") or {}).get("MemoryBytes") or None


def explain_oom(task: Task) -> str:
    limit = limit_of(task)
    allowed = f"its memory limit of {round_memory(limit)}" if limit else "the memory of the machine"
    if state_of(task) in TERMINAL:
        return f"{name_of(task)} needed more than {allowed}: killed by the kernel (exit 137, OOM)"
    return f"{name_of(task)} needed more than {allowed}: the kernel killed a process inside it (OOM)"


def never_started(task: Task) -> bool:
    """Return whether the container of a dead task could not even be started. Its exit code then means nothing."""
    code = exit_code_of(task)
    return code is None or code < 0 or START_FAILURE in error_of(task)


def shorten_error(error: str) -> str:
    """Return Docker's error without the names of the layers that it passed through."""
    return RUNTIME_LAYERS.sub("", error)


def explain_death(task: Task) -> str:
    """Explain why a task ended, if it had no known OOM kill."""
    code, error = exit_code_of(task), error_of(task)
    if "unhealthy" in error:
        return f"{name_of(task)} was stopped because its health check failed"
    if code == 137:
        return f"{name_of(task)} was killed (exit 137), but nothing indicates that memory was the reason"
    if never_started(task):
        return (
            f"{name_of(task)} did not start: {shorten_error(error) or task['Status'].get('Message', 'no reason given')}"
        )
    meaning = EXIT_MEANINGS.get(code)
    return f"{name_of(task)} exited with code {code}" + (f" ({meaning})" if meaning else "")


def explain_task(task: Task, oom_containers: frozenset[str]) -> tuple[str, str]:
    """Return (reason_code, reason) of a task that does not run. oom_containers: see `assess`."""
    if container_id_of(task) in oom_containers:
        return "oom", explain_oom(task)
    if state_of(task) == "rejected":
        return "rejected", f"{name_of(task)} was rejected by its node: {error_of(task)}"
    if state_of(task) in TERMINAL:
        return ("rejected" if never_started(task) else "crash"), explain_death(task)
    if state_of(task) == "pending" and error_of(task):
        return "rejected", f"Swarm found no node for {name_of(task)}: {error_of(task)}"
    return "not_ready", f"{name_of(task)} is {state_of(task)} ({task['Status'].get('Message', 'no reason given')})"


def find_refusal(tasks: Iterable[Task]) -> Verdict | None:
    """Find a task that the node refuses: once if no retry can help, else twice in one slot."""
    for group in group_by_slot(tasks).values():
        refused = [task for task in group if state_of(task) == "rejected"]
        if refused and (len(refused) > 1 or PERMANENT_REFUSAL.search(error_of(refused[-1]))):
            reason = f"{name_of(refused[-1])} was rejected by its node: {error_of(refused[-1])}"
            return Verdict("failed", 0, "rejected", reason, refused[-1]["ID"])
    return None


def find_oom(tasks: Iterable[Task], oom_containers: frozenset[str]) -> Verdict | None:
    """Find a replica with an OOM kill. A retry cannot end differently, so the first one decides."""
    for task in tasks:
        if container_id_of(task) in oom_containers:
            return Verdict("failed", 0, "oom", explain_oom(task), task["ID"])
    return None


def find_crash(tasks: Iterable[Task], now: float) -> Verdict | None:
    """Find a slot whose replica died twice, or died once without a replacement. One death may be chance."""
    for group in group_by_slot(tasks).values():
        dead = [task for task in group if state_of(task) in DEAD]
        if not dead:
            continue
        last = dead[-1]
        code = "rejected" if never_started(last) else "crash"
        if len(dead) > 1:
            reason = f"{explain_death(last)}; {len(dead)} times since its deployment"
            return Verdict("failed", 0, code, reason, last["ID"])
        if last is group[-1] and now - parse_time(last["Status"]["Timestamp"]) > ABANDONED_SECONDS:
            return Verdict("failed", 0, code, f"{explain_death(last)}; Swarm does not restart it", last["ID"])
    return None


def find_unplaced(tasks: Iterable[Task], now: float) -> Verdict | None:
    """Find a task that no node has room for. Its error may be temporary, so it gets UNPLACED_SECONDS."""
    for task in newest_per_slot(tasks):
        waited = now - parse_time(task["CreatedAt"])
        if state_of(task) == "pending" and error_of(task) and waited > UNPLACED_SECONDS:
            reason = f"Swarm found no node for {name_of(task)} in {waited:.0f} s: {error_of(task)}"
            return Verdict("failed", 0, "rejected", reason, task["ID"])
    return None


def assess(tasks: Iterable[Task], replicas: int, now: float, oom_containers: frozenset[str] = frozenset()) -> Verdict:
    """Return the verdict over all tasks of a freshly deployed service.

    now: epoch seconds of the manager, which also stamps the tasks. oom_containers: ids of containers with evidence that
    the kernel killed a process for memory. The exit code alone is not evidence, because 137 is any SIGKILL.
    """
    tasks = list(tasks)
    newest = newest_per_slot(tasks)
    running = sum(is_running(task) for task in newest)
    failure = (
        find_refusal(tasks) or find_oom(tasks, oom_containers) or find_crash(tasks, now) or find_unplaced(tasks, now)
    )
    if failure is not None:
        return Verdict("failed", running, failure.reason_code, failure.reason, failure.task_id)
    return Verdict("running" if running == replicas == len(newest) else "converging", running)


@dataclass(frozen=True)
class Survival:
    """The outcome of the replicas under load. deaths: tasks that ended since the deployment, in order of time."""

    restarts: int
    changed: bool
    exit_codes: list[int]
    deaths: list[Task]


def compare_with_deployment(tasks: Iterable[Task], deployed: Mapping[str, Any]) -> Survival:
    """Compare the tasks with the deployment record (`containers` with `id` and `task_id`, and `ready_at`).

    A replacement is a task that was made after the replicas were ready. By default, Swarm keeps five old tasks of each
    slot, so a replica that died more often counts as five.
    """
    tasks = sorted(tasks, key=lambda task: parse_time(task["CreatedAt"]))
    known = {container["task_id"] for container in deployed["containers"]}
    ready_at = deployed["ready_at"] or deployed["started_at"]
    replacements = [task for task in tasks if task["ID"] not in known and parse_time(task["CreatedAt"]) >= ready_at]
    ours = [task for task in tasks if task["ID"] in known] + replacements
    deaths = [task for task in ours if state_of(task) in TERMINAL]
    alive = {container_id_of(task) for task in ours if is_running(task)}
    codes = [code for code in map(exit_code_of, deaths) if code is not None]
    changed = any(container["id"] not in alive for container in deployed["containers"])
    return Survival(len(replacements), changed, codes, deaths)


def explain_survival(
    survival: Survival, alive: Iterable[Task], oom_containers: frozenset[str]
) -> tuple[str | None, str | None, str | None]:
    """Return (reason_code, reason, id of the task whose log explains it). All are None if every replica survived.

    alive: the tasks that run now. One of them may have lost a worker process to the kernel without dying itself.
    """
    killed = [task for task in [*survival.deaths, *alive] if container_id_of(task) in oom_containers]
    if killed:
        code, first, reason = "oom", killed[0], explain_oom(killed[0])
    elif survival.deaths:
        code, first, reason = "crash", survival.deaths[0], explain_death(survival.deaths[0])
    elif survival.changed:
        return "crash", "a deployed replica disappeared under load, and Swarm has no record of how it ended", None
    else:
        return None, None, None
    replaced = f"; replicas replaced: {survival.restarts}" if survival.restarts else ""
    return code, f"under load {reason}{replaced}", first["ID"]


@dataclass(frozen=True)
class ServiceState:
    """How far one service of a stack is. error: message of its newest failed task, or the outcome of its update."""

    name: str
    wanted: int
    running: int
    converged: bool
    error: str | None
    task_id: str | None
    hopeless: bool = False
    rolled_back: bool = False
    updating: bool = False


def find_culprit(tasks: Iterable[Task]) -> Task | None:
    """Find the task for which a roll-out was taken back: the newest that died, or that its node refused.

    A task that ended well comes last, because it may be an old replica that was stopped on purpose.
    """
    ended = [task for task in tasks if state_of(task) in DEAD or state_of(task) == "rejected"]
    return max(ended, key=lambda task: (state_of(task) != "complete", parse_time(task["CreatedAt"])), default=None)


def wanted_of(service: Mapping[str, Any], tasks: Iterable[Task]) -> int:
    """Return the replicas that the service should have. A global service has one for each node with a task."""
    mode = service["Spec"]["Mode"]
    if "Replicated" in mode:
        return mode["Replicated"].get("Replicas", 1)
    if "ReplicatedJob" in mode:
        return mode["ReplicatedJob"].get("TotalCompletions", 1)
    return max(1, sum(task["DesiredState"] == "running" for task in newest_per_slot(tasks)))


def assess_service(service: Mapping[str, Any], tasks: Iterable[Task], wanted: int | None = None) -> ServiceState:
    """Return the state of one service from its up-to-date tasks.

    A service that may end (a job, or restart `none` or `on-failure`) counts a completed task as done.
    A service whose update was rolled back is hopeless, even if it runs.
    """
    name = service["Spec"]["Name"]
    tasks = [task for task in tasks if task["ServiceID"] == service["ID"]]
    wanted = wanted_of(service, tasks) if wanted is None else wanted
    newest = newest_per_slot(tasks)
    policy = (service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}).get("Condition", "any")
    may_end = policy != "any" or any(mode.endswith("Job") for mode in service["Spec"]["Mode"])
    done = sum(is_running(task) or (may_end and state_of(task) == "complete") for task in newest)
    update = (service.get("UpdateStatus") or {}).get("State", "")
    updating = update in ("updating", "rollback_started")
    troubled = [task for task in tasks if error_of(task)]
    last = max(troubled, key=lambda task: parse_time(task["CreatedAt"]), default=None)
    error = error_of(last) if last else None
    rolled_back = update in ROLLED_BACK
    if rolled_back or update == "paused":
        error = f"update {update}: {service['UpdateStatus'].get('Message', '')}"
    converged = done == wanted and sum(task["DesiredState"] == "running" or may_end for task in newest) == wanted
    # The old replicas run again, which is not the requested state.
    hopeless = rolled_back or (not converged and find_refusal(tasks) is not None)
    converged = converged and not updating and not rolled_back
    task_id = last["ID"] if last else None
    return ServiceState(name, wanted, done, converged, error, task_id, hopeless, rolled_back, updating)
