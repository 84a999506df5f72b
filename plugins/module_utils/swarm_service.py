"""Deploy one measured Swarm service freshly and wait until it serves requests.

swarm_tasks judges the tasks, haproxy_stats reads HAProxy, and swarm_engine queries Docker. A configuration that
cannot run is a result (`status: failed`). HarnessError is raised when the bench itself is broken.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils import haproxy_stats, hop, swarm_nodes, swarm_tasks
from ansible.module_utils.image_reference import same_image
from ansible.module_utils.other_hosts import OtherHosts
from ansible.module_utils.ready_check import ReadyCheck, ReadyWatch, Refusal, describe_listeners
from ansible.module_utils.swarm_containers import describe_containers
from ansible.module_utils.swarm_engine import POLL_SECONDS, STACK_LABEL, HarnessError, Service, poll, run_docker

# How long HAProxy may be down (a restart of its task), or need to notice that replicas were removed.
PROXY_SECONDS = 30.0
# Time from the OOM event to the end of the container, if the kernel killed the first process.
OOM_NEWS_SECONDS = 1.5


# --- removing and deploying -------------------------------------------------------------------------------------------


def remove_stack(service: Service, stack: str, timeout_seconds: float) -> bool:
    """Remove a stack and wait until no container of the service uses CPU. Return whether there was one.

    Replicas on this node are killed, because nothing is measured any more. Swarm alone would first wait two seconds for
    the removal to spread, then stop the process, and wait again.
    """
    deadline = time.monotonic() + timeout_seconds
    stack_services = service.api.services(filters={"label": f"{STACK_LABEL}={stack}"})
    existed = service.find() is not None or bool(stack_services)
    first = run_docker("stack", "rm", stack) if existed else None
    local_node = service.api.info()["Swarm"]["NodeID"]

    def look() -> bool | None:
        service.kill_containers()
        return None if living(service, local_node) else True

    if not poll(look, deadline):
        raise HarnessError(
            f"The old replicas of {service.name} still run {timeout_seconds:.0f} s after their removal: "
            f"{', '.join(living(service, local_node))}. Inspect them, then run: docker rm --force CONTAINER"
        )
    # A network cannot be removed while a task uses it. Now no task does.
    if first is not None and first.returncode != 0:
        second = run_docker("stack", "rm", stack)
        if second.returncode != 0:
            raise HarnessError(f"`docker stack rm {stack}` failed: {second.stderr.strip()}")
    return existed


def living(service: Service, local_node: str) -> list[str]:
    """Return the names of what is left of a removed service and may use CPU.

    A running task on this node is judged by its container alone, because Swarm sees the end a little later. The tasks
    of a lost node stay as Swarm saw them last. If the host comes back, Swarm ends them.
    """
    lost = {node["ID"] for node in service.api.nodes() if (node.get("Status") or {}).get("State") != "ready"}
    containers = [f"container {container['Id'][:12]}" for container in service.running_containers()]
    tasks = [
        f"task {task['ID']} on node {task['NodeID']} ({swarm_tasks.state_of(task)})"
        for task in service.tasks()
        if task.get("NodeID")
        and task["NodeID"] not in lost
        and swarm_tasks.state_of(task) not in swarm_tasks.TERMINAL
        and not (task["NodeID"] == local_node and swarm_tasks.state_of(task) == "running")
    ]
    return containers + tasks


def deploy_stack(stack: str, compose_path: str) -> str | None:
    """Run `docker stack deploy`. Return why the manager refuses the configuration, or None. Raises HarnessError."""
    command = ("stack", "deploy", "--resolve-image", "never", "--compose-file", compose_path, stack)
    result = run_docker(*command)
    if result.returncode != 0 and "update out of sequence" in result.stderr:
        result = run_docker(*command)  # the manager was still writing the removal
    if result.returncode == 0:
        return None
    message = result.stderr.strip() or result.stdout.strip()
    if "InvalidArgument" in message:  # the manager read the file and refuses its values
        return f"the Swarm manager refuses the service: {message}"
    raise HarnessError(f"`docker {' '.join(command)}` failed: {message}")


LOOK = "To see HAProxy's log, run: ./lab logs proxy"
NO_RIGHT = "HAProxy's socket does not have the level admin, so no server can be marked as down. Run: ./lab site"


def clear_backend(request: Deployment) -> None:
    """Make HAProxy forget that the servers of the removed replicas were up. Raises HarnessError."""
    deadline = time.monotonic() + PROXY_SECONDS
    while True:
        try:
            # Without the right to mark servers down, HAProxy has to wait for failed health checks.
            allowed = haproxy_stats.forget_servers(request.haproxy_socket, request.haproxy_backend)
            stale = [server for server in read_servers(request) if server.takes_requests]
            problem = None
        except haproxy_stats.HaproxyError as error:
            allowed, stale, problem = False, [], str(error)
        if not stale and problem is None:
            return
        if time.monotonic() > deadline:
            raise HarnessError(
                problem
                or f"HAProxy still sends requests to removed replicas: {haproxy_stats.describe(stale)}. "
                f"{LOOK if allowed else NO_RIGHT}"
            )
        time.sleep(POLL_SECONDS)


def read_servers(request: Deployment) -> list[haproxy_stats.Server]:
    return haproxy_stats.list_servers(haproxy_stats.show_stat(request.haproxy_socket), request.haproxy_backend)


# --- one deployment ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deployment:
    """The wanted deployment of one cell. A limit of 0 means no limit.

    ``nodes`` has the names of the API hosts by the ids of their nodes, and ``proxy_service`` the service of HAProxy.
    """

    stack_name: str
    service_name: str
    compose_path: str
    replicas: int
    nano_cpus: int
    memory_bytes: int
    image: str
    environment: dict[str, str]
    haproxy_socket: str
    haproxy_backend: str
    ready_check: ReadyCheck
    settled_seconds: float
    timeout_seconds: float
    remove_timeout_seconds: float
    log_lines: int
    proxy_service: str = ""
    nodes: dict[str, str] = field(default_factory=dict)


def deploy(api: Any, request: Deployment, others: OtherHosts) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Deploy freshly and wait. Return the record (deploy.json) and the replicas' `docker inspect` documents."""
    if not Path(request.compose_path).is_file():
        raise HarnessError(f"The stack file {request.compose_path} does not exist on this host")
    service = Service(api, request.service_name)
    removal_started = time.time()
    remove_stack(service, request.stack_name, request.remove_timeout_seconds)
    clear_backend(request)
    record = {
        "schema": 1,
        "status": "failed",
        "reason": None,
        "reason_code": None,
        "cause": None,
        "started_at": time.time(),
        "ready_at": None,
        "ready_seconds": None,
        "haproxy_up": None,
        "restarts": 0,
        "containers": [],
        "hop_problem": None,
        "log_tail": [],
    }
    record["remove_seconds"] = round(record["started_at"] - removal_started, 3)
    refusal = deploy_stack(request.stack_name, request.compose_path)
    if refusal:
        return {**record, "reason_code": "rejected", "reason": refusal}, []
    if service.find() is None:
        raise HarnessError(f"{request.compose_path} defines no service {request.service_name}")
    return wait_until_ready(service, request, record, others)


