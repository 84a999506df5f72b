"""The raw files of one attempt, parsed. A missing or damaged file is noted and raises nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarmsweep.errors import LabError
from swarmsweep.files import read_text
from swarmsweep.raw.api_metrics import ApiMetrics, parse_metrics, pool
from swarmsweep.raw.api_usage import without_predecessors
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.raw.deployment import BenchFailure, Clocks, Deployment, LoadUnits, StateAfterLoad
from swarmsweep.raw.haproxy import ProxyDelta, delta, parse_stat
from swarmsweep.raw.locust_csv import aggregated, most_frequent, parse_stats
from swarmsweep.raw.modes import read_load
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.samples import Sample, read_samples
from swarmsweep.raw.search_record import SearchRecord
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from swarmsweep.sweep.load import StoredLoad

GROUPS = ("api", "load")


@dataclass
class RawAttempt:
    """The parsed files of one attempt. A value is None if its file is missing or damaged; ``problems`` has the reason.

    ``window`` is [start, end) in epoch seconds of the window whose figures are reported. ``users`` is set after a
    closed-loop load, ``search`` after a search for the capacity. ``samples`` are by host name; ``group_of`` says
    whether a host is of 'api' or 'load'. ``locust_count`` is the number of requests of the whole attempt in Locust's
    own statistics, ``target`` the most frequent one. ``metrics`` are those of all replicas that provided them. They are
    optional for an API: the reason why they are missing is in ``metrics_problem`` and is no problem of the attempt.
    """

    deploy: Deployment | None = None
    after: StateAfterLoad | None = None
    timeline: Timeline | None = None
    clock: Clocks | None = None
    window: tuple[float, float] | None = None
    users: UsersRecord | None = None
    search: SearchRecord | None = None
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    group_of: dict[str, str] = field(default_factory=dict)
    locust_count: int | None = None
    target: str | None = None
    proxy: ProxyDelta | None = None
    metrics: ApiMetrics | None = None
    metrics_problem: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether the deployment became ready, so that a load was possible."""
        return self.deploy is not None and self.deploy.status == "ready"

    @property
    def deployed_ids(self) -> set[str]:
        """Ids of the containers that deploy.json lists."""
        return self.deploy.ids if self.deploy is not None else set()

    @property
    def api_samples(self) -> list[list[Sample]]:
        """The samples of the API hosts, one list for each host."""
        return [samples for host, samples in self.samples.items() if self.group_of[host] == "api"]

    @property
    def requests_by_replica(self) -> dict[str, int | None]:
        """Requests that HAProxy sent to each of its servers during the attempt."""
        return {} if self.proxy is None else {name: change["req_tot"] for name, change in self.proxy.servers.items()}


def read_attempt(folder: Path, load: StoredLoad, slo: Mapping[str, float | None]) -> RawAttempt:
    """Read the raw files of the attempt in ``folder``. Without a load, its files are not reported as missing.

    ``load`` is that of the cell; a search for the capacity is judged by ``slo``.
    """
    raw = RawAttempt()
    read_or_note = ReadOrNote(folder, raw.problems)
    if (folder / "harness.json").exists():
        failure = read_or_note(read_record, folder / "harness.json", BenchFailure) or BenchFailure()
        raw.problems.append(f"the test bench failed: {failure.reason}")
        return raw
    raw.deploy = read_or_note(read_record, folder / "deploy.json", Deployment)
    _read_samples(folder, raw, read_or_note)
    if (folder / "after.json").exists():
        raw.after = read_or_note(read_record, folder / "after.json", StateAfterLoad)
    if not raw.is_ready:
        return raw
    locust = folder / "locust"
    # Read first, because they explain which files are missing. In older runs they are among Locust's own files.
    for path in sorted([*(folder / "units").glob("units-*.json"), *locust.glob("units-*.json")]):
        units = read_or_note(read_record, path, LoadUnits) or LoadUnits()
        raw.problems += [
            f"the systemd unit {unit} of the load failed: {word}" for unit, word in units.ended_badly.items()
        ]
    raw.timeline = read_or_note(read_record, locust / "timeline.json", Timeline)
    record = read_load(load, locust, slo, raw.timeline, read_or_note)
    raw.users, raw.search, raw.window = record.users, record.search, record.window
    own_figures = raw.users is not None and raw.users.sent is not None and raw.users.sent.own_figures
    raw.locust_count, raw.target = read_or_note(_locust_counts, locust / "stats_stats.csv", own_figures) or (None, None)
    if (folder / "haproxy-before.csv").exists() and (folder / "haproxy-after.csv").exists():
        raw.proxy = read_or_note(_proxy_delta, folder)
    if (folder / "clock.json").exists():
        raw.clock = read_or_note(read_record, folder / "clock.json", Clocks)
    raw.metrics, raw.metrics_problem = _metrics(folder, raw.after)
    return raw


def _read_samples(folder: Path, raw: RawAttempt, read_or_note: ReadOrNote) -> None:
    for group in GROUPS:
        prefix = f"samples-{group}-"
        for path in sorted(folder.glob(f"{prefix}*.jsonl")):
            host = path.stem.removeprefix(prefix)
            # A machine may be both an API host and a load host. Then its samples as an API host have its containers,
            # and so the API.
            if host not in raw.samples and (samples := read_or_note(read_samples, path)) is not None:
                raw.samples[host], raw.group_of[host] = _of_this_deployment(samples, raw.deploy), group


def _of_this_deployment(samples: list[Sample], deploy: Deployment | None) -> list[Sample]:
    """Sampling begins while the replicas of the previous cell still exist."""
    since = deploy.started_at if deploy is not None else None
    return samples if since is None else without_predecessors(samples, since)


def _locust_counts(path: Path, own_figures: bool) -> tuple[int, str | None]:
    rows = parse_stats(read_text(path), str(path))
    return aggregated(rows, str(path)).request_count, most_frequent(rows, own_figures)


def _metrics(folder: Path, after: StateAfterLoad | None) -> tuple[ApiMetrics | None, str | None]:
    """The replicas' metrics from /metrics, and why some or all of them are missing."""
    problems = [after.metrics_problem] if after is not None and after.metrics_problem else []
    replicas = []
    for path in sorted(folder.glob("metrics-*.prom")):
        try:
            replicas.append(parse_metrics(read_text(path), path.name))
        except LabError as error:
            problems.append(str(error))
    return pool(replicas) if replicas else None, "; ".join(problems) or None


def _proxy_delta(folder: Path) -> ProxyDelta:
    before, after = (folder / f"haproxy-{when}.csv" for when in ("before", "after"))
    return delta(parse_stat(read_text(before), str(before)), parse_stat(read_text(after), str(after)))
