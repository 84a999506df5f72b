"""How the raw files of a fixed load differ from those of a search."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swarmsweep.raw.closed_loop import UsersRecord, read_users
from swarmsweep.raw.left_lab import left_lab_sentence
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.search_record import SearchRecord, read_search
from swarmsweep.raw.timeline import Timeline
from swarmsweep.search import Slo
from swarmsweep.shared.request_record import OK, TIMEOUT
from swarmsweep.sweep.load import ARRIVALS, CAPACITY, FIXED, StoredLoad, has_users, mode_of, varied_by


@dataclass(frozen=True)
class LoadRecord:
    """The record of the load of one attempt; see `swarmsweep.raw.attempt.RawAttempt`."""

    users: UsersRecord | None = None
    search: SearchRecord | None = None
    window: tuple[float, float] | None = None


def read_load(
    load: StoredLoad, locust: Path, slo: Slo, timeline: Timeline | None, read_or_note: ReadOrNote
) -> LoadRecord:
    """Read the files in the folder ``locust`` by the mode of ``load``."""
    return READERS[mode_of(load)](load, locust, slo, timeline, read_or_note)


def _read_fixed(
    _load: StoredLoad, locust: Path, _slo: Slo, timeline: Timeline | None, read_or_note: ReadOrNote
) -> LoadRecord:
    users = _read_users(locust, timeline, read_or_note)
    return LoadRecord(users=users, window=read_or_note(timeline.window) if timeline is not None else None)


def _read_users(locust: Path, timeline: Timeline | None, read_or_note: ReadOrNote) -> UsersRecord:
    users = read_users(locust, read_or_note, timeline)
    if users.left_lab:
        read_or_note.note(left_lab_sentence(users.left_lab))
    return users


def _read_search(
    load: StoredLoad, locust: Path, slo: Slo, timeline: Timeline | None, read_or_note: ReadOrNote
) -> LoadRecord:
    if not has_users(load):
        return LoadRecord(search=read_search(locust, slo, read_or_note))
    if varied_by(load) == ARRIVALS:
        # The users' record has the counts of everything that they did. Latencies are in the files of the probes.
        users = _read_users(locust, timeline, read_or_note)
        return LoadRecord(users=users, search=read_search(locust, slo, read_or_note))
    users = _in_time(_read_users(locust, timeline, read_or_note), float(load["timeout_seconds"]))
    return LoadRecord(users=users, search=read_search(locust, slo, read_or_note, with_users=True))


def _in_time(record: UsersRecord, timeout_seconds: float) -> UsersRecord:
    """The record with good responses after the timeout as timeouts, as a search judges them."""
    requests = record.requests
    if requests is None:
        return record
    late = (requests.outcome == OK) & (requests.latency_ms > 1000 * timeout_seconds)
    return replace(record, requests=replace(requests, outcome=np.where(late, TIMEOUT, requests.outcome)))


READERS: dict[str, Callable[[StoredLoad, Path, Slo, Timeline | None, ReadOrNote], LoadRecord]] = {
    FIXED: _read_fixed,
    CAPACITY: _read_search,
}
