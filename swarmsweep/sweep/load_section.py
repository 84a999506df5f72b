"""The section `load` of a sweep file: node -> `Load` or `CapacityLoad`, by its mode."""

import math
from collections.abc import Mapping as Names
from typing import Any

from swarmsweep.search import PROFILES
from swarmsweep.sweep.fields import BOUNDS, Reader
from swarmsweep.sweep.load import AnyLoad, CapacityLoad, Load, with_profile
from swarmsweep.sweep.yaml_tree import Mapping, Node
from swarmsweep.units import format_plain

MAX_RAMP_SECONDS = 900  # the recorder gives up on a ramp that lasts longer (its LONGEST_RAMP_SECONDS)
MAX_LOAD_SECONDS = 86_000  # the sampler of the hosts records a day at most; the rest is for starting and draining

MODES = {
    "fixed": "so many users for so long",
    "capacity": "find the highest rate that holds the SLO",
}
# By mode: what a case may change, and what the section may hold.
CASE_KEYS = {
    "fixed": ("users", "spawn_rate", "warmup_seconds", "measure_seconds", "wait_seconds", "workers"),
    "capacity": ("profile", "arrivals", "timeout_seconds", "workers"),
}
LOAD_KEYS = {
    "fixed": ("mode", *CASE_KEYS["fixed"], "locustfile", "cases"),
    "capacity": ("mode", *CASE_KEYS["capacity"], "target_rps", "locustfile", "cases"),
}
_OTHER = {"fixed": "capacity", "capacity": "fixed"}
LATENCY_LIMITS = ("mean_ms", "p50_ms", "p95_ms", "p99_ms")
_ARRIVALS = {
    "poisson": "callers who know nothing of each other",
    "constant": "one request after the other at equal distances",
}

# Four times the limit: slow answers are seen as slow, and hopeless ones do not pile up. At least what a lost packet
# takes to be sent again, at most what a caller waits.
TIMEOUT_PER_LIMIT = 4
TIMEOUT_RANGE_SECONDS = (1, 10)


def read_load(reader: Reader, node: Node | None, limits: Names[str, float] | None) -> AnyLoad | None:
    """The load of all cells, without its cases; None when it is missing or was refused.

    ``limits`` are those of the SLO, None where they were refused. From here on the reader knows the mode, by which it
    judges scenarios.
    """
    if node is None:
        return None
    mode = _read_mode(reader, node)
    keys = keys_of(mode, LOAD_KEYS)
    section = reader.mapping(node, "load", keys, misplaced=misplaced_keys(mode, LOAD_KEYS))
    if section is None or mode is None:
        return None
    reader.mode = mode
    found = read_settings(reader, section, "load", keys)
    if "locustfile" in section.entries:
        found["locustfile"] = reader.scenario(section.entries["locustfile"], "load.locustfile")
    else:
        usual = Load.locustfile if mode == "fixed" else CapacityLoad.locustfile
        reader.has_scenario(section.line, "load.locustfile", usual)
    if mode == "fixed":
        return _fixed_load(reader, section, found)
    return _capacity_load(reader, section, found, limits)


