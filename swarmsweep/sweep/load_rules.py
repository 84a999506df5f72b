"""The load of the section `load`, and checks of its settings together, with the SLO, and with the lab."""

from collections.abc import Mapping
from typing import Any

from swarmsweep.sweep.load import AnyLoad
from swarmsweep.sweep.models import LoadSection, Section
from swarmsweep.sweep.modes import MODES
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.scenario_env import FILE_SUFFIX, is_reserved
from swarmsweep.sweep.values import Scenarios
from swarmsweep.sweep.yaml_tree import Entries

LATENCY_LIMITS = ("mean_ms", "p50_ms", "p95_ms", "p99_ms")


def read_load(
    section: LoadSection, limits: Mapping[str, float] | None, scenarios: Scenarios, problems: Problems
) -> AnyLoad:
    """The load of all cells, without its cases. ``limits`` are those of the SLO, None where they were refused."""
    settings = {key: _plain(value) for key, value in section.given().items() if key != "cases"}
    mode, latency = MODES[section.mode], _latency_limits(limits or {})
    if mode.needs_latency_limit and limits is not None and not latency:
        words = ", ".join(LATENCY_LIMITS)
        text = f"{section.mode} needs a latency limit for its search; set at least one of {words} in slo"
        problems.add(section.written.line_of("mode"), "load.mode", text)
    load = mode.load(settings, latency)
    if "locustfile" not in settings and (fault := scenarios.fault(load.locustfile)):
        problems.add(section.written.line, "load.locustfile", fault)
    refuse_impossible(load, section.written, limits, problems)
    _refuse_variables(section, problems)
    return load


def _plain(value: Any) -> Any:
    """A setting as the load has it. Its lists cannot be changed."""
    if isinstance(value, Section):
        return value.given()
    return tuple(value) if isinstance(value, list) else value


def _refuse_variables(section: LoadSection, problems: Problems) -> None:
    """Note variables of `env` and `secrets` that the lab sets itself, or that both set."""
    taken: dict[str, str] = {}
    for key, variables in (("env", section.env), ("secrets", section.secrets)):
        if variables is None:
            continue
        written = variables.written
        for name in variables.given():
            names = (name, f"{name}{FILE_SUFFIX}") if key == "secrets" else (name,)
            if any(map(is_reserved, names)):
                text = "is set by the lab, by Locust or by the system; allowed: other names"
                problems.add(written.line_of(name), written.place(name), text)
            for each in names:
                if each in taken:
                    text = f"would set {each}, which {taken[each]} sets too; allowed: one of them"
                    problems.add(written.line_of(name), written.place(name), text)
            taken |= dict.fromkeys(names, written.place(name))


def refuse_impossible(load: AnyLoad, written: Entries, limits: Mapping[str, float] | None, problems: Problems) -> None:
    """Note a load that the lab would end early, or that contradicts itself or the SLO's ``limits``.

    ``written`` is the mapping of the load in the file.
    """
    MODES[load.mode].refuse(load, written, _latency_limits(limits or {}), problems)


def _latency_limits(limits: Mapping[str, float]) -> dict[str, float]:
    return {name: limits[name] for name in LATENCY_LIMITS if name in limits}
