"""Facts about the lab that need no request to a host: from the newest runs, and from the inventory."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from swarmsweep.errors import LabError
from swarmsweep.lab import host_labels
from swarmsweep.lab.virtual_machines import allocate, is_virtual
from swarmsweep.plan.host_facts import API_RESERVE_BYTES, as_nodes
from swarmsweep.plan.inventory_settings import plain_settings
from swarmsweep.plan.modes import mode_for, number_in
from swarmsweep.plan.plan import OTHER_SECONDS_PER_STEP
from swarmsweep.plan.planned import Host, Plan, Step
from swarmsweep.plan.run_folder import attempt_dir, newest_runs, read_plan
from swarmsweep.shared.machine_memory import total_memory_bytes
from swarmsweep.sweep.load import StoredLoad, mode_of

# A median of fewer steps is not reliable: an upload of an image or a pause may be among them.
MIN_GAPS = 3
# More steps would not change a median, and reading them takes time.
MAX_STEPS = 100
# Only the newest runs are read: an old one had another version of the bench.
MAX_RUNS = 10


@dataclass(frozen=True)
class ApiHosts:
    """Facts of the API hosts, as in plan.json, and their source in words; empty where no hosts are known."""

    facts: tuple[Host, ...]
    source: str


@dataclass(frozen=True)
class OtherSeconds:
    """The seconds that a deployment takes beside its load, and their source in words."""

    seconds: float
    source: str


def known_api_hosts(inventories: Sequence[Path | str], reports_dir: Path | str) -> ApiHosts:
    """The API hosts as in the newest run of these inventories, else as `./lab up` would create them on this machine.

    Real machines without a run are unknown. An inventory that is not plain YAML cannot be read; then the newest run is
    used, whatever its inventory.
    """
    hosts = _hosts(inventories)
    for run in newest_runs(reports_dir, MAX_RUNS):
        facts = _facts_of(run)
        if facts and (hosts is None or [host.get("name") for host in facts] == list(hosts["api"])):
            return ApiHosts(_with_carriers(facts, hosts, inventories), f"as in run {run.name}")
    machines = _virtual_machines(hosts) if hosts else ()
    if machines:
        source = "as ./lab up would create them on this machine; no run has recorded them yet"
        return ApiHosts(_with_carriers(machines, hosts, inventories), source)
    return ApiHosts((), "no run has recorded them yet; use --api-cpus and --api-memory to see which cells cannot fit")


def known_other_seconds(reports_dir: Path | str, mode: str) -> OtherSeconds:
    """The median over the steps of the newest run with enough of them, else `OTHER_SECONDS_PER_STEP`.

    A run with the same mode of load is preferred: a search also waits between its probes.
    """
    plans = [(run, plan) for run in newest_runs(reports_dir, MAX_RUNS) if (plan := _plan_of(run))]
    for run, plan in sorted(plans, key=lambda entry: mode_of(entry[1].load) != mode):
        seconds = _seconds_beside_load(run, plan)
        if len(seconds) >= MIN_GAPS:
            return OtherSeconds(round(median(seconds), 1), f"as in run {run.name}")
    return OtherSeconds(OTHER_SECONDS_PER_STEP, "an estimate, because no run has recorded it yet")


def _plan_of(run: Path) -> Plan | None:
    """The plan of a run; None if it is damaged, or has a mode of a later version."""
    try:
        plan = read_plan(run)
        for load in (plan.load, *(plan.load_of(cell) for cell in plan.cells)):
            mode_of(load)
    except LabError:
        return None
    return plan


def _facts_of(run: Path) -> tuple[Host, ...]:
    plan = _plan_of(run)
    return tuple(plan.hosts.get("api", ())) if plan is not None else ()


def _with_carriers(
    facts: tuple[Host, ...], hosts: dict[str, dict[str, Any]] | None, inventories: Sequence[Path | str]
) -> tuple[Host, ...]:
    """The API hosts, with those that carry replicas by the inventories as they are now, where these are plain."""
    settings = plain_settings(*inventories)
    if hosts is None or host_labels.SETTING not in settings:
        return facts
    labels = {name: given.get(host_labels.LABELS) for name, given in hosts["api"].items()}
    wanted, label = settings[host_labels.SETTING], settings.get(host_labels.SPREAD)
    is_manager_used = settings.get("lab_api_on_manager") is not False
    carriers = host_labels.hosts_with_replicas(labels, wanted, is_manager_used=is_manager_used)
    # Only Ansible reads labels of other files than hosts.yml.
    if not carriers or host_labels.spread_problems(labels, label, carriers):
        return facts
    excluded = host_labels.excluded_hosts(labels, wanted)
    groups = host_labels.spread_groups(labels, label, carriers)
    return tuple(as_nodes(list(facts), {}, is_manager_used=is_manager_used, excluded=excluded, groups=groups))


def _hosts(inventories: Sequence[Path | str]) -> dict[str, dict[str, Any]] | None:
    """Host name -> variables for the groups api and load; None if these are no inventories in plain YAML."""
    groups: dict[str, dict[str, Any]] = {"api": {}, "load": {}}
    for inventory in map(Path, inventories):
        file = inventory / "hosts.yml" if inventory.is_dir() else inventory
        # One of several may have settings alone.
        if inventory.is_dir() and not file.exists():
            continue
        try:
            tree = yaml.safe_load(file.read_text())
            found = {name: hosts for name, hosts in _groups(tree) if name in groups}
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            return None
        # A script, or a list of hosts in another format, may name any hosts.
        if not isinstance(tree, dict):
            return None
        # A later inventory adds hosts, and variables of the same hosts.
        for side, hosts in found.items():
            groups[side] |= {name: groups[side].get(name, {}) | given for name, given in hosts.items()}
    return groups if all(groups.values()) else None


def _groups(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every group of an inventory that has hosts: name, and host name -> variables."""
    for name, group in tree.items() if isinstance(tree, dict) else ():
        if not isinstance(group, dict):
            continue
        hosts = group.get("hosts")
        if isinstance(hosts, dict):
            yield name, {str(host): given if isinstance(given, dict) else {} for host, given in hosts.items()}
        yield from _groups(group.get("children"))


