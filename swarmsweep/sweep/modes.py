"""How the modes of a load differ in a sweep file: usual settings, mistakes, and the variables of a scenario.

Without pydantic: a resumed run has loads too, and reads no sweep file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from swarmsweep.search import PROFILES, needed_seconds
from swarmsweep.sweep.load import (
    ARRIVALS,
    CAPACITY,
    DRAIN_SECONDS,
    FIXED,
    MAX_TIMEOUT_SECONDS,
    OPEN_LOOP_ENDING,
    RATE,
    USERS,
    AnyLoad,
    CapacityLoad,
    Load,
    StoredLoad,
    varied_by,
    with_profile,
)
from swarmsweep.units import format_plain

if TYPE_CHECKING:
    from swarmsweep.sweep.problems import Problems
    from swarmsweep.sweep.yaml_tree import Entries

MAX_RAMP_SECONDS = 900  # the recorder stops a ramp that lasts longer (its MAX_RAMP_SECONDS)
MAX_LOAD_SECONDS = (
    86_000  # seconds; the sampler of the hosts records a day at most, and the rest is for starting and draining
)
# Four times the limit, so that slow responses are measured as slow, and hopeless ones do not pile up. At least the time
# to send a lost packet again, at most the patience of a user.
TIMEOUT_PER_LIMIT = 4
TIMEOUT_RANGE_SECONDS = (1, 10)
# Settings of a search that only one kind of scenario has.
USERS_ALONE = ("by", "spawn_rate", "wait_seconds", "tags", "exclude_tags", "user_classes", "target_users")
# Settings of a number of users. Iterations have no ramp, no think time and no such number.
NUMBER_ALONE = ("spawn_rate", "wait_seconds", "target_users")

# Settings of a load by name, as the sweep file has them.
Settings = Mapping[str, Any]
# Limits of the SLO by name.
Limits = Mapping[str, float]


@dataclass(frozen=True)
class Mode:
    """One mode of a load.

    ``load`` makes the load of the section `load` from its settings and the latency limits of the SLO. ``changed`` makes
    the load of a case from the load, the settings of the case, and whether the section sets a spawn rate.
    ``needs_latency_limit``: no load without a latency limit. ``refuse`` notes what the lab would end early, or what
    contradicts itself or the latency limits. ``scenario_env`` returns the variables with which a scenario is loaded
    (see the role bench_cell), by a load as in plan.json.
    """

    load: Callable[[Settings, Limits], AnyLoad]
    changed: Callable[[Any, Settings, bool], AnyLoad]
    needs_latency_limit: bool
    refuse: Callable[[Any, "Entries", Limits, "Problems"], None]
    scenario_env: Callable[[StoredLoad], dict[str, str]]


def _usual_spawn_rate(users: int) -> int:
    """All users within one second, but at most 100 a second: faster starts disturb Locust itself."""
    return min(users, 100)


def _users(settings: Settings, _latency: Limits) -> Load:
    return Load(**({"spawn_rate": _usual_spawn_rate(settings["users"])} | dict(settings)))


def _other_users(load: Load, settings: Settings, keep_spawn_rate: bool) -> Load:
    usual = {}
    if "users" in settings and not keep_spawn_rate:
        usual = {"spawn_rate": _usual_spawn_rate(settings["users"])}
    return replace(load, **(usual | dict(settings)))


def _refuse_impossible_users(load: Load, written: "Entries", _latency: Limits, problems: "Problems") -> None:
    """Note a load that has more workers than users, or that the lab would end early."""
    if load.workers > load.users:
        text = f"{load.workers} workers share {load.users} users; allowed: 1 to {load.users}"
        problems.add(written.line_of("workers", "users"), written.place("workers"), text)
    ramp_seconds = load.users / load.spawn_rate
    if ramp_seconds > MAX_RAMP_SECONDS:
        text = (
            f"a spawn rate of {format_plain(load.spawn_rate)} starts {load.users} users in {ramp_seconds:,.0f} s; "
            f"allowed: up to {MAX_RAMP_SECONDS} s (the recorder waits no longer), "
            f"so at least {math.ceil(load.users * 1000 / MAX_RAMP_SECONDS) / 1000:g}"
        )
        problems.add(written.line_of("spawn_rate", "users"), written.place("spawn_rate"), text)
    if load.seconds > MAX_LOAD_SECONDS:
        text = (
            f"ramp, warm-up and measurement take {load.seconds:,.0f} s together; "
            f"allowed: up to {MAX_LOAD_SECONDS:,} s (the sampler of the hosts records at most one day)"
        )
        problems.add(written.line_of("measure_seconds", "warmup_seconds"), written.place("measure_seconds"), text)


def _users_env(load: StoredLoad) -> dict[str, str]:
    """A scenario may read its think time when it is loaded."""
    seconds = {
        "SWEEP_WARMUP_SECONDS": str(load["warmup_seconds"]),
        "SWEEP_MEASURE_SECONDS": str(load["measure_seconds"]),
        "SWEEP_DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    return seconds | _think_time(load)


def _think_time(load: StoredLoad) -> dict[str, str]:
    waits = load.get("wait_seconds")
    return {"LOCUST_WAIT_MIN_SECONDS": str(waits[0]), "LOCUST_WAIT_MAX_SECONDS": str(waits[1])} if waits else {}


def _search(settings: Settings, latency: Limits) -> CapacityLoad:
    low, high = TIMEOUT_RANGE_SECONDS
    timeout = min(max(TIMEOUT_PER_LIMIT * max(latency.values(), default=0) / 1000, low), high)
    usual = {"timeout_seconds": timeout, "profile": CapacityLoad.profile}
    if "by" in settings:
        # The usual scenario of a search has no users.
        usual["locustfile"] = Load.locustfile
    return CapacityLoad(**with_profile(usual | dict(settings)))


def _other_search(load: CapacityLoad, settings: Settings, keep_spawn_rate: bool) -> CapacityLoad:
    # The default depends on the number of workers.
    usual: dict[str, Any] = {} if keep_spawn_rate else {"spawn_rate": None}
    return replace(load, **(usual | with_profile(settings)))


def _refuse_impossible_search(load: CapacityLoad, written: "Entries", latency: Limits, problems: "Problems") -> None:
    """Note a search that cannot end with a result, or whose settings do not suit its scenario."""
    _refuse_other_kind(load, written, problems)
    _refuse_two_targets(written, problems)
    _refuse_early_timeout(load, written, latency, problems)
    _refuse_long_think_time(load, written, problems)


def _refuse_other_kind(load: CapacityLoad, written: "Entries", problems: "Problems") -> None:
    """Note settings that the scenario of the load does not have."""
    if load.varies == RATE:
        for key in [key for key in USERS_ALONE if key in written]:
            text = (
                f"is for a scenario of users, and {load.locustfile} is an open loop; allowed: {key} with a locustfile "
                f"whose name does not end in {OPEN_LOOP_ENDING}"
            )
            problems.add(written.line_of(key), written.place(key), text)
    elif load.varies == ARRIVALS:
        for key in [key for key in NUMBER_ALONE if key in written]:
            text = f"has no effect on iterations that start when they are due; allowed: {key} with by: {USERS}"
            problems.add(written.line_of(key), written.place(key), text)
    elif load.varies == USERS and "arrivals" in written:
        text = f"is for an open loop, and {load.locustfile} has users; allowed: arrivals with by: {ARRIVALS}"
        problems.add(written.line_of("arrivals"), written.place("arrivals"), text)


def _refuse_two_targets(written: "Entries", problems: "Problems") -> None:
    """Note a rate and a number of users, of which one would be ignored."""
    if "target_rps" in written and "target_users" in written:
        text = "is a second target; allowed: target_rps or target_users"
        problems.add(written.line_of("target_users"), written.place("target_users"), text)


def _refuse_long_think_time(load: CapacityLoad, written: "Entries", problems: "Problems") -> None:
    """Note a budget of fewer than three think times for each step."""
    think = load.think_seconds
    if load.varies != USERS or think is None or (needed := needed_seconds(think)) <= load.budget_seconds:
        return
    longest = load.budget_seconds / needed_seconds(1)
    able = [name for name, profile in PROFILES.items() if profile.budget_seconds >= needed]
    text = (
        f"profile {load.profile} has {format_plain(load.budget_seconds)} s of load for each deployment. A search with "
        f"{format_plain(think)} s of think time needs {needed:.0f} s; "
        f"allowed: {f'profile {able[0]}, or ' if able else ''}a mean of at most {longest:.1f} s in wait_seconds"
    )
    problems.add(written.line_of("wait_seconds", "profile"), written.place("wait_seconds"), text)


def _refuse_early_timeout(load: CapacityLoad, written: "Entries", latency: Limits, problems: "Problems") -> None:
    """Note a timeout at which a response within a limit would already have timed out."""
    limit_ms, name = max(((limit, name) for name, limit in latency.items()), default=(0, ""))
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


def _search_env(load: StoredLoad) -> dict[str, str]:
    """An open-loop scenario reads nothing when it is loaded."""
    return {} if varied_by(load) == RATE else _think_time(load)


MODES = {
    FIXED: Mode(_users, _other_users, False, _refuse_impossible_users, _users_env),
    CAPACITY: Mode(_search, _other_search, True, _refuse_impossible_search, _search_env),
}
