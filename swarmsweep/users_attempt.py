"""The raw files of a closed-loop load: what each Locust worker recorded of its users' requests."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, read_json
from swarmsweep.latency import Requests, read_requests


@dataclass(frozen=True, eq=False)
class UsersRecord:
    """All requests of the attempt, ramp and warm-up included; None where they could not be read.

    ``cpu_percent``: (epoch seconds, percent of one core over the second before), of all workers. ``served_by`` (answers
    by X-Served-By) and ``errors`` (failures by their text) are those of all workers together. ``files`` counts the
    workers whose record of requests was found.
    """

    requests: Requests | None = None
    files: int = 0
    cpu_percent: tuple[tuple[float, float], ...] = ()
    served_by: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


def read_users(locust: Path, attempt_to: Callable[..., Any]) -> UsersRecord:
    """Read the records in the folder ``locust``; ``attempt_to`` as in `open_attempt.read_search`."""
    files = sorted(locust.glob("requests-*.f64.gz"))
    workers = attempt_to(_read_workers, locust) or []
    return UsersRecord(
        requests=attempt_to(_read_all, locust, files),
        files=len(files),
        cpu_percent=tuple(sample for worker in workers for sample in worker["cpu_percent"]),
        served_by=_add(worker.get("served_by") for worker in workers),
        errors=_add(worker.get("errors") for worker in workers),
    )


def _read_all(locust: Path, files: list[Path]) -> Requests:
    if not files:
        raise LabError(f"{locust / 'requests-*.f64.gz'}: are missing; no worker recorded a request")
    return read_requests(files)


def _read_workers(locust: Path) -> list[dict[str, Any]]:
    paths = sorted(locust.glob("worker-*.json"))
    if not paths:
        raise LabError(f"{locust / 'worker-*.json'}: are missing; no worker told how busy it was")
    workers = [read_json(path) for path in paths]
    return [worker | {"cpu_percent": _cpu_samples(worker, path)} for worker, path in zip(workers, paths, strict=True)]


def _cpu_samples(worker: dict[str, Any], path: Path) -> list[tuple[float, float]]:
    entries = worker.get("cpu_percent")
    if not isinstance(entries, list):
        raise LabError(f"{path}: has no list cpu_percent; the worker did not tell how busy it was")
    samples = []
    for entry in entries:
        pair = [as_number(value) for value in entry] if isinstance(entry, list) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None:
            raise LabError(f"{path}: cpu_percent holds {entry!r}, [time, percent] was expected")
        samples.append((pair[0], pair[1]))
    return samples


def _add(parts: Any) -> dict[str, int]:
    """Counts by name, added up; what is no count is left out: a client may hide it, and older recorders lack it."""
    total: Counter[str] = Counter()
    for part in parts:
        for name, count in part.items() if isinstance(part, dict) else ():
            if isinstance(count, int) and as_number(count) is not None:
                total[name] += count
    return dict(total)