def _virtual_machines(groups: dict[str, dict[str, Any]]) -> tuple[Host, ...]:
    """The API hosts if they are virtual machines of this machine; empty if one of them is a real machine."""
    addresses = {
        side: {name: str(given.get("ansible_host", name)) for name, given in groups[side].items()}
        for side in ("api", "load")
    }
    if not all(is_virtual(address) for address in addresses["api"].values()):
        return ()
    sides = {name: side for side in ("load", "api") for name in addresses[side]}
    cores = sorted(os.sched_getaffinity(0))
    try:
        machines = allocate(addresses["api"] | addresses["load"], sides, cores, total_memory_bytes())
    except LabError:
        return ()
    hosts: list[Host] = [
        {
            "name": machine["name"],
            "cpus": _count(machine["cores"]),
            "memory_bytes": machine["memory_bytes"],
            "reserve_memory_bytes": API_RESERVE_BYTES,
        }
        for machine in machines
        if sides[machine["name"]] == "api"
    ]
    return tuple(as_nodes(hosts, {}, is_manager_used=True))


def _count(cpuset: str) -> int:
    """Number of cores of a cpuset: "0-2,5" -> 4."""
    runs = (run.partition("-") for run in cpuset.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in runs)


def _seconds_beside_load(run: Path, plan: Plan) -> list[float]:
    """From the start of each deployment to the start of the next one, minus the load between.

    Only differences of one host's clock are used. Attempts that were retried count too, in the order of time. An
    interrupted sweep causes one long gap, which hardly changes a median.
    """
    cells = plan.cells_by_id()
    steps = plan.steps[-MAX_STEPS:]
    if any(step.cell_id not in cells for step in steps):
        return []
    times = [_times(folder, plan.load_of(cells[step.cell_id])) for step in steps for folder in _folders(run, step)]
    in_order = sorted(((started, loaded) for started, loaded in times if started is not None), key=lambda pair: pair[0])
    gaps = (
        (next_started - started, loaded)
        for (started, loaded), (next_started, _) in pairwise(in_order)
        if loaded is not None
    )
    return [gap - loaded for gap, loaded in gaps if gap > loaded]


def _folders(run: Path, step: Step) -> list[Path]:
    """The folders of one attempt: that of its last execution, and that of the one before a retry."""
    folder = attempt_dir(run, *step.key)
    return [folder, *folder.parent.glob(f"{folder.name}.retried-*")]


def _times(folder: Path, load: StoredLoad) -> tuple[float | None, float | None]:
    """When the deployment of an attempt began, and how long its load lasted; None for an unknown value."""
    return number_in(folder / "deploy.json", "started_at"), mode_for(load).loaded_seconds(folder)
