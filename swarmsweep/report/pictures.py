"""The pictures of a run: from its rows to charts, each with a title and one sentence that says what it shows."""

from dataclasses import dataclass, field
from pathlib import Path

from swarmsweep.charts.cells import ChartCell
from swarmsweep.charts.cost import cost_chart, goal_of, pareto_front
from swarmsweep.charts.ladder import ChartStage, ladder_chart
from swarmsweep.charts.latency import MAX_CURVES, LatencyPoint, latency_chart
from swarmsweep.charts.rates import MAX_BARS, rates_chart
from swarmsweep.charts.scaling import AXES, Curve, Fit, curves_of, scaling_chart
from swarmsweep.charts.style import (
    BELOW,
    HOLDS,
    MISSES,
    NOT_JUDGED,
    NOT_VALID,
    REACHES,
    UNDECIDED,
    Spec,
)
from swarmsweep.charts.timeline import timeline_chart
from swarmsweep.choose.capacity_load import held_once
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.scaling import scalings_of
from swarmsweep.choose.target import target_of
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import Row
from swarmsweep.plan.tariff import Tariff
from swarmsweep.report.ladder import PART_NAMES, Stage
from swarmsweep.report.modes import Page
from swarmsweep.report.moments import moments_of, probe_load, probe_verdict
from swarmsweep.report.page_rows import UNDECIDED as UNDECIDED_TEXT
from swarmsweep.report.page_rows import meets_text
from swarmsweep.sweep.matrix import CORE_AXES, Config, axis_text
from swarmsweep.units import counted, factor_text, format_figure, format_memory, format_plain


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart. ``name`` is that of its file in plots/; ``sentence`` is its reading in words."""

    name: str
    title: str
    sentence: str
    spec: Spec
    # A live chart can be zoomed where both of its axes are figures, and it has one panel.
    can_zoom: bool = field(default=False)


def pictures_of(run_dir: Path, page: Page, ladder: list[Stage]) -> list[Picture]:
    """The pictures that the run has figures for, the most important first."""
    plan, rows, chosen = page.choice.plan, page.choice.rows, page.choice.chosen
    has_target = target_of(plan.load) is not None
    cells = [_cell(row, row is chosen, page.searches, page.choice.tariff, has_target) for row in rows]
    pictures = [_rates(cells, page.searches)]
    if ladder:
        pictures.append(_ladder(ladder))
    # A cell with another scenario does other work, and a twin is its anchor again.
    own = {row.id for row in page.choice.candidates if not row.twin_of}
    valid = [cell for cell in cells if cell.id in own and cell.verdict not in (NOT_VALID, NOT_JUDGED)]
    optional = (
        _latency(plan, rows, chosen, page.searches),
        _cost(valid, page.searches, page.choice.tariff.unit),
        _scaling(valid, page.searches, _fits(page.choice), _gaps(page.choice, own), page.choice.rate_noun),
        _timeline(run_dir, plan, rows, chosen),
    )
    return [*pictures, *(picture for picture in optional if picture is not None)]


def verdict_of(row: Row, has_target: bool = False) -> str:
    """The verdict of a cell, as charts name it. ``has_target``: a search judges cells by its target."""
    if row.status == "valid":
        if row.capacity is not None and row.meets_slo is None and row.capacity_rps is None:
            return NOT_JUDGED
        if has_target and row.meets_slo:
            return REACHES
        if has_target and row.meets_slo is False and (row.capacity_rps is not None or held_once(row)):
            return BELOW
        return {True: HOLDS, False: MISSES, None: UNDECIDED}[row.meets_slo]
    return NOT_VALID if row.status in ("invalid", "failed") else NOT_JUDGED


def _cell(row: Row, is_chosen: bool, searches: bool, tariff: Tariff, has_target: bool) -> ChartCell:
    capacity = row.capacity if searches else None
    interval = capacity.interval_rps if capacity else None
    config = row.config
    return ChartCell(
        id=row.id,
        verdict=verdict_of(row, has_target),
        cost=tariff.cost(config),
        replicas=config["replicas"],
        workers=config["workers"],
        note=_note(row, searches),
        rps=row.capacity_rps if searches else row.rps,
        p95_ms=row.latency_ms.p95,
        estimate_rps=capacity.estimate_rps if capacity else None,
        interval_rps=None if interval is None else (float(interval[0]), float(interval[1])),
        is_chosen=is_chosen,
        likes={axis: _like(config, axis) for axis in AXES} if not row.twin_of else {},
    )


def _note(row: Row, searches: bool) -> str:
    if row.status != "valid":
        return f"{row.status}: {row.reason}" if row.status else str(row.reason)
    if not searches:
        word = meets_text(row)
        return UNDECIDED_TEXT if word == UNDECIDED_TEXT else {"yes": HOLDS, "no": MISSES}.get(word, NOT_JUDGED)
    if row.capacity is None or row.capacity.verified_rps is None:
        return "no rate was verified"
    least = "at least" if row.capacity.is_lower_bound else "verified"
    twin = f", twin of {row.twin_of}" if row.twin_of else ""
    return f"{least}{', below the target' if row.meets_slo is False else ''}{twin}"


def _like(config: Config, axis: str) -> str:
    """What the cells of a curve over ``axis`` share, in words."""
    parts = [
        "" if axis == "replicas" else counted(config["replicas"], "replica"),
        f"{format_plain(config['cpus'])} CPU",
        format_memory(config["memory_bytes"]),
        "" if axis == "workers" else counted(config["workers"], "worker"),
    ]
    known = (*CORE_AXES, "memory_bytes")
    parts += [f"{name} {axis_text(value)}" for name, value in config.items() if name not in known]
    return ", ".join(part for part in parts if part)


def _rates(cells: list[ChartCell], searches: bool) -> Picture:
    measured = [cell for cell in cells if cell.rps is not None]
    valid = [cell for cell in measured if cell.verdict != NOT_VALID]
    best = max(valid or measured, key=lambda cell: cell.rps or 0, default=None)
    sentence = "No cell has a figure."
    if best is not None:
        rate = format_figure(best.rps or 0)
        name = best.id if valid else f"{best.id} ({NOT_VALID})"
        sentence = (
            f"{name} has the highest verified rate: {rate} requests per second."
            if searches
            else f"{name} served the most: {rate} successful requests per second."
        )
    if len(cells) > MAX_BARS:
        sentence += f" Of {len(cells)} cells, the {MAX_BARS} with the highest rates are shown."
    if searches:
        sentence += " The line on a bar is the estimate with its interval."
    title = "Capacity of each configuration" if searches else "Requests per second of each configuration"
    return Picture(name="rps", title=title, sentence=sentence, spec=rates_chart(cells, searches))


def _ladder(stages: list[Stage]) -> Picture:
    shown = [
        ChartStage(
            id=stage.cell_id,
            name=stage.name,
            note=_stage_note(stage),
            rps=stage.rps,
            mean_ms=stage.mean_ms,
            parts_percent={
                PART_NAMES[part]: share for part, share in stage.shares_percent.items() if share is not None
            },
        )
        for stage in stages
    ]
    known = [stage for stage in stages if stage.factor is not None]
    last = known[-1] if known else None
    return Picture(
        name="ladder",
        title="Requests per second of each stage, and where the time of a request goes",
        sentence=f"{last.name} serves {last.factor or 0:.4g} times the requests of the first valid stage."
        if last
        else "No stage has a figure.",
        spec=ladder_chart(shown, list(PART_NAMES.values())),
    )


def _stage_note(stage: Stage) -> str:
    if stage.status != "valid":
        return f"{stage.status}: {stage.reason}" if stage.status else f"{stage.reason}"
    factor = f" · {factor_text(stage.factor)}" if stage.factor is not None else ""
    return "not measured" if stage.rps is None else format_figure(stage.rps) + factor


def _latency(plan: Plan, rows: list[Row], chosen: Row | None, searches: bool) -> Picture | None:
    limit_ms = plan.limits.total.get("p95_ms")
    points = _curves(rows, chosen) if searches else _points(rows)
    spec = latency_chart(points, limit_ms)
    if spec is None:
        return None
    sentence = "Each point is a cell." if not searches else "Each point is a probe, and each line a deployment."
    if limit_ms is not None:
        below = sum(point.p95_ms <= limit_ms for point in points)
        noun = "point is" if len(points) == 1 else "points is" if below == 1 else "points are"
        sentence += f" {below} of {len(points)} {noun} at or below the limit of {format_plain(limit_ms)} ms."
    shown = len({point.id for point in points})
    probed = sum(any(attempt.probes for attempt in row.attempts) for row in rows)
    if searches and shown < probed:
        sentence += f" {shown} of {probed} cells are shown."
    title = "Latency over rate"
    return Picture(name="latency", title=title, sentence=sentence, spec=spec, can_zoom=True)


def _points(rows: list[Row]) -> list[LatencyPoint]:
    return [
        LatencyPoint(
            id=row.id,
            verdict=verdict_of(row),
            rps=row.rps,
            p95_ms=row.latency_ms.p95,
            about=counted(row.users or 0, "user"),
        )
        for row in rows
        if row.rps is not None and row.latency_ms.p95 is not None and row.status == "valid"
    ]


def _curves(rows: list[Row], chosen: Row | None) -> list[LatencyPoint]:
    """The probes of the recommended cell, and of others in the order of the plan, up to the number of colours."""
    probed = [row for row in rows if any(attempt.probes for attempt in row.attempts)]
    ordered = sorted(probed, key=lambda row: row is not chosen)
    kept = {row.id for row in ordered[:MAX_CURVES]}
    points: list[LatencyPoint] = []
    curve = 0
    for row in (row for row in probed if row.id in kept):
        for attempt in row.attempts:
            curve += 1
            points += [
                LatencyPoint(
                    id=row.id,
                    verdict=probe_verdict(probe),
                    rps=probe.achieved_rps,
                    p95_ms=probe.p95_ms,
                    about=probe_load(probe),
                    # A closed load is another experiment, so no line joins it.
                    curve=curve if probe.kind != "closed" else None,
                )
                for probe in attempt.probes
                if probe.achieved_rps is not None and probe.p95_ms is not None
            ]
    return points


def _cost(cells: list[ChartCell], searches: bool, unit: str) -> Picture | None:
    spec = cost_chart(cells, searches, unit)
    if spec is None:
        return None
    front = pareto_front([cell for cell in cells if cell.rps is not None])
    goal = goal_of(cells)
    sentence = f"No cell {goal}, so there is no front."
    if front:
        names = ", ".join(cell.id for cell in front[:5]) + (" and others" if len(front) > 5 else "")
        sentence = (
            f"On the line is each cell that {goal} and is faster than every other such cell of no higher cost: {names}."
        )
    title = "Cost against capacity" if searches else "Cost against requests per second"
    return Picture(name="cost", title=title, sentence=sentence, spec=spec, can_zoom=True)


def _scaling(
    cells: list[ChartCell], searches: bool, fits: list[Fit], gaps: dict[str, str], noun: str
) -> Picture | None:
    spec = scaling_chart(cells, searches, fits)
    if spec is None:
        return None
    sentences = [*(_gain(curve, gaps, noun) for curve in curves_of(cells)[:2]), *(fit.words for fit in fits)]
    if fits:
        sentences.append("A dashed line is such a law.")
    return Picture(name="scaling", title="Scaling over replicas and workers", sentence=" ".join(sentences), spec=spec)


def _fits(choice: Choice) -> list[Fit]:
    """The laws that describe the rates of their cells, for the curves of these cells."""
    return [
        Fit(
            axis=scaling.axis,
            like=_like(scaling.config, scaling.axis),
            points=[(count, float(rps)) for count, rps in scaling.fitted],
            words=scaling.sentence,
        )
        for scaling in scalings_of(choice)
        if scaling.fitted
    ]


def _gaps(choice: Choice, own: set[str]) -> dict[str, str]:
    """Why cells may serve more than they did, as the rest of a sentence, by their ids."""
    gaps = {row.id: choice.maximum_of(row).gap for row in choice.candidates if row.id in own and row.status == "valid"}
    return {name: gap for name, gap in gaps.items() if gap}


def _gain(curve: Curve, gaps: dict[str, str], noun: str) -> str:
    """What the last step of a curve brought, in words. ``noun`` is what the rates are.

    A rate that is no maximum is named, because it shows no gain.
    """
    ordered = sorted(curve.cells, key=lambda cell: int(getattr(cell, curve.axis)))
    first, last = ordered[0], ordered[-1]
    start, end = getattr(first, curve.axis), getattr(last, curve.axis)
    if not first.rate_rps or last.rate_rps is None:
        return ""
    factor = last.rate_rps / first.rate_rps
    limited = next((f" {cell.id} {gaps[cell.id]}." for cell in (first, last) if cell.id in gaps), "")
    return f"From {start} to {end} {curve.axis} with {curve.like}: {factor:.2f} times the {noun}.{limited}"


def _timeline(run_dir: Path, plan: Plan, rows: list[Row], chosen: Row | None) -> Picture | None:
    """Of the recommended cell, or of the first valid one, else of the first invalid one."""
    order = sorted(rows, key=lambda row: (row is not chosen, row.status != "valid"))
    row = next((row for row in order if row.attempts and row.status in ("valid", "invalid")), None)
    if row is None:
        return None
    moments = moments_of(run_dir, plan, row)
    spec = timeline_chart(moments, plan.limits.total.get("p95_ms"), row.id)
    if spec is None:
        return None
    what = "probe" if moments[0].verdict else "span of time, ramp and warm-up included"
    return Picture(
        name="timeline",
        title=f"Timeline of {row.id}",
        sentence=f"Each line is a {what}. The upper chart has its requests/s, the lower one its p95.",
        spec=spec,
    )
