"""The lists in summary.md: exceptions, bottlenecks, checks, retries, warnings and last log lines."""

import html
import re
from collections import Counter

from msgspec import Struct

from swarmsweep.judge.checks.answers import kinds_in_words
from swarmsweep.judge.concurrency import is_near
from swarmsweep.markdown import markdown
from swarmsweep.plan.row import RequestCounts, Row
from swarmsweep.report.page_rows import UNDECIDED, figure, meets_text
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.slo_limits import SloLimits

# The number of different exception texts that the page shows of a cell; cell.json has all of them.
MAX_EXCEPTIONS = 10
# Checks whose names in the files do not say to a reader what was compared. Other names are shown with spaces.
_CHECK_TITLES = {
    "littles_law": "Little's law",
    "foreign_cpu": "CPU of other programs",
    "api_host_alone": "CPU of other processes of the API host",
    "steal_cpu": "CPU stolen by the hypervisor",
    "generator_cpu": "CPU of the load generator",
    "load_host_cpu": "CPU of the load host",
    "answers_correct": "responses correct",
    "counted_by_locust": "requests counted by Locust",
    "counted_by_haproxy": "requests counted by HAProxy",
    "requests_recorded_whole": "records complete",
    "sampling_cheap": "CPU of the sampler",
}


class Unsplit(Struct, frozen=True):
    """A cell without the parts of the time of a request."""

    id: str
    reason: str


class ExceptionText(Struct, frozen=True):
    """A text of exceptions of tasks, and their number."""

    text: str
    count: int


class Exceptions(Struct, frozen=True, kw_only=True):
    """The exceptions in the tasks of a cell; ``other_texts`` is the number of further texts."""

    id: str
    raised: int | None
    failed_percent: str
    texts: list[ExceptionText]
    other_texts: int


class FailureKinds(Struct, frozen=True):
    """The failed requests of a cell by their kind, in words."""

    id: str
    failures: int
    requests: int
    kinds: str


class UndecidedLine(Struct, frozen=True):
    """The limits that keep the verdict on a cell open, in words."""

    id: str
    figures: str


class RequestNote(Struct, frozen=True):
    """Redirects, requests of other clients, setup requests and own timings of a cell, in words."""

    id: str
    text: str


class BottleneckLine(Struct, frozen=True):
    """The bottleneck of a cell."""

    id: str
    word: str
    evidence: str


class FailedCheck(Struct, frozen=True, kw_only=True):
    """A check of one attempt that failed or could not be made."""

    id: str
    attempt: str
    verdict: str
    name: str
    sentence: str


class InvalidLine(Struct, frozen=True):
    """A cell that is invalid for another reason than a check."""

    id: str
    reason: str


class RetryLine(Struct, frozen=True):
    """An attempt that was retried, and why."""

    id: str
    attempt: str
    reason: str


class SharedWarning(Struct, frozen=True):
    """A warning of the plan, and the cells that share it."""

    text: str
    ids: list[str]


class LogLines(Struct, frozen=True):
    """The last log lines of a cell whose attempt failed."""

    id: str
    status: str | None
    lines: list[str]


def unsplit_of(cells: list[Row]) -> list[Unsplit]:
    """Valid cells without the parts of the time of a request, and the reasons."""
    unknown = [cell for cell in cells if cell.status == "valid" and cell.request_parts is None]
    reason = "its API exports no request counts at /metrics"
    return [Unsplit(cell.id, markdown(cell.metrics_problem or reason)) for cell in unknown]


