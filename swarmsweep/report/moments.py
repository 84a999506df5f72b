"""The timeline of one attempt, from the probes of its search or from the raw files of its users."""

from pathlib import Path

import numpy as np

from swarmsweep.charts.style import HOLDS, MISSES, NOT_JUDGED, NOT_VALID, UNDECIDED
from swarmsweep.charts.timeline import Moment
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import AttemptEntry, ProbeRow, Row
from swarmsweep.plan.run_folder import attempt_dir
from swarmsweep.raw.latency import Requests, percentile
from swarmsweep.raw.modes import read_load
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from swarmsweep.search import MIN_REQUESTS
from swarmsweep.shared.request_record import OK
from swarmsweep.units import counted, format_figure

# Words of a probe's verdict on a chart. The load generator's limit says nothing about the SLO.
VERDICTS = {"good": HOLDS, "bad": MISSES, "undecided": UNDECIDED, "generator": NOT_VALID}
# A longer window has wider steps, because more of them than this are too narrow to see.
_MAX_STEPS = 120
_STEPS_SECONDS = (1, 2, 5, 10, 30, 60, 300, 900)


def moments_of(run_dir: Path, plan: Plan, row: Row) -> list[Moment]:
    """The moments of the first attempt that counts; empty where its files are gone."""
    for attempt in row.attempts:
        if attempt.probes:
            return _of_probes(attempt)
        if attempt.status == "valid" or len(row.attempts) == 1:
            return _of_users(run_dir, plan, row, attempt.attempt)
    return []


def probe_load(probe: ProbeRow) -> str:
    """What a probe sent, in words."""
    if probe.rate_rps is not None:
        unit = "requests/s" if probe.iterations_per_second is None else "iterations/s"
        return f"{probe.purpose or 'probe'}: {format_figure(probe.rate_rps)} {unit} offered"
    if probe.users is not None:
        return f"{probe.purpose or 'probe'}: {counted(probe.users, 'user')}"
    return f"{probe.purpose or 'probe'}: {counted(probe.connections or 0, 'connection')}"


def probe_verdict(probe: ProbeRow) -> str:
    """The verdict of a probe, as charts name it."""
    return VERDICTS.get(probe.verdict or "", NOT_JUDGED)


def _of_probes(attempt: AttemptEntry) -> list[Moment]:
    timed = [
        (probe, probe.window_start, probe.window_end, probe.achieved_rps)
        for probe in attempt.probes
        if probe.window_start is not None and probe.window_end is not None and probe.achieved_rps is not None
    ]
    first = min((start for _, start, _, _ in timed), default=0)
    return [
        Moment(
            start_seconds=start - first,
            end_seconds=end - first,
            rps=rps,
            p95_ms=probe.p95_ms,
            about=probe_load(probe),
            verdict=probe_verdict(probe),
        )
        for probe, start, end, rps in timed
    ]


def _of_users(run_dir: Path, plan: Plan, row: Row, number: int) -> list[Moment]:
    """From the first request to the last one, warm-up included. Damaged files have their reason in `trial.json`."""
    planned = plan.cells_by_id()[row.id]
    folder = attempt_dir(run_dir, row.id, number)
    locust = folder / "locust"
    read_or_note = ReadOrNote(folder, [])
    timeline = read_or_note(read_record, locust / "timeline.json", Timeline)
    if timeline is None:
        return []
    users = read_load(plan.load_of(planned), locust, plan.slo, timeline, read_or_note).users
    if users is None or users.requests is None or len(users.requests) == 0:
        return []
    return _by_step(users.requests, timeline.window_start, timeline.window_end)


def _by_step(requests: Requests, window_start: float | None, window_end: float | None) -> list[Moment]:
    first, last = float(requests.start_seconds.min()), float(requests.start_seconds.max())
    step = next((s for s in _STEPS_SECONDS if (last - first) / s <= _MAX_STEPS), _STEPS_SECONDS[-1])
    moments = []
    # The last step is seldom whole, so its rate would be too low.
    for number in range(int((last - first) // step)):
        start = first + number * step
        part = requests.within(start, start + step)
        measured = window_start is not None and window_end is not None and window_start <= start < window_end
        latency_ms = part.latency_ms
        moments.append(
            Moment(
                start_seconds=number * step,
                end_seconds=(number + 1) * step,
                rps=part.count(OK) / step,
                p95_ms=percentile(latency_ms, 95) if len(latency_ms) >= MIN_REQUESTS["p95_ms"] else None,
                about=counted(_failed(part), "failed request"),
                is_measured=measured,
            )
        )
    return moments


def _failed(part: Requests) -> int:
    return int(np.count_nonzero(part.outcome != OK))
