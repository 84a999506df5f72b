"""Can this measurement be believed? One small pure function per doubt, each returning a `Check`.

The limits follow the validity checks V1 to V14 of the method; a check that fails makes the attempt invalid unless it is
only a warning. ``passed`` is None when the evidence was not gathered: said in the report, never taken as a pass.
"""

from dataclasses import asdict, dataclass
from typing import Any

from swarmsweep.haproxy import ProxyDelta
from swarmsweep.units import format_bytes, format_figure, format_plain

MAX_WORKER_CPU_PERCENT = 90.0  # of one core: above, a Locust worker is late itself and reports its own delay
HAPROXY_TOLERANCE = 0.005  # share of the requests; on top of one request in flight for each user
MAX_SHARE_RATIO = 1.25  # busiest over idlest replica
WINDOW_TOLERANCE_SECONDS = 1.0  # the master cuts the window on a tick of one second


@dataclass(frozen=True)
class Check:
    """One doubt and its answer; ``value`` and ``limit`` are numbers or text, in the unit that ``sentence`` names."""

    name: str
    value: Any
    limit: Any
    passed: bool | None
    sentence: str
    warning: bool = False

    def as_json(self) -> dict[str, Any]:
        """The check as trial.json holds it."""
        return asdict(self)


def generator_cpu(samples_percent: list[float]) -> Check:
    """The busiest second of any Locust worker within the window (percent of one core) must stay below the limit."""
    limit = MAX_WORKER_CPU_PERCENT
    if not samples_percent:
        sentence = "no CPU sample of a Locust worker lies in the measured window"
        return Check("generator_cpu", None, limit, False, sentence)
    highest = max(samples_percent)
    verdict = "the load generator itself was the limit" if highest >= limit else "the load generator had room"
    sentence = f"the busiest Locust worker used {format_figure(highest)} % of a core (limit {limit:g} %): {verdict}"
    return Check("generator_cpu", highest, limit, highest < limit, sentence)


def workers_present(expected: int, connected: Any, lost: Any, recorded: int) -> Check:
    """All Locust workers were connected, none was lost, and each left its record of requests."""
    passed = connected == expected and lost == 0 and recorded == expected
    sentence = f"{connected} of {expected} Locust workers connected, {lost} lost, {recorded} left their records"
    return Check("workers_present", connected, expected, passed, sentence)


def load_as_planned(users: Any, planned_users: int, seconds: float, planned_seconds: float) -> Check:
    """As many users as planned for as long as planned."""
    passed = users == planned_users and abs(seconds - planned_seconds) <= WINDOW_TOLERANCE_SECONDS
    sentence = (
        f"{users} of {planned_users} users for {format_figure(seconds)} of {format_plain(planned_seconds)} seconds"
    )
    return Check("load_as_planned", users, planned_users, passed, sentence)


def some_requests(count: int) -> Check:
    """At least one request began within the window."""
    sentence = f"{count} requests began in the measured window" if count else "no request began in the measured window"
    return Check("some_requests", count, 1, count >= 1, sentence)


def counted_by_locust(recorded: int, locust: int) -> Check:
    """The recorder and Locust's own statistics counted the same requests over the whole trial."""
    sentence = f"the recorder has {recorded} requests of the whole trial, Locust's own statistics {locust}"
    return Check("counted_by_locust", recorded, locust, recorded == locust, sentence)


def counted_by_haproxy(recorded: int, users: int, seen: ProxyDelta | None) -> Check:
    """HAProxy saw the requests that the recorder has, give or take 0.5 % and one in flight for each user."""
    name = "counted_by_haproxy"
    if seen is None or seen.requests is None:
        sentence = "HAProxy's request counters were not recorded, so nothing confirms the number of requests"
        return Check(name, None, recorded, None, sentence)
    if seen.restarted:
        return Check(name, seen.requests, recorded, False, "HAProxy restarted during the trial: its counters went back")
    allowed = HAPROXY_TOLERANCE * recorded + users
    difference = seen.requests - recorded
    sentence = (
        f"HAProxy counted {seen.requests} requests, the recorder {recorded}: "
        f"{abs(difference)} {'more' if difference > 0 else 'fewer'}, {format_figure(allowed)} are allowed"
    )
    return Check(name, seen.requests, recorded, abs(difference) <= allowed, sentence)


