"""An API's own metrics at /metrics: Prometheus text -> where the time of a request goes, and what was chosen.

Metrics are recognised by the ends of their names, with any prefix: ``*_request_seconds`` (label endpoint),
``*_part_seconds`` (labels endpoint and part) and ``*_variant_info`` (a label for each choice). They count from the
start of the replica, so they include ramp and warm-up.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from swarmsweep.errors import LabError
from swarmsweep.files import as_number
from swarmsweep.plan.row import RequestParts

PARTS = ("database", "mlflow", "preparing", "inference")
REST = "rest"  # time outside all parts: HTTP, decoding, waiting for the processor

# The proxy and the lab send requests to these also without any load.
_NOT_LOADED = frozenset({"/metrics", "/health", "/ready"})
_MAX_TEXT = 100
_MAX_CHOICES = 32


@dataclass(frozen=True)
class EndpointTimes:
    """Requests to one endpoint, their total time in seconds, and the time of each part."""

    requests: float = 0
    seconds: float = 0
    parts_seconds: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "EndpointTimes") -> "EndpointTimes":
        parts = dict(self.parts_seconds)
        for part, seconds in other.parts_seconds.items():
            parts[part] = parts.get(part, 0) + seconds
        return EndpointTimes(self.requests + other.requests, self.seconds + other.seconds, parts)


@dataclass(frozen=True)
class ApiMetrics:
    """Times by endpoint. ``choices`` are the labels of ``*_variant_info``, None without them."""

    times: dict[str, EndpointTimes]
    choices: dict[str, str] | None = None


def parse_metrics(text: str, where: str = "metrics.prom") -> ApiMetrics:
    """The metrics of one replica, over all its workers. Raises `LabError` when the text has another format."""
    # Imported here, so that planning does not wait for it.
    from prometheus_client.parser import text_string_to_metric_families

    times: dict[str, dict[str, EndpointTimes]] = defaultdict(lambda: defaultdict(EndpointTimes))
    choices = None
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise LabError(f"{where}: is not Prometheus' text format: {error}") from error
    for sample in samples:
        value = as_number(sample.value)
        if value is None or value < 0:
            continue
        if sample.name.endswith("_variant_info"):
            choices = _choices(sample.labels)
        else:
            _add(times, sample.name, sample.labels, value)
    # If one text has several APIs, the one with the most requests is used. Two histograms of the same requests are
    # never added.
    busiest = max(times.values(), key=lambda by_endpoint: sum(of.requests for of in by_endpoint.values()), default={})
    return ApiMetrics(dict(busiest), choices)


def pool(replicas: Iterable[ApiMetrics]) -> ApiMetrics:
    """Combine all replicas, or all attempts. ``choices`` is None if they differ."""
    times: dict[str, EndpointTimes] = defaultdict(EndpointTimes)
    chosen = []
    for replica in replicas:
        chosen.append(replica.choices)
        for endpoint, entry in replica.times.items():
            times[endpoint] = times[endpoint] + entry
    same = bool(chosen) and all(choices == chosen[0] for choices in chosen)
    return ApiMetrics(dict(times), chosen[0] if same else None)


def request_parts(metrics: ApiMetrics) -> RequestParts | None:
    """Where the time of a request to the loaded endpoint goes, in ms for each request; None without any.

    A part that was never entered is None. The rest is the mean minus the parts, at least 0: parts that run in parallel
    may add up to more than the whole request.
    """
    loaded = {name: entry for name, entry in metrics.times.items() if entry.requests and name not in _NOT_LOADED}
    if not loaded:
        return None
    endpoint = min(loaded, key=lambda name: (-loaded[name].requests, name))
    entry = loaded[endpoint]
    mean_ms = 1000 * entry.seconds / entry.requests
    parts = {part: _per_request_ms(entry, part) for part in PARTS}
    rest = max(0.0, mean_ms - sum(value for value in parts.values() if value is not None))
    return RequestParts(endpoint=endpoint, requests=int(entry.requests), mean_ms=mean_ms, parts_ms=parts | {REST: rest})


def _per_request_ms(entry: EndpointTimes, part: str) -> float | None:
    seconds = entry.parts_seconds.get(part)
    return None if seconds is None else 1000 * seconds / entry.requests


def _add(times: dict[str, dict[str, EndpointTimes]], name: str, labels: dict[str, str], value: float) -> None:
    endpoint = labels.get("endpoint")
    if not endpoint:
        return
    endpoint = endpoint[:_MAX_TEXT]
    if name.endswith("_request_seconds_count"):
        api, entry = times[name.removesuffix("_request_seconds_count")], EndpointTimes(requests=value)
    elif name.endswith("_request_seconds_sum"):
        api, entry = times[name.removesuffix("_request_seconds_sum")], EndpointTimes(seconds=value)
    elif name.endswith("_part_seconds_sum") and labels.get("part") in PARTS:
        api = times[name.removesuffix("_part_seconds_sum")]
        entry = EndpointTimes(parts_seconds={labels["part"]: value})
    else:
        return
    api[endpoint] = api[endpoint] + entry


def _choices(labels: dict[str, str]) -> dict[str, str] | None:
    # If workers share files, the library may add the label of the process.
    kept = [(name, value) for name, value in labels.items() if name != "pid"][:_MAX_CHOICES]
    return {name[:_MAX_TEXT]: value[:_MAX_TEXT] for name, value in kept} or None
