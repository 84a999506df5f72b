"""Ansible action: judge the facts of the hosts. Runs on the controller; see swarmsweep.lab.preflight.

Arguments: api, load (hosts of the inventory), docker_engine (lab_docker_engine, unless a host has another one),
placement (lab_api_placement), spread (lab_api_spread), provisioned (whether this version must have provisioned them
before).
"""

from __future__ import annotations

from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from swarmsweep.lab import host_labels, preflight
from swarmsweep.lab.inventory_files import inventory_of, settings_of
from swarmsweep.lab.provisioned import this_version

ROOT = Path(__file__).parents[2]


def clock_problems(clocks):
    """Return clocks that could not be read, and clocks that differ. An unreachable host is reported elsewhere."""
    read = {
        name: (clock["offset_seconds"], clock["bound_seconds"])
        for name, clock in clocks.items()
        if "offset_seconds" in clock
    }
    silent = [
        f"the clock of {name} could not be read: {clock.get('msg', 'no response').rstrip('.')}. "
        f"To see why, log in to {name}, and run: date +%s.%N"
        for name, clock in clocks.items()
        if clock.get("failed") and name not in read
    ]
    differ = preflight.clock_problem(read)
    return silent + ([differ] if differ else [])


class ActionModule(ActionBase):
    """Fails with every problem of every host in one message."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        hostvars = task_vars["hostvars"]
        sides = {side: list(self._task.args[side]) for side in ("api", "load")}
        facts = {
            name: {
                "address": str(hostvars[name].get("ansible_host", name)),
                "reach": dict(hostvars[name].get("__preflight_reach", {})),
                "capacity": dict(hostvars[name].get("__preflight_capacity", {})),
            }
            for side in sides.values()
            for name in side
        }
        inventory = inventory_of(task_vars.get("ansible_inventory_sources"))
        problems: list[str] = []
        clocks = {name: dict(hostvars[name].get("__preflight_clock", {})) for name in facts}

        def truth(setting, given, usual):
            try:
                return boolean(given)
            except TypeError:
                fix = f"Fix: change it in {settings_of(inventory)}"
                problems.append(f"{setting} is {given!r}; allowed: true or false. {fix}")
                return usual

        used = truth("lab_api_on_manager", self._task.args.get("api_on_manager", True), True)
        # A host of another version would fail late: an image or a program that this version needs is missing there.
        needed = this_version(ROOT) if self._task.args.get("provisioned") else None
        # Only ./lab site changes the engine of a host. The role takes the setting of each host.
        usual = self._task.args.get("docker_engine")
        engines = {name: str(hostvars[name].get("lab_docker_engine", usual)) for name in sides["api"]}
        # Without API hosts, the setting could not be read: it depends on their number.
        hosts = sides["api"]
        usual_registry = len(hosts) > 1
        has_registry = bool(hosts) and truth(
            "lab_registry", hostvars[hosts[0]].get("lab_registry", usual_registry), usual_registry
        )
        problems += preflight.find_problems(
            facts,
            sides,
            needed,
            is_manager_used=used,
            docker_engines=None if needed else engines,
            is_registry_used=has_registry,
            inventory=inventory,
        )
        labels = {name: hostvars[name].get("lab_labels") for name in sides["api"]}
        wanted, spread = (self._task.args.get(setting) for setting in ("placement", "spread"))
        any_host = host_labels.hosts_with_replicas(labels, None, is_manager_used=used)
        problems += host_labels.placement_problems(labels, wanted, any_host, inventory)
        carriers = host_labels.hosts_with_replicas(labels, wanted, is_manager_used=used)
        problems += host_labels.spread_problems(labels, spread, carriers, inventory)
        problems += clock_problems(clocks)
        if problems:
            raise AnsibleActionFail("The lab cannot work:\n" + "\n".join(f"- {problem}" for problem in problems))
        return result | {"changed": False, "warnings": preflight.untested_machines(facts)}
