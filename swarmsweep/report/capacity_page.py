"""The part of summary.md for a search: capacities, their probes, comparisons and the control pair."""

from msgspec import Struct

from swarmsweep.choose import fixed_load
from swarmsweep.choose.capacity_load import conservative_rps, eligible_cells, estimate_text
from swarmsweep.choose.comparisons import compare_with_each
from swarmsweep.choose.paired_test import Comparison, Noise, margin_of
from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import AttemptEntry, CellCapacity, LatencyMs, ProbeRow, Row
from swarmsweep.plan.tariff import Tariff, tariff_of
from swarmsweep.report.verified_time import required_text, shorter_probes
from swarmsweep.units import counted, format_figure, format_plain, format_seconds

_LIMITED_BY = {
    "generator": "load generator",
    "max_rps": "highest rate allowed",
    "max_users": "most users allowed",
}
_NOT_RECORDED = "the result was not recorded"
_PROBE_HEADER = ["probe", "purpose", "load", "sent/s", "p95 ms", "over %", "CPU used", "throttled %", "verdict", "why"]


class ComparisonTable(Struct, frozen=True):
    """The chosen cell against the others; without rows if each was deployed once."""

    chosen: str
    header: list[str]
    rows: list[list[str]]


class ProbeTable(Struct, frozen=True):
    """The probes of one deployment."""

    number: int
    sentence: str
    rows: list[list[str]]


class SearchTables(Struct, frozen=True):
    """The probes of all deployments of a cell."""

    id: str
    summary: str
    attempts: list[ProbeTable]


class ShorterProbes(Struct, frozen=True):
    """Cells whose latencies are of a probe of so many seconds, which alone would not verify their rate."""

    seconds: str
    ids: list[str]


class CapacitySection(Struct, frozen=True, kw_only=True):
    """The templates' values on capacities, as text that is already safe in Markdown.

    ``required`` is the time that a verified rate needs.
    """

    required: str
    shorter: list[ShorterProbes]
    header: list[str]
    rows: list[list[str]]
    comparisons: ComparisonTable | None
    noise: list[str]
    probe_header: list[str]
    searches: list[SearchTables]


def capacity_section(
    plan: Plan, cells: list[Row], candidates: list[Row], chosen: Row | None, noise: Noise
) -> CapacitySection:
    """The section on the rows of a run. ``candidates`` could be recommended, ``chosen`` is recommended."""
    header = ["cell", "deployments", "verified RPS", "estimate RPS", "p50 ms", "p95 ms", "p99 ms"]
    return CapacitySection(
        required=markdown(required_text(plan)),
        shorter=[ShorterProbes(seconds, ids) for seconds, ids in shorter_probes(plan, cells)],
        header=[*header, "cost", "RPS per cost", "bottleneck", "limited by", "status"],
        rows=[_row(cell, cell is chosen, tariff_of(plan)) for cell in cells],
        comparisons=_comparisons(plan, candidates, chosen, noise),
        noise=[markdown(sentence) for sentence in _noise(plan, cells, noise)],
        probe_header=_PROBE_HEADER,
        searches=[_search(cell) for cell in cells if any(attempt.probes for attempt in cell.attempts)],
    )


def _row(cell: Row, chosen: bool, tariff: Tariff) -> list[str]:
    capacity, latency_ms = cell.capacity, cell.latency_ms if conservative_rps(cell) else LatencyMs()
    # Without a verified rate, the figures are those of another rate, and the table of probes shows it.
    twin = f" (twin of {cell.twin_of})" if cell.twin_of else ""
    return [
        ("**→** " if chosen else "") + markdown(cell.id + twin),
        str(capacity.deployments) if capacity else MISSING,
        verified_text(capacity) if capacity else MISSING,
        estimate_text(capacity) if capacity and capacity.estimate_rps is not None else MISSING,
        *(_figure(value) for value in (latency_ms.p50, latency_ms.p95, latency_ms.p99)),
        tariff.figure(cell.config),
        _figure(fixed_load.rps_per_cost(cell, tariff)),
        markdown((cell.bottleneck or MISSING).replace("_", " ")),
        _limit(capacity.limited_by if capacity else None),
        markdown(cell.status or cell.reason),
    ]


def verified_text(capacity: CellCapacity) -> str:
    """The verified rate, with the users or iterations that belong to it."""
    if capacity.verified_rps is None:
        return "none"
    users = "" if capacity.verified_users is None else f" ({counted(capacity.verified_users, 'user')})"
    if capacity.verified_iterations_per_second is not None:
        users = f" ({format_figure(capacity.verified_iterations_per_second)} iterations/s)"
    return ("at least " if capacity.is_lower_bound else "") + format_figure(capacity.verified_rps) + users


def _limit(word: str | None) -> str:
    return MISSING if word is None else markdown(_LIMITED_BY.get(word, word))