def keys_of(mode: str | None, keys: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The keys of a mode; of all modes where it was refused, so that one slip does not make ten."""
    return keys[mode] if mode else tuple(dict.fromkeys(key for names in keys.values() for key in names))


def misplaced_keys(mode: str | None, keys: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Keys of the other mode, each with what to say where it stands."""
    if mode is None:
        return []
    other, here = _OTHER[mode], ", ".join(keys[mode])
    text = f"belongs to mode {other} ({MODES[other]}); allowed in mode {mode}: {here}"
    return [(key, text) for key in keys[other] if key not in keys[mode]]


def read_settings(reader: Reader, section: Mapping, prefix: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The settings of a load or a case that are among ``keys``, but for the scenario; None for one that was refused."""
    found: dict[str, Any] = {}
    for key in keys:
        if key not in section.entries:
            continue
        value, name = section.entries[key], f"{prefix}.{key}"
        if key == "wait_seconds":
            found[key] = _read_wait(reader, value, name)
        elif key == "profile":
            found[key] = reader.choice(value, name, {word: _budget(word) for word in PROFILES})
        elif key == "arrivals":
            found[key] = reader.choice(value, name, _ARRIVALS)
        elif f"load.{key}" in BOUNDS:
            found[key] = reader.number(value, name, BOUNDS[f"load.{key}"])
    return found


def usual_spawn_rate(users: int) -> int:
    """All users within one second, but never more than 100 a second: faster starts upset Locust itself."""
    return min(users, 100)


def refuse_impossible(
    reader: Reader, section: Mapping, key: str, load: AnyLoad, limits: Names[str, float] | None
) -> None:
    """Note a load that the lab would cut off before its end, or that contradicts itself or the SLO's ``limits``."""
    if isinstance(load, Load):
        _refuse_impossible_users(reader, section, key, load)
    else:
        _refuse_early_timeout(reader, section, key, load, limits or {})


def _fixed_load(reader: Reader, section: Mapping, found: dict[str, Any]) -> Load | None:
    if "users" not in section.entries:
        reader.refuse(section.line, "load.users", "is missing")
    if "users" not in found or None in found.values():
        return None
    load = Load(**({"spawn_rate": usual_spawn_rate(found["users"])} | found))
    refuse_impossible(reader, section, "load", load, None)
    return load


def _capacity_load(
    reader: Reader, section: Mapping, found: dict[str, Any], limits: Names[str, float] | None
) -> CapacityLoad | None:
    latency = _latency_limits(limits or {})
    if limits is not None and not latency:
        text = f"capacity needs a limit of latency to search by; set at least one of {', '.join(LATENCY_LIMITS)} in slo"
        reader.refuse(section.key_lines["mode"], "load.mode", text)
    if None in found.values():
        return None
    low, high = TIMEOUT_RANGE_SECONDS
    usual_timeout = min(max(TIMEOUT_PER_LIMIT * max(latency.values(), default=0) / 1000, low), high)
    usual = {"timeout_seconds": usual_timeout, "profile": CapacityLoad.profile}
    load = CapacityLoad(**with_profile(usual | found))
    refuse_impossible(reader, section, "load", load, limits)
    return load


def _read_mode(reader: Reader, node: Node) -> str | None:
    """The mode that the section names, else fixed; None when it was refused."""
    if not isinstance(node, Mapping) or "mode" not in node.entries:
        return "fixed"
    return reader.choice(node.entries["mode"], "load.mode", MODES)


def _budget(profile: str) -> str:
    return f"at most {format_plain(PROFILES[profile].budget_seconds)} s of load for each deployment"


def _latency_limits(limits: Names[str, float]) -> dict[str, float]:
    return {name: limits[name] for name in LATENCY_LIMITS if name in limits}


def _refuse_early_timeout(
    reader: Reader, section: Mapping, key: str, load: CapacityLoad, limits: Names[str, float]
) -> None:
    """Note a time-out at which an answer within a limit would already be given up."""
    limit_ms, name = max(((limit, name) for name, limit in _latency_limits(limits).items()), default=(0, ""))
    if load.timeout_seconds * 1000 > limit_ms:
        return
    line = section.key_lines.get("timeout_seconds", section.line)
    highest = BOUNDS["load.timeout_seconds"].high
    allowed = (
        f"more than {format_plain(limit_ms / 1000)} and up to {format_plain(highest)} seconds"
        if limit_ms < highest * 1000
        else f"limits below {format_plain(highest * 1000)} ms"
    )
    text = (
        f"{format_plain(load.timeout_seconds)} s end a request before slo.{name} of {format_plain(limit_ms)} ms is "
        f"over; allowed: {allowed}"
    )
    reader.refuse(line, f"{key}.timeout_seconds", text)


def _refuse_impossible_users(reader: Reader, section: Mapping, key: str, load: Load) -> None:
    """Note a load that has more workers than users, or that the lab would cut off before its end."""
    lines = section.key_lines

    def line_of(*names: str) -> int:
        return next((lines[name] for name in names if name in lines), section.line)

    if load.workers > load.users:
        text = f"{load.workers} workers share {load.users} users; allowed: 1 to {load.users}"
        reader.refuse(line_of("workers", "users"), f"{key}.workers", text)
    ramp_seconds = load.users / load.spawn_rate
    if ramp_seconds > MAX_RAMP_SECONDS:
        text = (
            f"{format_plain(load.spawn_rate)} users per second start {load.users} users in {ramp_seconds:,.0f} s; "
            f"allowed: up to {MAX_RAMP_SECONDS} s (the recorder gives up then), "
            f"so at least {math.ceil(load.users * 1000 / MAX_RAMP_SECONDS) / 1000:g}"
        )
        reader.refuse(line_of("spawn_rate", "users"), f"{key}.spawn_rate", text)
    if load.seconds > MAX_LOAD_SECONDS:
        text = (
            f"starting the users, warm-up and measuring take {load.seconds:,.0f} s together; "
            f"allowed: up to {MAX_LOAD_SECONDS:,} s (the sampler of the hosts records a day at most)"
        )
        reader.refuse(line_of("measure_seconds", "warmup_seconds"), f"{key}.measure_seconds", text)


def _read_wait(reader: Reader, node: Node, key: str) -> tuple[float, float] | None:
    items = reader.items(node, key, "[0.5, 2]")
    if items is None:
        return None
    if len(items) != 2:
        reader.refuse(node.line, key, f"has {len(items)} values; allowed: two, [shortest, longest]")
        return None
    bounds = BOUNDS["load.wait_seconds"]
    low, high = (reader.number(item, f"{key}[{i}]", bounds) for i, item in enumerate(items))
    if low is None or high is None:
        return None
    if low > high:
        reader.refuse(node.line, key, f"{low} is above {high}; allowed: [shortest, longest]")
        return None
    return low, high
