"""One attempt: the raw files of its folder -> the figures of this trial, its checks and its status."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swarmsweep import checks
from swarmsweep.api_metrics import ApiMetrics
from swarmsweep.attempt import Attempt, containers_of, gather
from swarmsweep.bottleneck import find_bottleneck
from swarmsweep.checks import Check
from swarmsweep.units import format_memory
from swarmsweep.usage import ApiUsage, usage_over

# How a dead deployment is called in the report; "rejected" and "mismatch" are no deaths, see `_status`.
_DEATHS = {
    "oom": "out of memory: the kernel killed a replica",
    "crash": "a replica crashed",
    "not_ready": "the replicas never became ready",
}
_KILLED = 137  # exit code of a process that got SIGKILL, the OOM killer's signal
MAX_LOG_LINES = 30


@dataclass(frozen=True, eq=False)
class Trial:
    """The figures of one attempt; None where something was not measured.

    ``latency_ms`` are those of all requests in the window, failed ones included; ``metrics`` what the API says of all
    requests since its replicas started.
    """

    attempt: int
    status: str
    reason: str | None
    window: tuple[float, float] | None
    requests: int | None
    failures: int | None
    latency_ms: np.ndarray
    usage: ApiUsage
    oom_kills: int | None
    restarts: int | None
    load_cpu_percent_max: float | None
    load_workers: int | None
    bottleneck: str | None
    bottleneck_evidence: str | None
    checks: tuple[Check, ...]
    requests_by_replica: dict[str, int | None] = field(default_factory=dict)
    log_tail: tuple[str, ...] = ()
    target: str | None = None
    metrics: ApiMetrics | None = None
    metrics_problem: str | None = None

    @property
    def rps(self) -> float | None:
        """Successful requests that began in the window, per second of it."""
        if self.window is None or self.requests is None or self.failures is None:
            return None
        return (self.requests - self.failures) / (self.window[1] - self.window[0])


def analyse(folder: Path, cell: dict[str, Any], load: dict[str, Any], attempt: int) -> Trial:
    """Figures of the attempt in ``folder``; ``cell`` is one of the plan's, ``load`` the load of that cell.

    Missing or damaged files never raise: they make the attempt invalid, and the reason says which file.
    """
    raw = gather(folder)
    usage = usage_over(raw.api_samples, raw.window, {container["id"] for container in raw.deployed})
    oom_kills = _oom_kills(usage, raw)
    found = tuple(_run_checks(raw, cell, load, usage))
    status, reason = _status(raw, cell, oom_kills, found)
    inside = raw.requests.within(*raw.window) if raw.requests is not None and raw.window is not None else None
    generator = max(raw.worker_cpu, default=None)
    word, evidence = find_bottleneck(usage, oom_kills, generator, cell["config"]["memory_bytes"])
    if status == "invalid" and word != "generator":
        word, evidence = None, None  # figures that cannot be believed prove nothing about the API
    return Trial(
        attempt=attempt,
        status=status,
        reason=reason,
        window=raw.window,
        requests=len(inside) if inside is not None else None,
        failures=int((~inside.ok).sum()) if inside is not None else None,
        latency_ms=inside.latency_ms if inside is not None else np.empty(0),
        usage=usage,
        oom_kills=oom_kills,
        restarts=_whole_or_none((raw.after or {}).get("restarts")),
        load_cpu_percent_max=generator,
        load_workers=raw.request_files or None,
        bottleneck=word,
        bottleneck_evidence=evidence,
        checks=found,
        requests_by_replica=raw.requests_by_replica,
        log_tail=_log_tail(raw),
        target=raw.target,
        metrics=raw.metrics,
        metrics_problem=raw.metrics_problem,
    )


def _run_checks(raw: Attempt, cell: dict[str, Any], load: dict[str, Any], usage: ApiUsage) -> list[Check]:
    """The checks of an attempt that was deployed; those whose files are missing are problems already."""
    if not raw.is_ready:
        return []
    found = [
        checks.limits_as_labelled(raw.deployed, cell["config"]),
        checks.replicas_unchanged(raw.deployed, containers_of(raw.after), raw.after),
    ]
    if raw.timeline is not None and raw.window is not None:
        start, end = raw.window
        found.append(
            checks.load_as_planned(raw.timeline.get("users"), load["users"], end - start, load["measure_seconds"])
        )
        found.append(checks.generator_cpu(raw.worker_cpu))
        connected, lost = raw.timeline.get("workers_connected"), raw.timeline.get("workers_lost")
        found.append(checks.workers_present(load["workers"], connected, lost, raw.request_files))
        if raw.requests is not None:
            found.append(checks.some_requests(len(raw.requests.within(start, end))))
    if raw.requests is not None:
        if raw.locust_count is not None:
            found.append(checks.counted_by_locust(len(raw.requests), raw.locust_count))
        found.append(checks.counted_by_haproxy(len(raw.requests), load["users"], raw.proxy))
        found.append(checks.requests_recorded_whole(raw.requests.complete))
    found.append(checks.window_sampled(usage.cpu_cores))
    if cell["config"]["replicas"] > 1:
        found.append(checks.replicas_share_load(raw.proxy))
    return found


def _status(
    raw: Attempt, cell: dict[str, Any], oom_kills: int | None, found: tuple[Check, ...]
) -> tuple[str, str | None]:
    """Status and reason: a death explains everything else; what could not be deployed; then what is not believed."""
    deploy, after = raw.deploy or {}, raw.after or {}
    for record in (after,) if raw.is_ready else (deploy, after):
        code, told = record.get("reason_code"), record.get("reason")
        if code == "rejected":
            return "infeasible", told or "Docker refused to start a replica"
        if code == "mismatch":
            return "invalid", told or "what was deployed is not what the matrix says"
        if code == "oom" or (record is after and after.get("oom_killed") is True):
            return "failed", told or f"{_DEATHS['oom']} at its limit of {_limit(cell)}"
        if isinstance(code, str) and code in _DEATHS:
            return "failed", told or _DEATHS[code]
    if oom_kills:
        return "failed", f"{_DEATHS['oom']} at its limit of {_limit(cell)}"
    if raw.deploy is not None and not raw.is_ready:
        return "failed", deploy.get("reason") or "the deployment failed, and no reason was recorded"
    if raw.problems:
        return "invalid", "; ".join(raw.problems)
    failed = [check.sentence for check in found if check.passed is False and not check.warning]
    return ("invalid", "; ".join(failed)) if failed else ("valid", None)


def _limit(cell: dict[str, Any]) -> str:
    return format_memory(cell["config"]["memory_bytes"])


def _oom_kills(usage: ApiUsage, raw: Attempt) -> int | None:
    """OOM kills by the kernel's counters or, where the dead replica took them along, by Docker; none counted twice."""
    deploy, after = raw.deploy, raw.after
    deaths = 0
    if (deploy or {}).get("reason_code") == "oom":
        deaths = 1
    if after and (after.get("oom_killed") is True or after.get("reason_code") == "oom"):
        codes = after.get("exit_codes")
        deaths = max(deaths, 1, codes.count(_KILLED) if isinstance(codes, list) else 0)
    if usage.oom_kills is None and not deaths:
        return 0 if after and after.get("oom_killed") is False else None
    return max(usage.oom_kills or 0, deaths)


def _log_tail(raw: Attempt) -> tuple[str, ...]:
    for record in (raw.after, raw.deploy):
        lines = (record or {}).get("log_tail")
        if isinstance(lines, list) and lines:
            return tuple(str(line) for line in lines[-MAX_LOG_LINES:])
    return ()


def _whole_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
