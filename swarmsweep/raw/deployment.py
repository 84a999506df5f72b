"""The records of a deployment and its hosts: deploy.json, after.json, clock.json, units-*.json, harness.json."""

from msgspec import Struct

from swarmsweep.record_file import Real, Whole


class Container(Struct, frozen=True):
    """A replica. ``id`` is None if it was never started. ``env`` has the variable with the number of workers.

    ``node`` is its API host. ``inspected``: its limits are those of the container, and not those that were ordered.
    ``connect_ms`` is the time of a connection from HAProxy, which is measured if one replica is on another host.
    """

    id: str | None = None
    image: str | None = None
    nano_cpus: Whole | None = None
    memory_bytes: Whole | None = None
    env: dict[str, str] = {}
    node: str | None = None
    inspected: bool = True
    connect_ms: Real | None = None


class ServiceState(Struct, frozen=True):
    """The common part of deploy.json and after.json: the replicas, and why the API does not run."""

    containers: list[Container] = []
    reason: str | None = None
    reason_code: str | None = None
    log_tail: list[str] = []

    @property
    def started(self) -> list[Container]:
        """The containers that were started."""
        return [container for container in self.containers if container.id is not None]

    @property
    def ids(self) -> set[str]:
        """Ids of the containers that were started."""
        return {container.id for container in self.containers if container.id is not None}


class Deployment(ServiceState, frozen=True):
    """deploy.json. ``started_at``: epoch seconds of the API's manager.

    ``cause``: the result of the ready check that ended the wait, without the name of a replica. None for other ends.
    ``hop_problem``: why the time of a connection to some replica is not known.
    """

    @property
    def by_host(self) -> dict[str, list[Container]]:
        """The containers that were started, by the names of their API hosts."""
        hosts: dict[str, list[Container]] = {}
        for container in self.started:
            hosts.setdefault(container.node or "an unknown host", []).append(container)
        return hosts

    status: str | None = None
    cause: str | None = None
    hop_problem: str | None = None
    started_at: Real | None = None


class StateAfterLoad(ServiceState, frozen=True):
    """after.json. ``changed``: a replica was replaced. ``metrics_problem``: why /metrics of some replicas could not be
    read.
    """

    restarts: Whole | None = None
    changed: bool | None = None
    oom_killed: bool | None = None
    exit_codes: list[int] = []
    metrics_problem: str | None = None


class HostClock(Struct, frozen=True):
    """Clock of a host minus that of the controller, and the error bound, in seconds."""

    offset_seconds: Real | None = None
    bound_seconds: Real | None = None


class Clocks(Struct, frozen=True):
    """clock.json, by the name of the host."""

    hosts: dict[str, HostClock] | None = None


class LoadUnits(Struct, frozen=True):
    """units-*.json: systemd's report on the units of a load that failed, by unit."""

    ended_badly: dict[str, str] = {}


class BenchFailure(Struct, frozen=True):
    """harness.json: why the test bench failed."""

    reason: str = "no reason was recorded"
