"""capacity.json and trial-<n>.json of a search: refused, by the name of the file, unless all that is read is there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, read_json
from swarmsweep.search import PERCENTS

COUNTS = ("offered", "ok", "failed", "timed_out", "dropped")
PURPOSES = ("probe", "bracket", "bisect", "confirm", "verify")
KINDS = ("closed", "poisson", "constant")
MAX_SECONDS = 86_400  # of a trial: a day is beyond any, and the seconds of a damaged file must not fill the memory


def read_capacity(path: Path) -> dict[str, Any]:
    """capacity.json, with sound entries in "trials". Raises `LabError`."""
    record = read_json(path)
    check = _Checker(path)
    check.part(record, "order")
    check.number(check.part(record, "profile"), "verify_seconds")
    seen: set[int] = set()
    for entry in check.rows(record, "trials"):
        if check.count(entry, "trial") in seen:
            check.refuse(f"trial {entry['trial']} stands twice")
        seen.add(entry["trial"])
        check.choice(entry, "purpose", PURPOSES)
        closed = check.choice(entry, "kind", KINDS) == "closed"
        check.number(entry, "seconds_settle")
        check.duration(entry, "seconds_measure")
        check.positive(entry, "connections" if closed else "rate_rps")
        entry["rate_rps" if closed else "connections"] = None
    return record


def read_summary(path: Path, entry: Mapping[str, Any], slo: Mapping[str, float]) -> dict[str, Any]:
    """trial-<n>.json of the trial that ``entry`` of capacity.json is about. Raises `LabError`."""
    summary = read_json(path)
    check = _Checker(path)
    if check.count(summary, "trial") != entry["trial"]:
        check.refuse(f"it is of trial {summary['trial']}, not {entry['trial']}")
    _check_order(check, check.part(summary, "order"), entry)
    for name in ("workers_ordered", "workers_reported", "in_flight_end", *COUNTS):
        check.count(summary, name)
    if summary.setdefault("stopped", None) is not None:
        check.text(summary, "stopped")
    _check_measured(check, check.part(summary, "measured"))
    check.counts(summary, "errors")
    within = check.part(summary, "within_limits")
    for name in PERCENTS:
        if slo.get(name) is not None:
            check.count(within, name)
    for part in check.rows(summary, "bins"):
        check.whole(part, "second")
        check.count(part, "offered")
        check.number(part, "latency_ms_sum")
        check.number_or_none(part, "in_flight_mean")
        check.number_or_none(part, "cpu_percent")
    for worker in check.rows(summary, "workers", least=1):
        check.text(worker, "requests_file")
        check.number(worker, "window_start")
    return summary


def _check_order(check: "_Checker", order: dict[str, Any], entry: Mapping[str, Any]) -> None:
    check.positive(order, "most_in_flight")
    for name in ("kind", "rate_rps", "connections", "seconds_measure"):
        if order.setdefault(name, None) != entry[name]:
            check.refuse(f"{name} is {order[name]!r} in the order, {entry[name]!r} in capacity.json")


def _check_measured(check: "_Checker", measured: dict[str, Any]) -> None:
    for name in COUNTS:
        check.count(measured, name)
    check.duration(measured, "seconds")
    check.number(measured, "achieved_rps")
    check.number_or_none(check.part(measured, "lag_ms"), "p99")
    check.number_or_none(measured, "cpu_percent_max")
    check.counts(measured, "served_by")


class _Checker:
    """Takes values out of a record, and refuses those that are not what is expected."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def refuse(self, reason: str) -> None:
        raise LabError(f"{self._path}: is damaged: {reason}")

    def _expect(self, holds: bool, record: Mapping[str, Any], name: str, expected: str) -> Any:
        if not holds:
            self.refuse(f"{name} is {str(record.get(name))[:40]!r}, {expected} was expected")
        return record[name]

    def number(self, record: Mapping[str, Any], name: str) -> float:
        value = as_number(record.get(name))
        return self._expect(value is not None and value >= 0, record, name, "a number from 0")

    def number_or_none(self, record: dict[str, Any], name: str) -> float | None:
        return self.number(record, name) if record.setdefault(name, None) is not None else None

    def positive(self, record: Mapping[str, Any], name: str) -> float:
        return self._expect((as_number(record.get(name)) or 0) > 0, record, name, "a number above 0")

    def duration(self, record: Mapping[str, Any], name: str) -> float:
        holds = self.positive(record, name) <= MAX_SECONDS
        return self._expect(holds, record, name, f"at most {MAX_SECONDS} seconds")

    def whole(self, record: Mapping[str, Any], name: str) -> int:
        value = record.get(name)
        return self._expect(isinstance(value, int) and as_number(value) is not None, record, name, "a whole number")

    def count(self, record: Mapping[str, Any], name: str) -> int:
        return self._expect(self.whole(record, name) >= 0, record, name, "a count")

    def text(self, record: Mapping[str, Any], name: str) -> str:
        return self._expect(isinstance(record.get(name), str), record, name, "text")

    def choice(self, record: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
        return self._expect(record.get(name) in allowed, record, name, " or ".join(allowed))

    def part(self, record: Mapping[str, Any], name: str) -> dict[str, Any]:
        return self._expect(isinstance(record.get(name), dict), record, name, "an object")

    def counts(self, record: Mapping[str, Any], name: str) -> dict[str, int]:
        found = self.part(record, name)
        for key in found:
            self.count(found, key)
        return found

    def rows(self, record: Mapping[str, Any], name: str, least: int = 0) -> list[dict[str, Any]]:
        found = record.get(name)
        holds = isinstance(found, list) and len(found) >= least and all(isinstance(row, dict) for row in found)
        return self._expect(holds, record, name, "a list of objects")
