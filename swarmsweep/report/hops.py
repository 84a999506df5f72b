"""What the network between HAProxy and the replicas on another API host adds to a request, in sentences."""

from statistics import median

from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import Row
from swarmsweep.units import format_figure

# A smaller difference is that of two medians, and not of the network.
NOTHING_MS = 0.01


def hop_notes(plan: Plan, rows: list[Row]) -> list[str]:
    """The time of a connection to the replicas of each API host; nothing where all attempts had replicas on one host.

    A median over the attempts: a single one is disturbed more than the network is.
    """
    taken: dict[str, list[float | None]] = {}
    for attempt in (attempt for row in rows for attempt in row.attempts):
        for host, of in attempt.replica_hosts.items():
            taken.setdefault(host, []).append(of.connect_ms)
    manager = str((plan.hosts.get("api") or [{}])[0].get("name"))
    if not set(taken) - {manager}:
        return []
    known = {host: median(ms) for host, every in taken.items() if (ms := [one for one in every if one is not None])}
    notes = [
        f"HAProxy is on {manager}. How long a connection takes from it to the replicas on {host} was not measured: "
        "see hop_problem in deploy.json of the attempts."
        for host in taken
        if host not in known and host != manager
    ]
    return notes + [_note(manager, host, known) for host in known if host != manager]


def _note(manager: str, host: str, known: dict[str, float]) -> str:
    near, far = known.get(manager), known[host]
    text = f"HAProxy is on {manager}. From it, a connection to a replica on {host} takes {format_figure(far)} ms"
    if near is None:
        return f"{text}. Every latency of a request to {host} includes this time."
    text += f", and {format_figure(near)} ms on {manager}"
    if far - near < NOTHING_MS:
        return f"{text}. So the network adds nothing that can be measured."
    return (
        f"{text}. So each request to {host} takes about {format_figure(far - near)} ms more. "
        "All latencies on this page include it."
    )
