"""Samples of a host (one JSON object a line, about one a second) -> what the API used during the measured window."""

from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, parse_json, read_text

Sample = dict[str, Any]
Span = tuple[Sample, Sample]
API_SERVICE = "api"
_IDLE = ("idle", "iowait")


@dataclass(frozen=True)
class ApiUsage:
    """What all replicas used together; None where it was not measured.

    ``periods`` and ``throttled_periods`` are kept so that several trials can be pooled.
    """

    cpu_cores: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    memory_peak_bytes: int | None = None
    oom_kills: int | None = None
    host_busy_percent: float | None = None

    @property
    def throttled_percent(self) -> float | None:
        """Share of the scheduler's periods in which a replica had used up its quota, in percent."""
        if not self.periods or self.throttled_periods is None:
            return None
        return 100 * self.throttled_periods / self.periods


def read_samples(path: Path | str) -> list[Sample]:
    """Samples of one file in time order. A last line that broke off is left out.

    Raises `LabError` with file:line when another line is damaged.
    """
    lines = read_text(path).splitlines(keepends=True)
    samples = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            samples.append(_checked(parse_json(line, f"{path}:{number}"), f"{path}:{number}"))
        except LabError:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise
    return sorted(samples, key=lambda sample: sample["t"])


def _checked(sample: Sample, where: str) -> Sample:
    host, containers = sample.get("host"), sample.get("containers")
    if value_of(sample, "t") is None or not isinstance(host, dict) or not isinstance(containers, dict):
        raise LabError(f"{where}: is no sample: t, host and containers are needed")
    if not all(isinstance(counters, dict) for counters in containers.values()):
        raise LabError(f"{where}: is no sample: the counters of a container are no object")
    return sample


def value_of(counters: dict[str, Any], name: str) -> float | None:
    """A counter as a number; None where the kernel did not offer it."""
    return as_number(counters.get(name))


def usage_over(
    hosts: list[list[Sample]], window: tuple[float, float] | None, container_ids: Set[str | None]
) -> ApiUsage:
    """Usage of the containers over the window, summed over the API hosts (one list of samples each).

    Without ids, as when the deployment was not recorded, those of the service 'api' count, and those of files in which
    containers have no service: these held the API alone.

    Rates lie between the last sample at or before the window's start and the first at or after its end, for each
    host; they are None unless every container was sampled at both ends. Peaks and OOM kills are the last ones seen in
    the whole trial; without a window only those are given.
    """
    last = _last_counters(hosts, container_ids)
    peaks_only = ApiUsage(
        memory_peak_bytes=_whole(max(_all_values(last, "memory_peak_bytes"), default=None)),
        oom_kills=_whole(_sum_if_any(_all_values(last, "oom_kills"))),
    )
    spans = [around(samples, window) for samples in hosts] if window is not None else []
    whole = [span for span in spans if span is not None]
    seen = {name for span in whole for name in _containers(span[0], container_ids)}
    if not seen or len(whole) < len(hosts) or not container_ids <= seen:
        return peaks_only
    return replace(
        peaks_only,
        cpu_cores=_cpu_cores(whole, container_ids),
        periods=_grown(whole, "periods", container_ids),
        throttled_periods=_grown(whole, "throttled_periods", container_ids),
        host_busy_percent=max((busy for busy in map(busy_percent, whole) if busy is not None), default=None),
    )


def around(samples: list[Sample], window: tuple[float, float]) -> Span | None:
    """The last sample at or before the window's start and the first at or after its end; None unless there are both."""
    first = next((sample for sample in reversed(samples) if sample["t"] <= window[0]), None)
    last = next((sample for sample in samples if sample["t"] >= window[1]), None)
    if first is None or last is None or last["t"] <= first["t"]:
        return None
    return first, last


def _containers(sample: Sample, ids: Set[str | None]) -> dict[str, dict[str, Any]]:
    return {
        name: counters
        for name, counters in sample["containers"].items()
        if (name in ids if ids else short_service(counters) == API_SERVICE)
    }


def without_predecessors(samples: list[Sample], since: float) -> list[Sample]:
    """The samples without replicas of the API that already ran at ``since`` (epoch seconds): those of another cell."""
    older = {name for sample in samples if sample["t"] < since for name in _containers(sample, set())}
    if not older:
        return samples
    return [
        sample | {"containers": {name: of for name, of in sample["containers"].items() if name not in older}}
        for sample in samples
    ]


def short_service(counters: dict[str, Any]) -> str:
    """Name of a container's Swarm service without that of its stack: 'api', 'proxy' and so on."""
    service = counters.get("service")
    return service.rpartition("_")[2] if isinstance(service, str) else API_SERVICE


def _growth(span: Span, counter: str, ids: Set[str | None]) -> float | None:
    """How much the counter grew in all containers of one host; None unless each was seen at both ends."""
    first, last = (_containers(sample, ids) for sample in span)
    if first.keys() != last.keys():
        return None
    total = 0.0
    for name in last:
        before, after = value_of(first[name], counter), value_of(last[name], counter)
        if before is None or after is None or after < before:
            return None
        total += after - before
    return total


def _grown(spans: list[Span], counter: str, ids: Set[str | None]) -> int | None:
    values = [_growth(span, counter, ids) for span in spans]
    return None if None in values else _whole(sum(value for value in values if value is not None))


def _cpu_cores(spans: list[Span], ids: Set[str | None]) -> float | None:
    cores = 0.0
    for span in spans:
        seconds = _growth(span, "cpu_seconds", ids)
        if seconds is None:
            return None
        cores += seconds / (span[1]["t"] - span[0]["t"])
    return cores


def busy_percent(span: Span) -> float | None:
    """Share of the host's own cores that was not idle, in percent."""
    before, after = (sample["host"].get("cpu_seconds") for sample in span)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return None
    grown = {}
    for name in after:
        new, old = value_of(after, name), value_of(before, name)
        if new is not None and old is not None:
            grown[name] = new - old
    total = sum(grown.values())
    if "idle" not in grown or total <= 0:
        return None
    return 100 * (1 - sum(grown.get(name, 0.0) for name in _IDLE) / total)


def _last_counters(hosts: list[list[Sample]], ids: Set[str | None]) -> list[dict[str, Any]]:
    last: dict[str, dict[str, Any]] = {}
    for samples in hosts:
        for sample in samples:
            last |= _containers(sample, ids)
    return list(last.values())


def _all_values(counters: list[dict[str, Any]], name: str) -> list[float]:
    return [value for value in (value_of(entry, name) for entry in counters) if value is not None]


def _sum_if_any(values: list[float]) -> float | None:
    return sum(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
