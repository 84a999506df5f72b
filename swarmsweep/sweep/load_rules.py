"""The load of the section `load`, and checks of its settings together, with the SLO, and with the lab."""

import math
from collections.abc import Mapping
from typing import Any

from swarmsweep.sweep.load import AnyLoad, CapacityLoad, Load, with_profile
from swarmsweep.sweep.models import FixedSection, LoadSection
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.values import MAX_TIMEOUT_SECONDS, Scenarios
from swarmsweep.sweep.yaml_tree import Entries
from swarmsweep.units import format_plain

MAX_RAMP_SECONDS = 900  # the recorder stops a ramp that lasts longer (its MAX_RAMP_SECONDS)
MAX_LOAD_SECONDS = (
    86_000  # seconds; the sampler of the hosts records a day at most, and the rest is for starting and draining
)

LATENCY_LIMITS = ("mean_ms", "p50_ms", "p95_ms", "p99_ms")
# Four times the limit, so that slow responses are measured as slow, and hopeless ones do not pile up. At least the time
# to send a lost packet again, at most the patience of a user.
TIMEOUT_PER_LIMIT = 4
TIMEOUT_RANGE_SECONDS = (1, 10)


def read_load(
    section: LoadSection, limits: Mapping[str, float] | None, scenarios: Scenarios, problems: Problems
) -> AnyLoad:
    """The load of all cells, without its cases. ``limits`` are those of the SLO, None where they were refused."""
    settings = {key: value for key, value in section.given().items() if key != "cases"}
    load: AnyLoad
    if isinstance(section, FixedSection):
        load = Load(**({"spawn_rate": usual_spawn_rate(section.users)} | settings))
    else:
        latency = _latency_limits(limits or {})
        if limits is not None and not latency:
            words = ", ".join(LATENCY_LIMITS)
            text = f"capacity needs a latency limit for its search; set at least one of {words} in slo"
            problems.add(section.written.line_of("mode"), "load.mode", text)
        load = CapacityLoad(**with_profile(_usual_search(latency) | settings))
    if "locustfile" not in settings and (fault := scenarios.fault(load.locustfile)):
        problems.add(section.written.line, "load.locustfile", fault)
    refuse_impossible(load, section.written, limits, problems)
    return load


def usual_spawn_rate(users: int) -> int:
    """All users within one second, but at most 100 a second: faster starts disturb Locust itself."""
    return min(users, 100)


def refuse_impossible(load: AnyLoad, written: Entries, limits: Mapping[str, float] | None, problems: Problems) -> None:
    """Note a load that the lab would end early, or that contradicts itself or the SLO's ``limits``.

    ``written`` is the mapping of the load in the file.
    """
    if isinstance(load, Load):
        _refuse_impossible_users(load, written, problems)
    else:
        _refuse_early_timeout(load, written, limits or {}, problems)


def _usual_search(latency: Mapping[str, float]) -> dict[str, Any]:
    low, high = TIMEOUT_RANGE_SECONDS
    timeout = min(max(TIMEOUT_PER_LIMIT * max(latency.values(), default=0) / 1000, low), high)
    return {"timeout_seconds": timeout, "profile": CapacityLoad.profile}


def _latency_limits(limits: Mapping[str, float]) -> dict[str, float]:
    return {name: limits[name] for name in LATENCY_LIMITS if name in limits}


def _refuse_early_timeout(
    load: CapacityLoad, written: Entries, limits: Mapping[str, float], problems: Problems
) -> None:
    """Note a timeout at which a response within a limit would already have timed out."""
    limit_ms, name = max(((limit, name) for name, limit in _latency_limits(limits).items()), default=(0, ""))
    if load.timeout_seconds * 1000 > limit_ms:
        return
    allowed = (
        f"more than {format_plain(limit_ms / 1000)} and up to {MAX_TIMEOUT_SECONDS} seconds"
        if limit_ms < MAX_TIMEOUT_SECONDS * 1000
        else f"limits below {MAX_TIMEOUT_SECONDS * 1000} ms"
    )
    text = (
        f"{format_plain(load.timeout_seconds)} s is not longer than slo.{name} of {format_plain(limit_ms)} ms; "
        f"allowed: {allowed}"
    )
    problems.add(written.line_of("timeout_seconds"), written.place("timeout_seconds"), text)


def _refuse_impossible_users(load: Load, written: Entries, problems: Problems) -> None:
    """Note a load that has more workers than users, or that the lab would end early."""
    if load.workers > load.users:
        text = f"{load.workers} workers share {load.users} users; allowed: 1 to {load.users}"
        problems.add(written.line_of("workers", "users"), written.place("workers"), text)
    ramp_seconds = load.users / load.spawn_rate
    if ramp_seconds > MAX_RAMP_SECONDS:
        text = (
            f"{format_plain(load.spawn_rate)} users per second start {load.users} users in {ramp_seconds:,.0f} s; "
            f"allowed: up to {MAX_RAMP_SECONDS} s (the recorder waits no longer), "
            f"so at least {math.ceil(load.users * 1000 / MAX_RAMP_SECONDS) / 1000:g}"
        )
        problems.add(written.line_of("spawn_rate", "users"), written.place("spawn_rate"), text)
    if load.seconds > MAX_LOAD_SECONDS:
        text = (
            f"starting the users, warm-up and measurement take {load.seconds:,.0f} s together; "
            f"allowed: up to {MAX_LOAD_SECONDS:,} s (the sampler of the hosts records at most one day)"
        )
        problems.add(written.line_of("measure_seconds", "warmup_seconds"), written.place("measure_seconds"), text)
