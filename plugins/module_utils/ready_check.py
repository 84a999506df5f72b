"""What HAProxy's ready check got from the replicas, and whether waiting can change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible.module_utils.haproxy_stats import Server
from ansible.module_utils.listening_ports import FIRST_RANDOM_PORT, Listener

# Statuses of an API that runs and refuses this request: a wrong path, method, host name, or a login.
# A redirect or a 5xx may pass when the model is loaded.
REFUSALS = frozenset({400, 401, 403, 404, 405})
# The setting that such a status calls for.
SETTINGS = {400: "lab_api_ready_host"}
WHICH = {"lab_api_ready_host": "host", "lab_api_ready_path": "path"}

# The option of a module from which a ReadyCheck is made.
ARGUMENT = {
    "type": "dict",
    "options": {
        "port": {"type": "int", "required": True},
        "path": {"type": "str", "required": True},
        "host": {"type": "str", "required": True},
    },
}


@dataclass(frozen=True)
class ReadyCheck:
    """The request that HAProxy sends to each replica once a second."""

    port: int
    path: str
    host: str

    def __str__(self) -> str:
        return f"GET {self.path} (Host: {self.host})"


@dataclass(frozen=True)
class Refusal:
    """A result of the check that waiting does not change. ``cause`` has no replica in it: it compares two cells."""

    cause: str
    replica: str
    text: str


class ReadyWatch:
    """Looks at the checks again and again, until one result has been there for ``settled_seconds`` without a break."""

    def __init__(self, check: ReadyCheck, settled_seconds: float) -> None:
        self.check, self.settled_seconds = check, settled_seconds
        self.since: dict[Refusal, float] = {}
        self.codes: dict[str, int] = {}

    def observe(
        self, servers: Iterable[Server], listeners: Mapping[str, list[Listener] | None], now: float
    ) -> Refusal | None:
        """Return what ends the wait, or None.

        Args:
            servers: the servers of the backend that are not unused slots.
            listeners: what listens in each replica, by its name. None: on another node, or not readable.
            now: monotonic seconds.
        """
        servers = list(servers)
        current = [*self.refused(servers)]
        # Where HAProxy was connected, something listens at the right place.
        if any(server.check_result.startswith("L4") for server in servers):
            current += self.elsewhere(listeners)
        self.since = {refusal: self.since.get(refusal, now) for refusal in current}
        settled = [refusal for refusal in current if now - self.since[refusal] >= self.settled_seconds]
        return settled[0] if settled else None

    def interrupt(self) -> None:
        """Note that for a moment nothing could be observed, as while a replica starts again."""
        self.since = {}

    def refused(self, servers: Iterable[Server]) -> Iterable[Refusal]:
        """Find the servers whose last check got one of the statuses in `REFUSALS`."""
        for server in servers:
            # While the next check runs, HAProxy shows no status.
            if not server.is_checking:
                self.codes[server.name] = server.check_code or 0
            code = self.codes.get(server.name, 0)
            if server.check_result == "L7STS" and code in REFUSALS:
                setting = SETTINGS.get(code, "lab_api_ready_path")
                value = getattr(self.check, WHICH[setting])
                text = f"{self.check} got status {code} from {server.name}; {setting} is {value}"
                yield Refusal(f"{self.check} got status {code}; {setting} is {value}", server.name, text)

    def elsewhere(self, listeners: Mapping[str, list[Listener] | None]) -> Iterable[Refusal]:
        """Find the replicas that listen, but not where HAProxy connects to."""
        for replica, found in listeners.items():
            text = describe_elsewhere(found or [], self.check.port)
            if text is not None:
                yield Refusal(text, replica, f"{replica} {text}")


def describe_elsewhere(listeners: list[Listener], port: int) -> str | None:
    """Describe the wrong port or address. None if the port is served, nothing listens, or it may be a helper's port."""
    on_port = [listener for listener in listeners if listener.port == port]
    if any(not listener.is_local for listener in on_port):
        return None
    if on_port:
        return f"listens on {on_port[0]} alone, which only its own container reaches; the API must listen on 0.0.0.0"
    # A random port differs in each replica, so it is not part of a cause that cells share.
    ports = sorted({one.port for one in listeners if not one.is_local and one.port < FIRST_RANDOM_PORT})
    if not ports:
        return None
    return f"listens on {', '.join(map(str, ports))}; lab_api_port is {port}"


def describe_listeners(listeners: Mapping[str, list[Listener] | None]) -> list[str]:
    """Return one sentence for each replica whose ports are known."""
    return [
        f"{replica} listens on {', '.join(dict.fromkeys(map(str, found))) or 'no port'}"
        for replica, found in listeners.items()
        if found is not None
    ]
