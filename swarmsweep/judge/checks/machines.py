"""Checks of the machines: noisy neighbours, and whether samples and window are of the same time."""

from collections.abc import Callable, Mapping

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence
from swarmsweep.raw.machine_usage import MachineUsage
from swarmsweep.units import format_figure


def window_sampled(evidence: Evidence) -> Check:
    """The samples of the API hosts cover the measured window and all replicas, so that CPU use is known."""
    name = "window_sampled"
    if not any(machine.group == "api" for machine in evidence.machines.values()):
        sentence = "no samples of the API hosts were collected, so CPU use and throttling are unknown"
        return Check(name, None, True, None, sentence, warning=True)
    known = evidence.usage.cpu_cores is not None
    sentence = (
        "the samples of the API hosts cover the measured window"
        if known
        else "the samples of the API hosts do not cover the measured window, so CPU use and throttling are unknown"
    )
    return Check(name, known, True, known, sentence, warning=True)


def steal_cpu(evidence: Evidence) -> Check:
    """The hypervisor gave the machines the CPU time that they needed."""
    highest = _highest({host: machine.steal_percent for host, machine in evidence.machines.items()})
    return _highest_below(
        "steal_cpu",
        highest,
        limit("steal"),
        "CPU time stolen by the hypervisor was not recorded",
        lambda percent, host, most: (
            f"the hypervisor took {format_figure(percent)} % of the CPU time of {host} (limit {most:g} %)"
        ),
        warning=highest is None or highest[1] <= limit("steal_most"),
    )


def foreign_cpu(evidence: Evidence) -> Check:
    """No noisy neighbour used the machines' cores. The attempt is invalid if it used much while no core was free."""
    used = {host: machine.external_cpu_cores for host, machine in evidence.machines.items()}
    is_full = {host: _is_disturbed(machine) for host, machine in evidence.machines.items()}
    return _highest_below(
        "foreign_cpu",
        _highest(used),
        limit("external_cpu"),
        "the CPU use of noisy neighbours was not recorded, or cannot be measured",
        lambda _cores, _host, most: f"noisy neighbours used {_cores_of(used, most, is_full)}",
        warning=not any(is_full.values()),
    )


def _is_disturbed(machine: MachineUsage) -> bool:
    if machine.external_cpu_cores is None or machine.cores is None or machine.busy_percent is None:
        return False
    share = 100 * machine.external_cpu_cores / machine.cores
    return share > limit("external_cpu_most") and machine.busy_percent >= limit("full_host")


def api_host_alone(evidence: Evidence) -> Check | None:
    """An API host used its cores for the lab alone.

    None where `foreign_cpu` has the other processes of such a host, and where they were not counted.
    """
    name, most = "api_host_alone", limit("other_own_cpu")
    used = {host: machine.other_own_cpu_cores for host, machine in evidence.machines.items()}
    highest = _highest(used)
    if highest is None:
        return None
    sentence = f"processes outside the lab's containers, Docker included, used {_cores_of(used, most)}"
    return Check(name, highest[1], most, highest[1] <= most, sentence, warning=True)


def sampling_cheap(evidence: Evidence) -> Check:
    """The sampler itself used very little CPU time."""
    return _highest_below(
        "sampling_cheap",
        _highest({host: machine.sampler_cores for host, machine in evidence.machines.items()}),
        limit("sampler"),
        "the CPU use of the sampler was not recorded",
        lambda cores, host, most: f"the sampler used {100 * cores:.2g} % of a core of {host} (limit {100 * most:g} %)",
        warning=True,
    )


def clock_offset(evidence: Evidence) -> Check:
    """The clocks of API and load host agree, so that samples and window are of the same time."""
    name, most = "clock_offset", limit("clock_offset")
    offset, bound = evidence.clock_offset_seconds, evidence.clock_bound_seconds
    if offset is None or bound is None:
        return Check(name, None, most, None, "the clocks of the hosts were not compared", warning=True)
    certain = max(0.0, abs(offset) - bound)
    sentence = (
        f"the clocks of API and load host differ by {1000 * abs(offset):.0f} ms, uncertainty {1000 * bound:.0f} ms "
        f"(limit {1000 * most:.0f} ms)"
    )
    return Check(name, offset, most, certain <= most, sentence, warning=certain <= limit("clock_offset_most"))


def _cores_of(by_host: Mapping[str, float | None], most: float, is_full: Mapping[str, bool] | None = None) -> str:
    """The cores of each host above ``most``, the highest first; of the highest one alone where none is above.

    ``is_full`` says which hosts had no free core.
    """
    known = {host: cores for host, cores in by_host.items() if cores is not None}
    ordered = sorted(known, key=lambda host: -known[host])
    named = [host for host in ordered if known[host] > most] or ordered[:1]
    parts = []
    for host in named:
        bound = f" (limit {most:g})" if host == named[0] else ""
        full = ", which had no free core" if is_full and is_full[host] else ""
        parts.append(f"{format_figure(known[host])} cores of {host}{bound}{full}")
    return ", and ".join(parts)


def _highest(by_host: Mapping[str, float | None]) -> tuple[str, float] | None:
    """The host with the highest figure, and that figure."""
    known = {host: figure for host, figure in by_host.items() if figure is not None}
    return max(known.items(), key=lambda item: item[1], default=None)


def _highest_below(
    name: str,
    highest: tuple[str, float] | None,
    most: float,
    unknown: str,
    sentence: Callable[[float, str, float], str],
    warning: bool,
) -> Check:
    """Whether the highest figure of all machines is within ``most``; ``unknown`` is the sentence when there is no
    figure.
    """
    if highest is None:
        return Check(name, None, most, None, unknown, warning=True)
    host, figure = highest
    return Check(name, figure, most, figure <= most, sentence(figure, host, most), warning=warning)
