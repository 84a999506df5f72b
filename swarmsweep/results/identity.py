"""Whether a run may be resumed: its plan and its manifest, compared with the sweep file and the lab as they are now.

What changes a measured figure is refused: two halves of a run could not be compared. What changes the judgement alone
is noted, and the run goes on as it was planned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.lab.prices import SETTING as PRICES
from swarmsweep.lab.prices import Prices
from swarmsweep.plan.planned import Host, Plan
from swarmsweep.sweep.checked import CheckedSweep, Sweep
from swarmsweep.sweep.load import CAPACITY, FIXED, mode_of
from swarmsweep.units import format_plain

NOT_RECORDED = "not recorded"
# Whether the SLO changes what is measured: a search looks for the rate that holds it, users do not depend on it.
SLO_IS_MEASURED = {FIXED: False, CAPACITY: True}
# Facts of a host that change its figures. A new time of boot does not. It is also no second that stays the same, so
# whether load and API share a machine, which is derived from it, is not compared either.
HOST_FACTS = (
    *("cpus", "memory_bytes", "swap_bytes", "os_id", "os_version", "kernel", "cgroup_version", "cpu_model"),
    *("reserve_memory_bytes", "carries_replicas", "spread_group"),
)
# A kernel reports a little more or less memory after each boot.
MEMORY_TOLERANCE = 0.01
MAX_NAMED_CELLS = 3  # a longer list would hide the difference
MAX_LINES = 20  # a failure shows 30 lines of a message


class Difference(Struct, frozen=True, kw_only=True):
    """``name`` is what differs, in words. ``planned`` and ``now`` are its values as text."""

    name: str
    planned: str
    now: str

    def sentence(self) -> str:
        """As 'slo.p95_ms: planned 100, now 50'."""
        return f"{self.name}: planned {self.planned}, now {self.now}"


@dataclass(frozen=True)
class Recorded:
    """An entry of manifest.json that all cells of a run share.

    ``words`` names it, with ``{name}`` for a key where the entry is a mapping. ``ignored`` keys are not compared.
    """

    key: str
    words: str
    ignored: frozenset[str] = frozenset()


RECORDED = (
    Recorded("images", "image of {name}"),
    Recorded("axis_images", "image {name} of the sweep file"),
    Recorded("programs", "file or folder {name}"),
    Recorded("packages", "package {name} of locustfiles/requirements.txt"),
    Recorded("model", "model, {name}"),
    Recorded("haproxy_config", "HAProxy's configuration"),
    Recorded("api", "setting {name}"),
    # It runs on the controller alone.
    Recorded("versions", "version of {name}", frozenset({"ansible-core"})),
)


@dataclass(frozen=True)
class Keyed:
    """An entry of manifest.json whose values are keyed hashes.

    ``whole`` names the entry, ``compared`` its values, and ``words`` one of them, with ``{name}`` for its name.
    """

    key: str
    whole: str
    compared: str
    words: str


# Of the folder of the lab on the controller, see `keyed_environment`.
KEY_FILE = "secrets/environment.key in .lab/NAME"
KEYED = (
    Keyed("environment", "lab_api_env", "values of lab_api_env", "variable {name} of lab_api_env"),
    Keyed("hidden", "settings that may have secrets", "settings that may have secrets", "setting {name}"),
)


def sweep_differences(plan: Plan, sweep: CheckedSweep, seed: int | None) -> tuple[list[Difference], list[Difference]]:
    """How a sweep file differs from the plan: what changes figures, and what changes the judgement alone.

    ``seed`` is the one of the command line, None where it has none.
    """
    seeds = seed_differences(plan, seed)
    if sweep.sha256 == plan.sweep_sha256:
        return seeds, []
    figures = seeds if seed is not None else seed_differences(plan, sweep.seed)
    figures += _unequal({"repeat": "repeat"}, {"repeat": plan.repeat}, {"repeat": sweep.repeat})
    figures += _cell_differences(plan, sweep.sweep())
    judgement = _unequal({"name": "name"}, {"name": plan.sweep}, {"name": sweep.name})
    judgement += _baseline_differences(plan, sweep)
    planned, now = (_all_limits(one.slo, one.slo_endpoints) for one in (plan, sweep))
    slo = _unequal({key: key for key in (*planned, *now)}, planned, now)
    (figures if SLO_IS_MEASURED[mode_of(plan.load)] else judgement).extend(slo)
    return figures, judgement


def _all_limits(total: Mapping[str, Any], endpoints: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All limits of an SLO by their place in a sweep file."""
    by_place = {f"slo.{key}": value for key, value in total.items()}
    for name, limits in endpoints.items():
        by_place |= {f"slo.endpoints.{name}.{key}": value for key, value in limits.items()}
    return by_place


