"""Figures of the requests of each name, and of each user class: of one attempt, and of all attempts at a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced

import numpy as np
from msgspec.structs import replace

from swarmsweep.judge.bootstrap import Timed, latency_intervals
from swarmsweep.plan.row import OTHER_ENDPOINTS, UNKNOWN_ENDPOINT, EndpointRow, Row
from swarmsweep.raw.failures import add_kinds, count_kinds
from swarmsweep.raw.latency import Floats, Requests, describe, lower_bounds
from swarmsweep.raw.request_names import Names
from swarmsweep.results import slo as slo_of
from swarmsweep.shared.request_record import NO_NAME, NO_RESPONSE, NO_RESPONSE_NAME, OK, OTHER_NAMES
from swarmsweep.sweep.slo_limits import SloLimits

# A longer table would be hard to read. So many names are addresses with an id in each.
MAX_ENDPOINTS = 50
_LABELS = {int(OTHER_NAMES): OTHER_ENDPOINTS, int(NO_NAME): UNKNOWN_ENDPOINT}


@dataclass(frozen=True, eq=False)
class EndpointPart:
    """The requests of one name, or of several, in the window of one attempt.

    ``start_seconds`` is empty where it is not known. ``waited_ms`` are the latencies of those without a response, which
    are lower bounds.
    """

    requests: int
    failures: int
    start_seconds: Floats
    latency_ms: Floats
    waited_ms: Floats
    failure_kinds: Mapping[str, int] | None


@dataclass(frozen=True, eq=False)
class AttemptEndpoints:
    """The requests of one attempt by name, in a window of ``seconds``.

    ``names`` are all that were recorded in the whole attempt. The part `OTHER_ENDPOINTS` may have requests of any other
    name.
    """

    parts: Mapping[str, EndpointPart]
    names: frozenset[str]
    seconds: float


def endpoints_of(requests: Requests, window: tuple[float, float]) -> AttemptEndpoints | None:
    """The requests that began in the window, by name; None where names were not recorded."""
    inside = requests.within(*window)
    if requests.names is None or inside.names is None:
        return None
    numbers, table = inside.names.number, [_quoted_if_ours(name) for name in requests.names.table]
    parts = {
        _LABELS.get(int(number)) or table[number]: _part(inside.chosen(numbers == number))
        for number in np.unique(numbers)
    }
    return AttemptEndpoints(parts, frozenset(table), window[1] - window[0])


def user_classes_of(requests: Requests, window: tuple[float, float]) -> AttemptEndpoints | None:
    """The same by user class, in the place of a name; None where the scenario has only one class."""
    classes = requests.classes
    if classes is None:
        return None
    if "" in classes.table:
        number = np.where(classes.number == classes.table.index(""), int(NO_NAME), classes.number)
        classes = Names(number, classes.table)
    return endpoints_of(replaced(requests, names=classes), window)


def _quoted_if_ours(name: str) -> str:
    """In quotes if it is that of a row of ours: a scenario may fire a timing without a method."""
    return f'"{name}"' if name in _LABELS.values() else name


def merge_endpoints(attempts: Sequence[AttemptEndpoints], slo: SloLimits) -> list[EndpointRow]:
    """The rows of all attempts at a cell: first those with limits, as in the sweep file, then by number of requests.

    Percentiles are those of all requests of a name. Requests per second are the mean over attempts. The names without
    limits beyond `MAX_ENDPOINTS` are one row.
    """
    named = _kept_names(attempts, slo)
    groups: dict[str, list[list[EndpointPart]]] = {}
    for index, attempt in enumerate(attempts):
        for name, part in attempt.parts.items():
            label = name if name in named or name == UNKNOWN_ENDPOINT else OTHER_ENDPOINTS
            groups.setdefault(label, [[] for _ in attempts])[index].append(part)
    order = [*slo.endpoints, *(name for name in named if name not in slo.endpoints)]
    order += [OTHER_ENDPOINTS, UNKNOWN_ENDPOINT]
    rows = [
        _row(name, groups.get(name, []), attempts, name in slo.endpoints)
        for name in order
        if name in groups or name in slo.endpoints
    ]
    if UNKNOWN_ENDPOINT in groups:
        rows = [_bounded(row) for row in rows]
    return [_judged(row, slo) for row in rows]


def without_verdicts(row: Row) -> Row:
    """The row of a cell that is not valid: its figures do not show whether it or an endpoint holds the SLO."""
    if row.endpoints is None:
        return replace(row, meets_slo=None)
    return replace(row, meets_slo=None, endpoints=[replace(one, meets_slo=None) for one in row.endpoints])


def _part(requests: Requests) -> EndpointPart:
    no_response = requests.count(NO_RESPONSE)
    return EndpointPart(
        requests=len(requests),
        failures=len(requests) - requests.count(OK),
        start_seconds=requests.start_seconds,
        latency_ms=requests.latency_ms,
        waited_ms=requests.waited_ms,
        failure_kinds=count_kinds(requests.outcome, **{NO_RESPONSE_NAME: no_response}),
    )


def _kept_names(attempts: Sequence[AttemptEndpoints], slo: SloLimits) -> list[str]:
    """The names that have a row, the most frequent first.

    An attempt whose tables were full may have requests of any name among the others. So a name that is not in its
    tables has no row of its own.
    """
    full = [attempt.names for attempt in attempts if OTHER_ENDPOINTS in attempt.parts]
    counts: dict[str, int] = {}
    for attempt in attempts:
        for name, part in attempt.parts.items():
            if name not in _LABELS.values() and all(name in names for names in full):
                counts[name] = counts.get(name, 0) + part.requests
    ordered = sorted(counts, key=lambda name: (name not in slo.endpoints, -counts[name], name))
    return ordered[: max(MAX_ENDPOINTS, len(slo.endpoints))]


def _row(
    name: str, parts: Sequence[Sequence[EndpointPart]], attempts: Sequence[AttemptEndpoints], is_limited: bool
) -> EndpointRow:
    """The row of one name. ``parts`` has, for each attempt, its requests; it is empty if the name never occurred."""
    if not parts:
        return EndpointRow(name=name, requests=0, failures=0)
    every = [part for of_attempt in parts for part in of_attempt]
    requests, failures = sum(part.requests for part in every), sum(part.failures for part in every)
    rates = [
        sum(part.requests - part.failures for part in of_attempt) / attempt.seconds
        for of_attempt, attempt in zip(parts, attempts, strict=True)
    ]
    latency_ms = describe([part.latency_ms for part in every])
    # Without limits, nothing compares the intervals, and they take time.
    timed = [Timed(part.start_seconds, part.latency_ms) for part in every] if is_limited else []
    kinds = [part.failure_kinds for part in every if part.failure_kinds is not None]
    return EndpointRow(
        name=name,
        requests=requests,
        failures=failures,
        failure_percent=100 * failures / requests if requests else None,
        rps=sum(rates) / len(rates),
        latency_ms=latency_ms,
        latency_intervals_ms=dict(latency_intervals(timed, latency_ms.by_name())) if timed else {},
        lower_bounds=lower_bounds([part.latency_ms for part in every], [part.waited_ms for part in every]),
        failure_kinds=add_kinds(kinds) if len(kinds) == len(every) else None,
    )


def _bounded(row: EndpointRow) -> EndpointRow:
    """The row where requests without a name had no response: they may be of this name, so all figures may be higher."""
    if row.name == UNKNOWN_ENDPOINT or not row.requests:
        return row
    known = [name for name, value in row.latency_ms.by_name().items() if value is not None]
    return replace(row, lower_bounds=[*known, slo_of.FAILURES])


def _judged(row: EndpointRow, slo: SloLimits) -> EndpointRow:
    limits = slo.endpoints.get(row.name)
    if not limits:
        return row
    return replace(row, meets_slo=slo_of.holds(slo_of.compare_endpoint(row.name, row, limits)))
