"""The raw files of a closed-loop load: what each Locust worker recorded of its users' requests."""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, read_json
from swarmsweep.raw.latency import Requests, read_requests
from swarmsweep.raw.tasks import Tasks, read_tasks


@dataclass(frozen=True, eq=False)
class UsersRecord:
    """All requests of the attempt, ramp and warm-up included; None where they could not be read.

    ``cpu_percent``: (epoch seconds, percent of one core over the second before), of all workers. ``served_by`` (answers
    by X-Served-By) and ``errors`` (failures by their text) are those of all workers together, and ``left_lab`` too
    (requests for addresses outside the lab, which were not sent, by address). ``files`` counts the workers whose record
    of requests was found. ``tasks`` has one entry a worker, None where executions of tasks were not recorded.
    ``unreported`` counts requests that Locust's own statistics lack. ``users``: of each worker, (epoch seconds, users
    that it had). ``on_start`` counts users that an exception ended before their first task, by its text.
    """

    requests: Requests | None = None
    files: int = 0
    cpu_percent: tuple[tuple[float, float], ...] = ()
    served_by: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    left_lab: dict[str, int] = field(default_factory=dict)
    tasks: tuple[Tasks, ...] | None = None
    unreported: int = 0
    users: tuple[tuple[tuple[float, float], ...], ...] = ()
    on_start: dict[str, int] = field(default_factory=dict)


def read_users(locust: Path, read_or_note: Callable[..., Any]) -> UsersRecord:
    """Read the records in the folder ``locust``; ``read_or_note`` as in `search_record.read_search`."""
    files = sorted(locust.glob("requests-*.f64.gz"))
    workers = read_or_note(_read_workers, locust) or []
    return UsersRecord(
        requests=read_or_note(_read_all, locust, files),
        files=len(files),
        cpu_percent=tuple(sample for worker in workers for sample in worker["cpu_percent"]),
        served_by=_add(worker.get("served_by") for worker in workers),
        errors=_add(worker.get("errors") for worker in workers),
        left_lab=_add(worker.get("left_lab") for worker in workers),
        tasks=read_or_note(_read_tasks, locust, workers),
        unreported=sum(worker["unreported"] for worker in workers if _is_count(worker.get("unreported"))),
        users=tuple(worker["users"] for worker in workers if "users" in worker),
        on_start=_add(worker.get("on_start") for worker in workers),
    )


def read_left_lab(locust: Path) -> dict[str, int]:
    """`UsersRecord.left_lab` alone, of each worker whose file can be read: measuring names a damaged one."""
    parts = []
    for path in sorted(locust.glob("worker-*.json")):
        with contextlib.suppress(LabError):
            parts.append(read_json(path).get("left_lab"))
    return _add(parts)


def _read_all(locust: Path, files: list[Path]) -> Requests:
    if not files:
        raise LabError(f"{locust / 'requests-*.f64.gz'}: are missing; no worker recorded a request")
    return read_requests(files)


def _read_workers(locust: Path) -> list[dict[str, Any]]:
    paths = sorted(locust.glob("worker-*.json"))
    if not paths:
        raise LabError(f"{locust / 'worker-*.json'}: are missing; no worker recorded how busy it was")
    return [_read_worker(path) for path in paths]


def _read_worker(path: Path) -> dict[str, Any]:
    """worker-<name>.json, with its ``name``; older recorders noted no users."""
    worker = read_json(path)
    keys = ("cpu_percent", "users") if "users" in worker else ("cpu_percent",)
    samples = {key: _samples(worker, key, path) for key in keys}
    return worker | samples | {"name": path.stem.removeprefix("worker-")}


def _samples(worker: dict[str, Any], key: str, path: Path) -> tuple[tuple[float, float], ...]:
    """Pairs of a time and a number, one a second."""
    entries = worker.get(key)
    if not isinstance(entries, list):
        raise LabError(f"{path}: has no list {key}; the worker recorded none")
    samples = []
    for entry in entries:
        pair = [as_number(value) for value in entry] if isinstance(entry, list) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None:
            raise LabError(f"{path}: {key} holds {entry!r}, [time, number] was expected")
        samples.append((pair[0], pair[1]))
    return tuple(samples)


def _read_tasks(locust: Path, workers: list[dict[str, Any]]) -> tuple[Tasks, ...] | None:
    """Of every worker; None where a recorder was older, and noted none."""
    if not workers or any("tasks" not in worker for worker in workers):
        return None
    found = []
    for worker in workers:
        texts = worker.get("exceptions")
        texts = [str(text) for text in texts] if isinstance(texts, list) else []
        found.append(read_tasks(locust / f"tasks-{worker['name']}.f64.gz", texts))
    return tuple(found)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and as_number(value) is not None and value >= 0


def _add(parts: Any) -> dict[str, int]:
    """Counts by name, added up; what is no count is left out: a client may hide it, and older recorders lack it."""
    total: Counter[str] = Counter()
    for part in parts:
        for name, count in part.items() if isinstance(part, dict) else ():
            if isinstance(count, int) and as_number(count) is not None:
                total[name] += count
    return dict(total)