def price_differences(plan: Plan, prices: Prices | None) -> list[Difference]:
    """Prices that are not the plan's. They change the judgement alone."""
    one, two = (None if each is None else each.describe() for each in (plan.prices, prices))
    return _unequal({"": PRICES}, {"": one}, {"": two})


def _baseline_differences(plan: Plan, sweep: CheckedSweep) -> list[Difference]:
    """A baseline that the file leaves out now. The run keeps it: no other cell depends on it."""
    if plan.baseline is None or sweep.takes_baseline:
        return []
    return [Difference(name="baseline", planned=plan.baseline.cell_id, now="none")]


def seed_differences(plan: Plan, seed: int | None) -> list[Difference]:
    """A seed that is not the plan's; None is any."""
    return [] if seed is None else _unequal({"seed": "seed"}, {"seed": plan.seed}, {"seed": seed})


def lab_differences(
    plan: Plan, begun: Mapping[str, Any], hosts: Mapping[str, list[Host]], now: Mapping[str, Any]
) -> list[Difference]:
    """How the lab differs from the one in which the run was begun; all of it changes figures.

    ``begun`` is the manifest of the run, ``now`` has the same entries as the lab would write them today. ``hosts`` are
    as in a plan. An entry that an earlier version did not record cannot be compared, so it differs.
    """
    found = _host_differences(plan.hosts, hosts)
    for entry in RECORDED:
        if entry.key in now:
            found += _entry_differences(entry, begun.get(entry.key), now[entry.key])
    for keyed in KEYED:
        if keyed.key in now:
            found += _keyed_differences(keyed, begun.get(keyed.key), now[keyed.key])
    return found


def refuse(run_dir: Path, plan: Plan, differences: list[Difference]) -> None:
    """Refuse to resume a run, if there is a difference that changes figures.

    Raises:
        LabError: the run, each difference with both values, and how to go on.
    """
    if not differences:
        return
    lines = [f"- {difference.sentence()}" for difference in differences[:MAX_LINES]]
    if len(differences) > MAX_LINES:
        lines.append(f"- and {len(differences) - MAX_LINES} more")
    raise LabError(
        f"{run_dir}: the run cannot be resumed, because these changes would change its figures:\n"
        + "\n".join(lines)
        + "\nRestore the planned values, then resume the run. Or start a new run: "
        f"./lab sweep {quote(plan.sweep_file or 'FILE')}. "
        f"The cells that are measured stay as they are. Their report: ./lab report {quote(run_dir.name)}"
    )


