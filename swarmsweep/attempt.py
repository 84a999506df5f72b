"""The raw files of one attempt, parsed; what is missing or damaged is noted, not raised."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from swarmsweep.api_metrics import ApiMetrics, parse_metrics, pool
from swarmsweep.errors import LabError
from swarmsweep.files import as_number, read_json, read_text
from swarmsweep.haproxy import ProxyDelta, delta, parse_stat
from swarmsweep.latency import Requests, read_requests
from swarmsweep.locust_csv import LocustRow, aggregated, most_asked, parse_stats
from swarmsweep.usage import Sample, read_samples

T = TypeVar("T")
P = ParamSpec("P")


@dataclass
class Attempt:
    """What the files of one attempt say; None where a file is missing or damaged, with the reason in ``problems``.

    ``window`` is [start, end) in epoch seconds; ``worker_cpu`` the CPU of every Locust worker in every second of it, in
    percent of one core; ``locust_count`` the requests of the whole trial by Locust's own statistics, ``target`` what it
    asked most. ``metrics`` are those of all replicas that gave them. An API need not have any: why they are missing is
    no problem of the attempt, and stands in ``metrics_problem``.
    """

    deploy: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    timeline: dict[str, Any] | None = None
    window: tuple[float, float] | None = None
    requests: Requests | None = None
    request_files: int = 0
    worker_cpu: list[float] = field(default_factory=list)
    locust_count: int | None = None
    target: str | None = None
    proxy: ProxyDelta | None = None
    api_samples: list[list[Sample]] = field(default_factory=list)
    metrics: ApiMetrics | None = None
    metrics_problem: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether the deployment became ready, so that a load was possible."""
        return self.deploy is not None and self.deploy.get("status") == "ready"

    @property
    def deployed(self) -> list[dict[str, Any]]:
        """The containers that deploy.json lists."""
        return containers_of(self.deploy)

    @property
    def requests_by_replica(self) -> dict[str, int | None]:
        """Requests that HAProxy sent to each of its servers during the trial."""
        return {} if self.proxy is None else {name: change["req_tot"] for name, change in self.proxy.servers.items()}


def containers_of(record: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The containers that deploy.json or after.json lists; entries without an id are none."""
    found = (record or {}).get("containers")
    entries = found if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def gather(folder: Path) -> Attempt:
    """Read the raw files of the attempt in ``folder``. Files that only a load writes are not missed before one."""
    raw = Attempt()

    def attempt_to(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return read(*args, **kwargs)
        except LabError as error:
            raw.problems.append(str(error).replace(f"{folder}/", ""))
            return None

    if (folder / "harness.json").exists():
        record = attempt_to(read_json, folder / "harness.json") or {}
        raw.problems.append(f"the bench itself broke: {record.get('reason', 'no reason was recorded')}")
        return raw
    raw.deploy = attempt_to(read_json, folder / "deploy.json")
    samples = [attempt_to(read_samples, path) for path in sorted(folder.glob("samples-api-*.jsonl"))]
    raw.api_samples = [entry for entry in samples if entry is not None]
    if (folder / "after.json").exists():
        raw.after = attempt_to(read_json, folder / "after.json")
    if not raw.is_ready:
        return raw
    locust = folder / "locust"
    raw.timeline = attempt_to(read_json, locust / "timeline.json")
    if raw.timeline is not None:
        raw.window = attempt_to(_window, raw.timeline)
    raw.request_files = len(_request_files(locust))
    raw.requests = attempt_to(_requests, locust)
    if raw.window is not None:
        raw.worker_cpu = attempt_to(_worker_cpu, locust, raw.window) or []
    for path in sorted(locust.glob("units-*.json")):
        ended_badly = (attempt_to(read_json, path) or {}).get("ended_badly") or {}
        raw.problems += [f"the unit {unit} of the load ended badly: {word}" for unit, word in ended_badly.items()]
    raw.locust_count, raw.target = attempt_to(_locust_counts, locust / "stats_stats.csv") or (None, None)
    if (folder / "haproxy-before.csv").exists() and (folder / "haproxy-after.csv").exists():
        raw.proxy = attempt_to(_proxy_delta, folder)
    raw.metrics, raw.metrics_problem = _metrics(folder, raw.after)
    return raw


def _window(timeline: dict[str, Any]) -> tuple[float, float]:
    start, end = as_number(timeline.get("window_start")), as_number(timeline.get("window_end"))
    if start is None or end is None:
        raise LabError("locust/timeline.json: has no measured window; the load ended before its warm-up did")
    if end <= start:
        raise LabError(f"locust/timeline.json: the window ends at {end}, before its start at {start}")
    return start, end


def _request_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("requests-*.f64.gz"))


def _requests(folder: Path) -> Requests:
    files = _request_files(folder)
    if not files:
        raise LabError("locust/requests-*.f64.gz: are missing; no worker recorded a request")
    return read_requests(files)


def _worker_cpu(folder: Path, window: tuple[float, float]) -> list[float]:
    values: list[float] = []
    for path in sorted(folder.glob("worker-*.json")):
        entries = read_json(path).get("cpu_percent")
        for entry in entries if isinstance(entries, list) else []:
            pair = [as_number(value) for value in entry] if isinstance(entry, list) else []
            if len(pair) != 2 or pair[0] is None or pair[1] is None:
                raise LabError(f"{path}: cpu_percent holds {entry!r}, [time, percent] was expected")
            if window[0] < pair[0] <= window[1]:
                values.append(pair[1])
    return values


def _locust_counts(path: Path) -> tuple[int, str | None]:
    rows: list[LocustRow] = parse_stats(read_text(path), str(path))
    return aggregated(rows, str(path)).request_count, most_asked(rows)


def _metrics(folder: Path, after: dict[str, Any] | None) -> tuple[ApiMetrics | None, str | None]:
    """What the replicas said at /metrics, and why some or all of them did not."""
    told = (after or {}).get("metrics_problem")
    problems = [told] if isinstance(told, str) else []
    found = []
    for path in sorted(folder.glob("metrics-*.prom")):
        try:
            found.append(parse_metrics(read_text(path), path.name))
        except LabError as error:
            problems.append(str(error))
    return pool(found) if found else None, "; ".join(problems) or None


def _proxy_delta(folder: Path) -> ProxyDelta:
    before, after = (folder / f"haproxy-{when}.csv" for when in ("before", "after"))
    return delta(parse_stat(read_text(before), str(before)), parse_stat(read_text(after), str(after)))