def exceptions_of(cell: Row) -> Exceptions:
    """The exceptions in the tasks of a cell, the most frequent text first."""
    texts = sorted(cell.exceptions.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = [ExceptionText(markdown(text), count) for text, count in texts[:MAX_EXCEPTIONS]]
    return Exceptions(
        id=cell.id,
        raised=cell.task_exceptions,
        failed_percent=figure(cell.failed_task_percent),
        texts=shown,
        other_texts=len(texts) - len(shown),
    )


def failure_kinds_of(cells: list[Row]) -> list[FailureKinds]:
    """The failed requests of each cell that has any, by their kind."""
    return [
        FailureKinds(cell.id, cell.failures, cell.requests, markdown(kinds_in_words(cell.failure_kinds)))
        for cell in cells
        if cell.failures and cell.requests and cell.failure_kinds
    ]


def undecided_of(cells: list[Row], slo: SloLimits) -> list[UndecidedLine]:
    """The cells whose verdict is open, and why."""
    undecided = [cell for cell in cells if meets_text(cell) == UNDECIDED]
    return [
        UndecidedLine(cell.id, markdown(" and ".join(miss.describe() for miss in slo_of.misses(cell, slo))))
        for cell in undecided
    ]


def request_notes_of(cells: list[Row]) -> list[RequestNote]:
    """Redirects that clients followed, other clients, on_start, and timings that a scenario fired itself."""
    return [
        RequestNote(cell.id, text)
        for cell in cells
        if cell.request_counts is not None
        for text in _request_notes(cell.request_counts)
    ]


def _request_notes(counts: RequestCounts) -> list[str]:
    notes = []
    if counts.redirects_followed:
        seen = "an unknown number" if counts.haproxy is None else str(counts.haproxy)
        notes.append(
            f"the clients followed {counts.redirects_followed} redirects. Users made {counts.client_requests} "
            f"requests, and HAProxy counted {seen}. To measure one request, write the final path into the locustfile."
        )
    if counts.other_clients:
        notes.append(
            f"the scenario sent {counts.other_clients} requests with other clients than self.client. They loaded the "
            "API and are not in the figures."
        )
    if counts.setup_requests:
        failed = f", of which {counts.setup_failures} failed" if counts.setup_failures else ""
        notes.append(
            f"users made {counts.setup_requests} requests in on_start or on_stop{failed}. They loaded the API and are "
            "not in the figures."
        )
    if counts.own_timings:
        notes.append(_own_timings_note(counts))
    return notes


def _own_timings_note(counts: RequestCounts) -> str:
    own_figures = not counts.client_requests if counts.own_figures is None else counts.own_figures
    if counts.user_events:
        return _user_events_note(counts, counts.user_events)
    if not own_figures:
        return f"the scenario fired {counts.own_timings} timings of its own. They are not in the figures."
    seen = "an unknown number of requests" if counts.haproxy is None else f"{counts.haproxy} requests"
    clients = f", {counts.client_requests} of them by self.client outside the window" if counts.client_requests else ""
    return (
        f"all figures are of timings that the scenario fired itself: {counts.own_timings} in the whole attempt. "
        f"HAProxy counted {seen}{clients}. One timing may take any number of requests."
    )


def _user_events_note(counts: RequestCounts, events: int) -> str:
    seen = "an unknown number of requests" if counts.haproxy is None else f"{counts.haproxy} requests"
    figures = (
        "all figures are of the events that its users fired"
        if counts.own_figures
        else "the figures are of the requests of self.client, and of the events that users of other classes fired"
    )
    return (
        f"{figures}: {events} events in the whole attempt. Such users are neither HttpUser nor FastHttpUser. HAProxy "
        f"counted {seen}, and one may carry many events."
    )


def bottlenecks_of(cells: list[Row], candidates: list[Row]) -> list[BottleneckLine]:
    """The bottleneck of each cell, and the evidence. Advice is for ``candidates``: the cells that may be chosen."""
    ids = {cell.id for cell in candidates}
    return [
        BottleneckLine(
            cell.id,
            markdown(cell.bottleneck.replace("_", " ")),
            markdown(cell.bottleneck_evidence or "no evidence was stored")
            + (_more_load(cell) if cell.id in ids else ""),
        )
        for cell in cells
        if cell.bottleneck
    ]


def _more_load(cell: Row) -> str:
    """Advice to raise the load, where it would show more.

    A cell whose latency has grown is at some limit. For a cell that misses the SLO, the page advises to make the API
    larger or faster. A search has raised the load itself. A cell with another scenario than the sweep's cannot be
    chosen, so its limit decides nothing.
    """
    can = cell.bottleneck == "not_saturated" and cell.users is not None and cell.meets_slo is True
    return ". Raise the load to see the limit" if can and is_near(cell.unloaded_latency_ms, cell.latency_growth) else ""


def failed_checks_of(cells: list[Row]) -> list[FailedCheck]:
    """Checks that failed or could not be made, one entry for each cell and attempt."""
    entries = []
    for cell in cells:
        if cell.status == "infeasible":
            continue
        set_aside = Counter(retry.attempt for retry in cell.retries)
        for check in cell.checks:
            if check.passed is True or (check.passed is None and cell.status == "failed"):
                continue
            verdict = "not checked" if check.passed is None else "warning" if check.warning else "failed"
            entries.append(
                FailedCheck(
                    id=cell.id,
                    attempt=_attempt_words(check.attempt, set_aside[check.attempt] + 1, set_aside[check.attempt]),
                    verdict=verdict,
                    name=_CHECK_TITLES.get(check.name) or check.name.replace("_", " "),
                    sentence=markdown(check.sentence),
                )
            )
    return entries


def otherwise_invalid_of(cells: list[Row]) -> list[InvalidLine]:
    """Invalid cells of which no check failed, as those of a workers axis without effect."""
    return [
        InvalidLine(cell.id, markdown(cell.reason or "no reason was stored"))
        for cell in cells
        if cell.status == "invalid" and all(check.passed is not False or check.warning for check in cell.checks)
    ]


def retries_of(cells: list[Row]) -> list[RetryLine]:
    """Attempts that were invalid and retried, and the reasons; the retry is the one that counts."""
    lines = []
    for cell in cells:
        set_aside = Counter(retry.attempt for retry in cell.retries)
        tries: Counter[int] = Counter()
        for retry in cell.retries:
            tries[retry.attempt] += 1
            words = _attempt_words(retry.attempt, tries[retry.attempt], set_aside[retry.attempt])
            lines.append(RetryLine(cell.id, words, markdown(retry.reason or "no reason was stored")))
    return lines


def _attempt_words(attempt: int, number: int, set_aside: int) -> str:
    """An attempt in words. A retry has the number of the attempt that it replaces, so their words differ.

    ``number`` counts the tries of this attempt from 1; ``set_aside`` is how many of them were invalid and retried.
    """
    return f"attempt {attempt}, try {number}" if set_aside else f"attempt {attempt}"


def warnings_of(cells: list[Row]) -> list[SharedWarning]:
    """Warnings of the plan, each with the cells that share it."""
    shared: dict[str, list[str]] = {}
    for cell in cells:
        for warning in cell.doubts:
            shared.setdefault(warning, []).append(cell.id)
    return [SharedWarning(markdown(warning), ids) for warning, ids in shared.items()]


def log_of(cell: Row) -> LogLines:
    """The last log lines of a dead replica, for a <pre> element, without terminal colours and control characters."""
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in cell.log_tail]
    clean = [re.sub(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]", " ", line)[:500] for line in lines]
    return LogLines(cell.id, cell.status, [html.escape(line, quote=False) for line in clean])