def _cell_differences(plan: Plan, sweep: Sweep) -> list[Difference]:
    """Cells that are new, gone, or have another configuration or load; the same change of several cells is one."""
    current = {cell.id: cell for cell in sweep.cells}
    # A baseline that was added is not in the file, unless the file has it now.
    beyond = {plan.added_cell} - set(current)
    planned = {cell.id: cell for cell in plan.cells if cell.twin_of is None and cell.id not in beyond}
    found = [
        Difference(name=f"cell {name}", planned="part of the run", now="missing")
        for name in planned
        if name not in current
    ]
    found += [
        Difference(name=f"cell {name}", planned="missing", now="in the file") for name in current if name not in planned
    ]
    changed: dict[Difference, list[str]] = {}
    both = [name for name in planned if name in current]
    for name in both:
        stored, load = plan.load_of(planned[name]), sweep.load_of(current[name]).as_json()
        words = {key: f"load.{key}" for key in (*stored, *load)}
        differences = _unequal(words, stored, load)
        config = current[name].config()
        differences += _unequal({key: key for key in (*planned[name].config, *config)}, planned[name].config, config)
        for difference in differences:
            changed.setdefault(difference, []).append(name)
    for difference, names in changed.items():
        where = "" if len(names) == len(both) else f" of {_some(names)}"
        found.append(Difference(name=f"{difference.name}{where}", planned=difference.planned, now=difference.now))
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED_CELLS} more" if len(names) > MAX_NAMED_CELLS else ""
    return ", ".join(names[:MAX_NAMED_CELLS]) + more


def _host_differences(planned: Mapping[str, list[Host]], now: Mapping[str, list[Host]]) -> list[Difference]:
    """Other hosts, or the same with other facts; a fact that one side lacks is not judged."""
    found = []
    for group in dict.fromkeys((*planned, *now)):
        before, after = planned.get(group, []), now.get(group, [])
        names, other = ([str(host.get("name")) for host in hosts] for hosts in (before, after))
        if names != other:
            found.append(
                Difference(
                    name=f"hosts of group {group}", planned=", ".join(names) or "none", now=", ".join(other) or "none"
                )
            )
            continue
        for host, current in zip(before, after, strict=True):
            for fact in HOST_FACTS:
                one, two = host.get(fact), current.get(fact)
                if one is not None and two is not None and not _is_same_fact(fact, one, two):
                    found.append(
                        Difference(name=f"{fact} of host {host.get('name')}", planned=_text(one), now=_text(two))
                    )
    return found


def _is_same_fact(fact: str, one: Any, two: Any) -> bool:
    if fact == "memory_bytes":
        return bool(abs(one - two) <= MEMORY_TOLERANCE * max(one, two))
    return bool(one == two)


def _entry_differences(entry: Recorded, begun: Any, now: Any) -> list[Difference]:
    if not isinstance(now, Mapping):
        return _unequal({"": entry.words}, {"": begun}, {"": now}, NOT_RECORDED)
    if not isinstance(begun, Mapping):
        words = entry.words.format(name="any")
        return [Difference(name=words, planned=NOT_RECORDED, now="recorded")] if now else []
    keys = [key for key in dict.fromkeys((*begun, *now)) if key not in entry.ignored]
    return _unequal({key: entry.words.format(name=key) for key in keys}, begun, now)


def _keyed_differences(of: Keyed, begun: Any, now: Mapping[str, Any]) -> list[Difference]:
    """Entries with other values. They are compared by keyed hashes (see `keyed_environment`), which are not shown."""
    before = begun.get("values") if isinstance(begun, Mapping) else None
    if not isinstance(begun, Mapping) or not isinstance(before, Mapping):
        return [Difference(name=of.whole, planned=NOT_RECORDED, now="recorded")]
    if begun.get("key") != now["key"]:
        words = f"the key by which {of.compared} are compared ({KEY_FILE})"
        return [Difference(name=words, planned="the run's", now="another one")]
    after = now["values"]
    return [
        Difference(
            name=of.words.format(name=name),
            planned="one value" if name in before else "not set",
            now="not set" if name not in after else "another value" if name in before else "set",
        )
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


def _unequal(
    words: Mapping[str, str], planned: Mapping[str, Any], now: Mapping[str, Any], missing: str = "not set"
) -> list[Difference]:
    """The keys of ``words`` whose values differ. A number from a command line is text, and is the same number."""
    texts = {key: (_text(planned.get(key), missing), _text(now.get(key), missing)) for key in words}
    return [Difference(name=words[key], planned=one, now=two) for key, (one, two) in texts.items() if one != two]


def _text(value: Any, missing: str = "not set") -> str:
    if value is None:
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return format_plain(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_text(each)}" for key, each in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(_text, value)) or "empty"
    return str(value) or "empty"