def replicas_unchanged(
    deployed: list[dict[str, Any]], found: list[dict[str, Any]], after: dict[str, Any] | None
) -> Check:
    """The containers ``found`` after the load are those that were deployed, and none restarted by after.json."""
    name = "replicas_unchanged"
    if after is None:
        return Check(name, None, 0, False, "the state after the load was not recorded, a replica may have died unseen")
    before_ids, after_ids = ({container["id"] for container in group} for group in (deployed, found))
    gone, restarts = len(before_ids - after_ids), after.get("restarts")
    passed = before_ids == after_ids and not after.get("changed") and not restarts
    sentence = f"{gone} of {len(before_ids)} replicas were replaced during the load, {_or_unknown(restarts)} restarts"
    return Check(name, gone, 0, passed, sentence)


def limits_as_labelled(deployed: list[dict[str, Any]], config: dict[str, Any]) -> Check:
    """What runs is what the matrix says: number of replicas, CPU and memory limits, worker processes."""
    wanted = {"nano_cpus": round(config["cpus"] * 1e9), "memory_bytes": config["memory_bytes"]}
    wrong = [] if len(deployed) == config["replicas"] else [f"{len(deployed)} replicas, not {config['replicas']}"]
    for container in deployed:
        for key, value in wanted.items():
            if container.get(key) != value:
                wrong.append(f"{key} {container.get(key)}, not {value}")
        # deploy.json keeps one variable: the one that this API reads its number of workers from, whatever its name.
        env = container.get("env")
        for name, value in env.items() if isinstance(env, dict) else ():
            if str(value) != str(config["workers"]):
                wrong.append(f"{name} {value}, not {config['workers']}")
    limit = f"{config['replicas']} x {format_plain(config['cpus'])} CPUs, {format_bytes(config['memory_bytes'])}"
    found = "; ".join(sorted(set(wrong))) or limit
    sentence = f"docker inspect shows {found}" + ("" if wrong else ", as the matrix says")
    return Check("limits_as_labelled", found, limit, not wrong, sentence)


def requests_recorded_whole(complete: bool) -> Check:
    """No record of a worker broke off."""
    sentence = "every worker's record is whole" if complete else "the record of a worker broke off before its end"
    return Check("requests_recorded_whole", complete, True, complete, sentence, warning=True)


def window_sampled(cpu_cores: float | None) -> Check:
    """The samples of the API hosts cover the measured window, so that CPU use is known."""
    known = cpu_cores is not None
    sentence = (
        "the samples of the API hosts cover the measured window"
        if known
        else "the samples of the API hosts do not cover the measured window: CPU use and throttling are unknown"
    )
    return Check("window_sampled", known, True, True if known else None, sentence, warning=True)


def replicas_share_load(seen: ProxyDelta | None) -> Check:
    """All replicas got about the same number of requests."""
    name, limit = "replicas_share_load", MAX_SHARE_RATIO
    shares = [] if seen is None else [change["req_tot"] or change["stot"] or 0 for change in seen.servers.values()]
    if len(shares) < 2:
        return Check(
            name, None, limit, None, "there is only one replica, or HAProxy's counters were not recorded", True
        )
    ratio = max(shares) / min(shares) if min(shares) > 0 else None
    word = f"{ratio:.2f} times" if ratio is not None else "all, and another none,"
    sentence = f"the busiest replica got {word} the requests of the idlest (limit {limit:g})"
    return Check(name, ratio, limit, ratio is not None and ratio <= limit, sentence, warning=True)


def _or_unknown(value: Any) -> str:
    return "an unknown number of" if value is None else str(value)