def _figure(value: float | None) -> str:
    return MISSING if value is None else format_figure(value)


def _comparisons(plan: Plan, cells: list[Row], chosen: Row | None, noise: Noise) -> ComparisonTable | None:
    """The chosen cell against every other candidate; None when there is nothing to compare."""
    others = [cell for cell in eligible_cells(cells) if cell is not chosen]
    if chosen is None or not others:
        return None
    rows = []
    if plan.repeat > 1:
        compared = compare_with_each(chosen, others, noise)
        tariff = tariff_of(plan)
        rows = [_comparison(chosen, other, compared[other.id], tariff) for other in others]
    header = ["against", "times its capacity", "95 % interval", "times its cost", "it is", "because"]
    return ComparisonTable(f"`{chosen.id}`", header, rows)


def _comparison(chosen: Row, other: Row, comparison: Comparison, tariff: Tariff) -> list[str]:
    price = tariff.cost(chosen.config) / tariff.cost(other.config)
    interval = comparison.interval
    return [
        f"`{other.id}`",
        MISSING if comparison.factor is None else f"{comparison.factor:.2f}",
        MISSING if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
        f"{price:.2f}",
        f"**{comparison.verdict}**",
        markdown(comparison.why),
    ]


def _noise(plan: Plan, cells: list[Row], noise: Noise) -> list[str]:
    """What the anchor and its twin show, as sentences; empty where the plan has no anchor."""
    anchor = plan.anchor
    if not anchor:
        return []
    rows = {cell.id: cell for cell in cells}
    pair = [_capacity_words(rows[name]) for name in (anchor.cell_id, anchor.twin_id) if name in rows]
    sentences = [" ".join(f"{words}." for words in pair), noise.sentence]
    if noise.interval is not None:
        low, high = noise.interval
        sentences.append(f"The 95 % interval of their ratio is {low:.3f} to {high:.3f}. Without noise, the ratio is 1.")
    margin = f"{100 * margin_of(noise.aa_log_rms):.1f} %"
    if noise.aa_log_rms is not None and noise.controlled is not False:
        sentences.append(f"A difference between two configurations must be at least {margin} to be called better.")
    return sentences


def _capacity_words(cell: Row) -> str:
    capacity = cell.capacity
    if cell.status != "valid" or capacity is None or capacity.verified_rps is None:
        return f"{cell.id}: no rate was verified"
    estimate = f", {estimate_text(capacity)} estimated" if capacity.estimate_rps is not None else ""
    return f"{cell.id}: {verified_text(capacity)} requests/s verified{estimate}"


def _search(cell: Row) -> SearchTables:
    attempts = [attempt for attempt in cell.attempts if attempt.probes]
    count = sum(len(attempt.probes) for attempt in attempts)
    seconds = sum(_seconds(probe) for attempt in attempts for probe in attempt.probes)
    deployments = counted(len(attempts), "deployment")
    return SearchTables(
        id=cell.id,
        summary=f"{counted(count, 'probe')} in {deployments}, {format_seconds(seconds)} of load",
        attempts=[_probes(attempt) for attempt in attempts],
    )


def _probes(attempt: AttemptEntry) -> ProbeTable:
    return ProbeTable(
        number=attempt.attempt,
        sentence=markdown(" ".join(filter(None, (attempt.capacity_sentence, attempt.next_step))) or _NOT_RECORDED),
        rows=[_probe(position, probe) for position, probe in enumerate(attempt.probes, start=1)],
    )


def _seconds(probe: ProbeRow) -> float:
    return (probe.seconds_ramp or 0) + (probe.seconds_settle or 0) + (probe.seconds_measure or 0)


def _probe(position: int, probe: ProbeRow) -> list[str]:
    """One line of the table; figures that a probe lacks are shown as missing."""
    figures = (probe.achieved_rps, probe.p95_ms, probe.over_percent, probe.cpu_cores, probe.throttled_percent)
    return [
        str(probe.number or position),
        markdown(probe.purpose or MISSING),
        _load(probe),
        *(_figure(value) for value in figures),
        markdown(probe.verdict or MISSING),
        markdown(probe.reason or MISSING),
    ]


def _load(probe: ProbeRow) -> str:
    seconds = f"{format_plain(probe.seconds_measure)} s" if probe.seconds_measure is not None else MISSING
    if probe.rate_rps is not None:
        unit = "requests/s" if probe.iterations_per_second is None else "iterations/s"
        return f"{format_figure(probe.rate_rps)} {unit} for {seconds}"
    if probe.users is not None:
        return f"{counted(probe.users, 'user')} for {seconds}"
    connections = counted(probe.connections, "connection") if probe.connections else f"{MISSING} connections"
    return f"{connections} for {seconds}"
