"""Query Docker on a Swarm manager, with a deadline for every request and every wait."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Any

from ansible.module_utils import lab_files, swarm_tasks
from ansible.module_utils.hidden_text import forms_of_encoded, hide
from ansible.module_utils.listening_ports import Listener, listeners_of

SERVICE_LABEL = "com.docker.swarm.service.name"
TASK_LABEL = "com.docker.swarm.task.id"
STACK_LABEL = "com.docker.stack.namespace"

# Short enough to add nothing visible to a deployment. Long enough not to load the manager, which shares the core.
POLL_SECONDS = 0.25
# One request to a daemon on a busy core. The second is how long it may fail before the bench counts as broken.
API_TIMEOUT_SECONDS = 15
SILENCE_SECONDS = 30.0
# `docker stack deploy` only writes to the manager, which takes about a second.
COMMAND_TIMEOUT_SECONDS = 60
# The last lines in a record explain, they do not archive. A line has room for a long traceback line, not for an array.
LOG_LINE_CHARACTERS = 500
# What no log may show, as `hide_in_logs` has set it. A module runs once, in a process of its own.
_hidden: list[str] = []

# The option of a module that reads logs. Its value is for `hide_in_logs`.
HIDDEN = {"type": "list", "elements": "str", "default": [], "no_log": True}

# The Docker SDK is imported by the functions that need it. It may be missing on a host, and `connect` reports that.


class HarnessError(Exception):
    """The bench cannot work: Docker does not respond, a file is missing, not a manager. The text says what to do."""


def connect_to_engine(url: str = "unix:///var/run/docker.sock") -> tuple[Any, dict[str, Any]]:
    """Return a low-level Docker client, and what Docker reports of itself. Raises HarnessError."""
    try:
        import docker
    except ImportError as error:
        raise HarnessError(f"The Docker SDK for Python is missing on this host ({error}). Run: ./lab site") from error
    try:
        api = docker.APIClient(base_url=url, version="auto", timeout=API_TIMEOUT_SECONDS)
        return api, api.info()
    except (OSError, docker.errors.DockerException) as error:
        raise HarnessError(
            f"Docker does not respond on {url}: {error}. To see why, run on this host: systemctl status docker"
        ) from error


def connect(url: str = "unix:///var/run/docker.sock"):
    """Return a low-level Docker client on a Swarm manager. Raises HarnessError."""
    api, info = connect_to_engine(url)
    swarm = info.get("Swarm") or {}
    if not swarm.get("ControlAvailable"):
        state = swarm.get("LocalNodeState", "unknown")
        raise HarnessError(
            f"This host is not a manager of a Swarm (state: {state}). To start the Swarm, run: ./lab site"
        )
    return api


def run_docker(*arguments: str) -> subprocess.CompletedProcess:
    """Run the Docker CLI with a deadline. Raises HarnessError when it is missing or hangs."""
    command = ["docker", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False)
    except FileNotFoundError as error:
        raise HarnessError("The docker command is missing on this host. Run: ./lab site") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"`{' '.join(command)}` did not end within {COMMAND_TIMEOUT_SECONDS} s") from error


def poll(request: Callable[[], Any], deadline: float) -> Any:
    """Repeat a request until its response is not None. Return None when the monotonic deadline is over.

    A daemon on a starved core may fail single requests. Errors count only if there is nothing else for
    SILENCE_SECONDS.
    """
    from docker.errors import DockerException

    responded = time.monotonic()
    while True:
        try:
            response = request()
            responded = time.monotonic()
        except (OSError, DockerException) as error:
            response = None
            if time.monotonic() - responded > SILENCE_SECONDS:
                raise HarnessError(f"Docker has not responded for {SILENCE_SECONDS:.0f} s: {error}") from error
        if response is not None or time.monotonic() >= deadline:
            return response
        time.sleep(POLL_SECONDS)


class Service:
    """The view of one service on the manager. Methods raise OSError or DockerException."""

    def __init__(self, api: Any, name: str) -> None:
        self.api, self.name = api, name
        self.id: str | None = None
        self._inspected: dict[str, dict[str, Any] | None] = {}

    def find(self) -> dict[str, Any] | None:
        """Return the service document, or None if there is no such service."""
        services = self.api.services(filters={"name": self.name})
        exact = (service for service in services if service["Spec"]["Name"] == self.name)
        document = next(exact, None)
        self.id = document["ID"] if document else None
        return document

    def tasks(self) -> list[dict[str, Any]]:
        """Return all tasks of the service found last, dead ones too.

        They are filtered by id, because the name may already belong to a new service. They are filtered here, because
        Docker returns 404 to a filter for a service that was just removed.
        """
        return [task for task in self.api.tasks() if task.get("ServiceID") == self.id]

    def running_containers(self) -> list[dict[str, Any]]:
        """Return the containers on this node that still use CPU for the service."""
        return self.api.containers(filters={"label": f"{SERVICE_LABEL}={self.name}", "status": "running"})

    def kill_containers(self) -> None:
        """Kill the containers on this node. One that has just ended by itself is not an error."""
        from docker.errors import APIError

        for container in self.running_containers():
            try:
                self.api.kill(container["Id"])
            except APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def inspect(self, container_id: str, fresh: bool = False) -> dict[str, Any] | None:
        """Return `docker inspect` of a container on this node. None if it is elsewhere or removed."""
        from docker.errors import NotFound

        if fresh or container_id not in self._inspected:
            try:
                self._inspected[container_id] = self.api.inspect_container(container_id)
            except NotFound:
                self._inspected[container_id] = None
        return self._inspected[container_id]

    def listeners(self, tasks: Iterable[dict[str, Any]]) -> dict[str, list[Listener] | None]:
        """Return what listens in each replica, by its name. None for a replica on another node, or one that ended."""
        found: dict[str, list[Listener] | None] = {}
        for task in tasks:
            container_id = swarm_tasks.container_id_of(task)
            document = self.inspect(container_id) if container_id else None
            # Docker writes 0 until the first process runs, so the stored document may be too old.
            if document is not None and container_id and not document["State"].get("Pid"):
                document = self.inspect(container_id, fresh=True)
            pid = document["State"].get("Pid") if document else None
            found[swarm_tasks.name_of(task)] = listeners_of(pid) if pid else None
        return found

    def oom_containers(self, tasks: Iterable[dict[str, Any]], since: float) -> frozenset[str]:
        """Return the containers with evidence of an OOM kill.

        The evidence is Docker's `oom` events, or OOMKilled of a container that ended with a signal.
        The events also report a child killed inside a living container.
        """
        filters = {"type": "container", "event": "oom", "label": f"{SERVICE_LABEL}={self.name}"}
        now = time.time()  # an end in the past: Docker responds from its memory and closes the stream
        events = self.api.events(since=f"{since:.6f}", until=f"{now:.6f}", filters=filters, decode=True)
        killed = {event["Actor"]["ID"] for event in events}
        for task in tasks:
            container_id = swarm_tasks.container_id_of(task)
            if container_id and swarm_tasks.exit_code_of(task) == 137:
                inspected = self.inspect(container_id, fresh=self._was_running(container_id))
                if inspected and inspected["State"].get("OOMKilled"):
                    killed.add(container_id)
        return frozenset(killed)

    def _was_running(self, container_id: str) -> bool:
        """Return whether the stored document is missing, or is older than the container's end."""
        known = self._inspected.get(container_id)
        return known is None or bool(known["State"].get("Running"))

    def log(self, task: dict[str, Any], lines: int) -> list[str]:
        """Return the last log lines of a task, from its container, or through the manager if it is on another node."""
        from docker.errors import DockerException

        container_id = swarm_tasks.container_id_of(task)
        try:
            if container_id and self.inspect(container_id):
                data = self.api.logs(container_id, stdout=True, stderr=True, tail=lines)
                return clean_lines(data)[-lines:]
            return self._remote_log(task["ID"], lines)
        except (OSError, DockerException) as error:  # the log driver may keep nothing; a missing tail is no failure
            return [f"(no log: {error})"]

    def _remote_log(self, task_id: str, lines: int) -> list[str]:
        """Return the lines of one task from the service's log. `details` puts the task's id before each line."""
        stream = self.api.service_logs(self.id, stdout=True, stderr=True, tail=lines, details=True, is_tty=False)
        rows = (line.partition(b" ") for line in b"".join(stream).splitlines())
        # Only the text may have a secret. A short one could be a part of the details, as "docker" is.
        texts = [text + b"\n" for details, _, text in rows if f"{TASK_LABEL}={task_id}".encode() in details]
        return clean_lines(b"".join(texts))[-lines:]


def hide_in_logs(secrets: Iterable[str]) -> None:
    """Hide these secrets in all logs that are read from now on. Each is in base64 (see hidden_text.encode)."""
    _hidden[:] = forms_of_encoded(secrets)


def clean_lines(data: bytes) -> list[str]:
    """Return log bytes as lines of limited length, without colour codes and secrets."""
    # A part of a secret would not be found after the line was cut.
    text = hide(lab_files.strip_colours(data.decode(errors="replace")), _hidden)
    return [line[:LOG_LINE_CHARACTERS] for line in text.splitlines()]