def resume(
    api: Any, request: Deployment, record: dict[str, Any], others: OtherHosts
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Go on with a wait that other hosts were asked about; ``record`` is the one with which it stopped."""
    service = Service(api, request.service_name)
    if service.find() is None:
        raise HarnessError(f"The service {request.service_name} was removed before it was ready")
    kept = {name: value for name, value in record.items() if name not in others.question()}
    return wait_until_ready(service, request, kept | {"status": "failed"}, others)


def wait_until_ready(
    service: Service, request: Deployment, record: dict[str, Any], others: OtherHosts
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Wait within the time limit, which began with the deployment."""
    wait = Wait(service, request, record, others)
    poll(wait.step, time.monotonic() + record["started_at"] + request.timeout_seconds - time.time())
    wait.finish()
    return record, wait.inspected


class Wait:
    """The wait for one deployment. `step` looks once, and fills the record when the outcome is known."""

    def __init__(
        self, service: Service, request: Deployment, record: dict[str, Any], others: OtherHosts | None = None
    ) -> None:
        self.service, self.request, self.record = service, request, record
        self.others = others or OtherHosts(request.settled_seconds)
        self.tasks: list[dict[str, Any]] = []
        self.servers: list[haproxy_stats.Server] = []
        self.verdict = swarm_tasks.Verdict("converging", 0)
        self.inspected: list[dict[str, Any]] = []
        self.proxy_problem: str | None = None
        self.ready_watch = ReadyWatch(request.ready_check, request.settled_seconds)
        self.oom_seen: float | None = None

    def step(self) -> bool | None:
        """Return True when the outcome is known (all replicas serve, or one never will), or others must be asked."""
        self.tasks = self.service.tasks()
        killed = self.service.oom_containers(self.tasks, self.record["started_at"]) | self.others.killed
        self.verdict = swarm_tasks.assess(self.tasks, self.request.replicas, time.time(), killed)
        if self.verdict.reason_code == "oom" and self.may_be_dying(self.verdict.task_id):
            return self.wait_on()
        if self.verdict.state == "failed" and self.asks_why_it_died():
            return True
        if self.verdict.state == "failed":
            self.fail(self.verdict.reason_code, self.verdict.reason, self.verdict.task_id)
            return True
        if self.verdict.state != "running":
            return self.wait_on()
        addresses = frozenset().union(*(swarm_tasks.addresses_of(task) for task in self.alive()))
        try:
            self.servers = read_servers(self.request)
        except haproxy_stats.HaproxyError as error:
            self.proxy_problem = str(error)
            return self.wait_on()
        self.proxy_problem = None
        self.record["haproxy_up"] = haproxy_stats.count_ready(self.servers, addresses)
        if not haproxy_stats.are_ready(self.servers, self.request.replicas, addresses):
            return self.give_up_early()
        self.record["ready_at"] = time.time()
        self.record["ready_seconds"] = round(self.record["ready_at"] - self.record["started_at"], 3)
        self.record["status"] = "ready"
        return True

    def wait_on(self) -> bool | None:
        """Return None: the wait goes on. What the ready check got before now was not without a break."""
        self.ready_watch.interrupt()
        self.others.interrupt()
        return None

    def give_up_early(self) -> bool | None:
        """Return True if the ready check got a result for long enough that waiting does not change."""
        alive, servers, now = self.alive(), haproxy_stats.in_use(self.servers), time.monotonic()
        listeners = self.service.listeners(alive)
        refusal = self.ready_watch.observe(servers, listeners, now)
        refusal = refusal or self.others.observe(servers, alive, listeners, now)
        if refusal is None:
            return True if self.others.is_due else None
        self.refuse(refusal)
        return True

    def refuse(self, refusal: Refusal) -> None:
        """Record why no wait helps. ``cause`` is the same in every cell with this cause."""
        self.record["cause"] = refusal.cause
        self.fail("not_ready", f"not ready: {refusal.text} (for {self.request.settled_seconds:g} s)", self.suspect())

    def may_be_dying(self, task_id: str | None) -> bool:
        """Return whether to wait for the end of a container. Docker reports an OOM kill before it, for any process."""
        task = next(task for task in self.tasks if task["ID"] == task_id)
        self.oom_seen = self.oom_seen or time.monotonic()
        return swarm_tasks.is_running(task) and time.monotonic() - self.oom_seen < OOM_NEWS_SECONDS

    def asks_why_it_died(self) -> bool:
        """Return whether another host must say if the kernel killed a replica there for memory."""
        task = next((task for task in self.tasks if task["ID"] == self.verdict.task_id), None)
        container_id = swarm_tasks.container_id_of(task) if task else None
        if self.verdict.reason_code != "crash" or not container_id or self.service.inspect(container_id):
            return False
        return swarm_tasks.exit_code_of(task) == 137 and self.others.ask_about(container_id)

    def alive(self) -> list[dict[str, Any]]:
        return [task for task in swarm_tasks.newest_per_slot(self.tasks) if swarm_tasks.is_running(task)]

    def fail(self, code: str | None, reason: str | None, task_id: str | None) -> None:
        lost = {} if code in ("oom", "mismatch") else self.lost_hosts()
        if lost:
            # It explains what followed: replicas that disappeared, or that found no room on the other hosts.
            code, reason = "host_lost", f"{swarm_nodes.explain_lost(lost)}; {reason}"
        self.record.update(status="failed", reason_code=code, reason=reason)
        task = next((task for task in self.tasks if task["ID"] == task_id), None)
        if task is not None and swarm_tasks.container_id_of(task):
            self.record["log_tail"] = self.service.log(task, self.request.log_lines)

    def lost_hosts(self) -> dict[str, str]:
        """Return the API hosts that Swarm has lost, with the reason. A lab with one API host cannot lose it here."""
        if not self.others.are_there:
            return {}
        nodes = [
            node for node in self.service.api.nodes() if not self.request.nodes or node["ID"] in self.request.nodes
        ]
        return swarm_nodes.lost_nodes(nodes, self.request.nodes)

    def finish(self) -> None:
        """Complete the record: the reason after a timeout, the containers, and their differences from the request."""
        if self.record["status"] != "ready" and self.proxy_problem:
            raise HarnessError(self.proxy_problem)
        if self.others.is_due and self.record["reason_code"] is None:
            self.record.update(status="undecided", **self.others.question())
            return
        dead = sum(swarm_tasks.state_of(task) in swarm_tasks.DEAD for task in self.tasks)
        self.record["restarts"] = dead
        if self.record["status"] != "ready" and self.record["reason_code"] is None:
            self.fail("not_ready", self.explain_delay(), self.suspect())
        containers, self.inspected = describe_containers(
            self.service, self.alive(), self.request.environment, self.request.nodes
        )
        self.record["containers"] = containers
        if self.record["status"] == "ready":
            problems = find_mismatches(containers, self.request)
            if problems:
                self.fail("mismatch", "; ".join(problems), None)
        if self.record["status"] == "ready" and self.others.are_there:
            self.record["hop_problem"] = hop.measure_hops(
                self.service.api, self.request.proxy_service, containers, self.tasks, self.request.ready_check.port
            )

    def suspect(self) -> str | None:
        """Return the task whose log best explains the missing service: one that does not run, else the newest."""
        newest = swarm_tasks.newest_per_slot(self.tasks)
        late = [task for task in newest if not swarm_tasks.is_running(task)] or newest
        return late[-1]["ID"] if late else None

    def explain_delay(self) -> str:
        limit, wanted = self.request.timeout_seconds, self.request.replicas
        text = f"not ready after {limit:g} s (lab_api_ready_timeout_seconds): "
        text += f"{self.verdict.running} of {wanted} replicas run"
        waiting = [task for task in swarm_tasks.newest_per_slot(self.tasks) if not swarm_tasks.is_running(task)]
        for task in waiting[:1]:
            detail = swarm_tasks.error_of(task) or task["Status"].get("Message", "")
            text += f"; {swarm_tasks.name_of(task)} is {swarm_tasks.state_of(task)} ({detail})"
        if self.verdict.running == wanted:
            described = haproxy_stats.describe(self.servers)
            up = self.record["haproxy_up"]
            text += f"; {self.request.ready_check} passes for {up} of {wanted} replicas: {described}"
            text += "".join(f"; {ports}" for ports in describe_listeners(self.service.listeners(self.alive())))
        return text


def find_mismatches(containers: list[dict[str, Any]], request: Deployment) -> list[str]:
    """Compare what runs with what the cell needs. Return one sentence for each difference."""
    problems = []
    for container in containers:
        pairs = [
            ("NanoCpus", container["nano_cpus"], request.nano_cpus),
            ("Memory", container["memory_bytes"], request.memory_bytes),
            ("image", container["image"], request.image),
        ]
        pairs += [(name, container["env"].get(name), value) for name, value in request.environment.items()]
        problems += [
            f"replica {container['slot']} runs with {name} {actual!r}, but the cell requires {wanted!r}"
            for name, actual, wanted in pairs
            if actual != wanted and not (name == "image" and same_image(actual, wanted))
        ]
    return problems
