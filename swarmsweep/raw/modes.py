"""How the raw files of a fixed load differ from those of a search."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarmsweep.raw.closed_loop import UsersRecord, read_users
from swarmsweep.raw.left_lab import left_lab_sentence
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.search_record import SearchRecord, read_search
from swarmsweep.raw.timeline import Timeline
from swarmsweep.search import Slo
from swarmsweep.sweep.load import CAPACITY, FIXED, StoredLoad, mode_of


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
    return READERS[mode_of(load)](locust, slo, timeline, read_or_note)


def _read_fixed(locust: Path, _slo: Slo, timeline: Timeline | None, read_or_note: ReadOrNote) -> LoadRecord:
    users = read_users(locust, read_or_note, timeline)
    if users.left_lab:
        read_or_note.note(left_lab_sentence(users.left_lab))
    return LoadRecord(users=users, window=read_or_note(timeline.window) if timeline is not None else None)


def _read_search(locust: Path, slo: Slo, _timeline: Timeline | None, read_or_note: ReadOrNote) -> LoadRecord:
    return LoadRecord(search=read_search(locust, slo, read_or_note))


READERS: dict[str, Callable[[Path, Slo, Timeline | None, ReadOrNote], LoadRecord]] = {
    FIXED: _read_fixed,
    CAPACITY: _read_search,
}
