"""Wait until all services of a Swarm stack run with all their replicas, and stay up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils import haproxy_stats, swarm_engine, swarm_tasks
from ansible.module_utils.listening_ports import Listener
from ansible.module_utils.other_hosts import OtherHosts
from ansible.module_utils.ready_check import ReadyCheck, ReadyWatch, describe_listeners

# How far back to look for OOM kills. Each container has its own name, so an older kill is not confused with it.
KILLS_SECONDS = 3600.0


@dataclass
class Serving:
    """What HAProxy must see: exactly this number of servers of a backend proven up.

    ``hopeless``: the check got a result for ``settled_seconds`` that waiting does not change.
    """

    socket: str
    backend: str
    servers_up: int
    ready_check: ReadyCheck
    settled_seconds: float
    others: OtherHosts = field(default_factory=lambda: OtherHosts(0))
    hopeless: bool = False

    def __post_init__(self) -> None:
        self.watch = ReadyWatch(self.ready_check, self.settled_seconds)

    def problem(
        self,
        read_listeners: Callable[[], dict[str, list[Listener] | None]],
        running: Callable[[], list[dict[str, Any]]] = list,
    ) -> str | None:
        """Return why HAProxy does not see it, or None if it does. The ports are only read if it does not.

        ``running`` returns the newest task of each replica, if it runs.
        """
        try:
            servers = haproxy_stats.list_servers(haproxy_stats.show_stat(self.socket), self.backend)
        except haproxy_stats.HaproxyError as error:
            self.watch.interrupt()
            self.others.interrupt()
            return str(error)
        if haproxy_stats.are_ready(servers, self.servers_up):
            return None
        listeners, used, now = read_listeners(), haproxy_stats.in_use(servers), time.monotonic()
        refusal = self.watch.observe(used, listeners, now) or self.others.observe(used, running(), listeners, now)
        if refusal is not None:
            self.hopeless = True
            return refusal.text
        up, described = haproxy_stats.count_ready(servers), haproxy_stats.describe(servers)
        text = f"{up} of {self.servers_up} servers of HAProxy's backend {self.backend} are up: {described}"
        return "; ".join([text, *describe_listeners(listeners)])


class StackWatch:
    """Observes a stack until it serves, and has been converged for `stable_seconds` without a break."""

    def __init__(
        self,
        api: Any,
        stack: str,
        wanted: dict[str, int],
        stable_seconds: float,
        most_deaths: int = 0,
        serving: Serving | None = None,
    ) -> None:
        self.api, self.stack, self.stable_seconds, self.most_deaths = api, stack, stable_seconds, most_deaths
        self.serving = serving
        self.not_serving: str | None = None
        self.judged: frozenset[str] = frozenset()
        self.given_up = False
        self.started = time.time()
        self.wanted = {self.full_name(name): count for name, count in wanted.items()}
        self.states: list[swarm_tasks.ServiceState] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        self.ids: dict[str, str] = {}
        self.services: dict[str, swarm_engine.Service] = {}
        self.converged_since: float | None = None

    def full_name(self, name: str) -> str:
        return name if name.startswith(f"{self.stack}_") else f"{self.stack}_{name}"

    def look(self) -> list[swarm_tasks.ServiceState]:
        """Return the state of every service, from the tasks of its present specification only."""
        services = self.api.services(filters={"label": f"{swarm_engine.STACK_LABEL}={self.stack}"})
        filters = {"service": [service["ID"] for service in services], "_up-to-date": True}
        tasks = self.api.tasks(filters=filters) if services else []
        self.tasks = {task["ID"]: task for task in tasks}
        by_name = {service["Spec"]["Name"]: service for service in services}
        self.ids = {name: service["ID"] for name, service in by_name.items()}
        states = [
            swarm_tasks.assess_service(service, tasks, self.wanted.get(name))
            for name, service in sorted(by_name.items())
        ]
        missing = sorted(set(self.wanted) - set(by_name))
        absent = "no such service in the stack"
        return states + [
            swarm_tasks.ServiceState(name, self.wanted[name], 0, False, absent, None, hopeless=True) for name in missing
        ]

    def step(self) -> bool | None:
        """Return True when converged and stable, or when a service never can be. None: look again."""
        self.states = self.look()
        self.given_up = self.given_up or self.dies_too_often()
        if self.given_up or any(state.hopeless for state in self.states):
            return True
        self.not_serving = self.serving.problem(self.listeners, self.running) if self.serving else None
        if self.serving is not None and (self.serving.hopeless or self.serving.others.is_due):
            return True
        if not self.states or self.not_serving or not all(state.converged for state in self.states):
            self.converged_since = None
            return None
        now = time.monotonic()
        self.converged_since = self.converged_since or now
        return True if now - self.converged_since >= self.stable_seconds else None

    def running(self) -> list[dict[str, Any]]:
        """Return the newest task of each replica of the stack, if it runs."""
        own = [task for task in self.tasks.values() if task["ServiceID"] in self.ids.values()]
        return [task for task in swarm_tasks.newest_per_slot(own) if swarm_tasks.is_running(task)]

    def listeners(self) -> dict[str, list[Listener] | None]:
        """Return what listens in the running replicas of the stack, by the name of the replica."""
        running = [task for task in self.tasks.values() if swarm_tasks.is_running(task)]
        found: dict[str, list[Listener] | None] = {}
        for name, service_id in self.ids.items():
            # It is kept, because it remembers the containers that it has inspected.
            service = self.services.setdefault(service_id, swarm_engine.Service(self.api, name))
            own = [task for task in running if task["ServiceID"] == service_id]
            found |= service.listeners(swarm_tasks.newest_per_slot(own))
        return found

    def dies_too_often(self) -> bool:
        """Return whether deaths of a present replica, or an OOM kill, show that it will not run."""
        dead = self.dead()
        # Swarm itself takes back a roll-out that fails.
        if not self.most_deaths or not dead or any(state.updating for state in self.states):
            return False
        deaths = Counter((task["ServiceID"], swarm_tasks.slot_of(task)) for task in dead)
        return max(deaths.values()) >= self.most_deaths or self.has_new_kill(dead)

    def dead(self) -> list[dict[str, Any]]:
        """Return the tasks of the present specifications that died during the wait. Swarm also keeps older ones."""
        return [
            task
            for task in self.tasks.values()
            if swarm_tasks.state_of(task) in swarm_tasks.DEAD
            and swarm_tasks.parse_time(task["Status"]["Timestamp"]) >= self.started
        ]

    def has_new_kill(self, dead: list[dict[str, Any]]) -> bool:
        """Return whether one of these had an OOM kill. Each task is looked up once."""
        new = [task for task in dead if task["ID"] not in self.judged]
        self.judged |= {task["ID"] for task in new}
        names = {state.name for state in self.states} if new else set()
        return any(
            swarm_tasks.container_id_of(task) in self.killed(swarm_engine.Service(self.api, name), new)
            for name in names
            for task in new
        )

    @staticmethod
    def killed(service: swarm_engine.Service, tasks: list[dict[str, Any]]) -> frozenset[str]:
        """Return the containers of these tasks that had an OOM kill."""
        return service.oom_containers(tasks, time.time() - KILLS_SECONDS)

    def troubled(self) -> list[swarm_tasks.ServiceState]:
        """Return services that do not run, or of which a replica has died, even if all run at this moment."""
        dead = {task["ServiceID"] for task in self.dead()}
        return [state for state in self.states if not state.converged or self.ids.get(state.name) in dead]

    def unconverged(self) -> list[swarm_tasks.ServiceState]:
        return [state for state in self.states if not state.converged]

    def explain(self, log_lines: int) -> str:
        """Explain why the stack is not converged: each late service with its error and the end of its log."""
        if not self.states:
            return f"the stack {self.stack} has no services, although they were deployed. Run: ./lab site"
        late = self.unconverged() or (self.troubled() if self.not_serving or self.given_up else [])
        if not late and self.not_serving:
            return self.not_serving
        if not late:
            return f"all services run, but not yet for {self.stable_seconds:g} s without interruption"
        return "\n".join(self.explain_service(state, log_lines) for state in late)

    def reason(self, state: swarm_tasks.ServiceState) -> tuple[str | None, str | None]:
        """Return (reason_code, reason) of a service that does not run. Both are None if no task is the cause."""
        service = swarm_engine.Service(self.api, state.name)
        if service.find() is None:
            return None, None
        tasks = service.tasks()
        if state.rolled_back:
            task = swarm_tasks.find_culprit(tasks)
        else:
            refused = [task for task in self.tasks.values() if swarm_tasks.state_of(task) == "rejected"]
            own = [task for task in [*refused, *self.dead()] if task["ServiceID"] == service.id]
            task = swarm_tasks.find_culprit(own) or self.find_late_task(state.name)
        if task is None:
            return None, None
        return swarm_tasks.explain_task(task, self.killed(service, tasks))

    def explain_rollback(self, state: swarm_tasks.ServiceState, log_lines: int) -> str:
        """Return which new replica failed, with its log. Its task no longer has the present specification."""
        completed = state.error == swarm_tasks.TAKEN_BACK
        end = ", so the previous replicas keep running" if completed else f": {state.error}"
        text = f"{state.name}: Swarm rolled the update back{end}"
        service = swarm_engine.Service(self.api, state.name)
        service.find()
        task = swarm_tasks.find_culprit(service.tasks())
        if task is None:
            return text
        lines = service.log(task, log_lines) if swarm_tasks.container_id_of(task) else []
        return "\n".join([f"{text}: {self.reason(state)[1]}", *(f"    {line}" for line in lines)])

    def explain_service(self, state: swarm_tasks.ServiceState, log_lines: int) -> str:
        if state.rolled_back:
            return self.explain_rollback(state, log_lines)
        text = f"{state.name}: {state.running} of {state.wanted} running"
        text += f": {state.error}" if state.error else ""
        service = swarm_engine.Service(self.api, state.name)
        if service.find() is None:
            return text
        dead = [task for task in self.dead() if task["ServiceID"] == service.id]
        task = self.tasks.get(state.task_id or "") or self.find_late_task(state.name) or swarm_tasks.find_culprit(dead)
        if task is None:
            return text
        if swarm_tasks.find_culprit([task]) is not None:
            text += f": {self.reason(state)[1]}"
        elif not state.error:
            text += f": {swarm_tasks.name_of(task)} is {swarm_tasks.state_of(task)} ({task['Status'].get('Message')})"
        lines = service.log(task, log_lines) if swarm_tasks.container_id_of(task) else []
        return "\n".join([text, *(f"    {line}" for line in lines)])

    def find_late_task(self, service_name: str) -> dict[str, Any] | None:
        """Return the newest task of a service that does not run, so that its log can be shown."""
        service = swarm_engine.Service(self.api, service_name)
        service.find()
        own = [task for task in self.tasks.values() if task["ServiceID"] == service.id]
        late = [task for task in swarm_tasks.newest_per_slot(own) if not swarm_tasks.is_running(task)]
        return late[-1] if late else None


def wait_for_stack(
    api: Any,
    stack: str,
    wanted: dict[str, int],
    stable_seconds: float,
    timeout_seconds: float,
    log_lines: int,
    most_deaths: int = 0,
    serving: Serving | None = None,
    started_at: float | None = None,
) -> tuple[str | None, list[dict[str, Any]]]:
    """Wait. Return why it failed (None when converged) and the state of each service.

    With ``most_deaths`` it fails if a replica has died this often, or had an OOM kill, outside a roll-out. With
    ``serving`` it also waits until HAProxy sees the replicas up. ``started_at`` are the epoch seconds in which a wait
    began that goes on.
    """
    watch = StackWatch(api, stack, wanted, stable_seconds, most_deaths, serving)
    watch.started = started_at or watch.started
    started = time.monotonic() + watch.started - time.time()
    done = swarm_engine.poll(watch.step, started + timeout_seconds)
    states = [{"name": s.name, "wanted": s.wanted, "running": s.running, "error": s.error} for s in watch.states]
    if done and not (watch.unconverged() or watch.not_serving or watch.given_up):
        return None, states
    waited = time.monotonic() - started
    troubled = watch.troubled()
    for service, state in zip(states, watch.states, strict=True):
        service["reason_code"], service["reason"] = watch.reason(state) if state in troubled else (None, None)
    return f"The stack {stack} has not converged after {waited:.0f} s.\n{watch.explain(log_lines)}", states
