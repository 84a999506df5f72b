"""A plan in words, for `./lab plan`: cells, those that cannot fit, order, seconds, and the expected end."""

import textwrap
from datetime import datetime, timedelta
from typing import Any

from swarmsweep.plan.lab_facts import ApiHosts, OtherSeconds
from swarmsweep.plan.load_text import load_sentence
from swarmsweep.plan.modes import mode_for
from swarmsweep.plan.part import WHOLE, Part, steps_in_time
from swarmsweep.plan.planned import Plan, PlannedCell, Step
from swarmsweep.sweep.load import load_from_json
from swarmsweep.units import counted, format_bytes, format_plain, format_seconds

WIDTH = 120
# The rest is like the first ones.
MAX_AMOUNTS = 4
_WEEK = timedelta(days=7)


def plan_text(
    plan: Plan,
    hosts: ApiHosts,
    other: OtherSeconds,
    seed: str | None,
    now: datetime,
    part: Part = WHOLE,
    *,
    baseline_is_unknown: bool = False,
) -> str:
    """The whole plan as lines.

    ``seed`` is the source of the seed of the order; None where the order is unknown before the sweep starts. ``now`` is
    the start of the sweep, a time with a zone. ``part`` is what is measured of the plan. ``baseline_is_unknown``: the
    sweep adds a baseline, and only Ansible can read the configuration of the inventory.
    """
    steps = [step for step in plan.steps if part.selects(step.cell_id)]
    begun = steps_in_time(plan, steps, part.max_seconds)
    texts = [
        _head(plan, hosts),
        _table(plan, part),
        _notes(plan, part, baseline_is_unknown),
        _order(plan, seed, steps),
        _duration(plan, other, now, begun),
        _limit(part, len(begun), len(steps)),
    ]
    return "\n\n".join(text for text in texts if text) + "\n"


def _limit(part: Part, begun: int, selected: int) -> str:
    """How many deployments can end within the minutes."""
    if part.max_minutes is None:
        return ""
    if begun == selected:
        return f"All of them can end within {part.option_minutes}."
    text = (
        f"About {begun} of {counted(selected, 'deployment')} can end within {part.option_minutes}. "
        "A deployment that would end later by its estimate does not begin. It can be measured later with -e resume=RUN."
    )
    return _wrapped(text, 0)


def end_text(now: datetime, seconds: float) -> str:
    """Clock time after so many seconds, with the day if it is another one: '18:40 UTC', 'Tue 24 Nov 02:15 UTC'."""
    end = now + timedelta(seconds=seconds)
    day = "" if end.date() == now.date() else f"{end:%a} {end.day} {end:%b} "
    year = f"{end.year} " if end - now > _WEEK and end.year != now.year else ""
    return f"{day}{year}{end:%H:%M %Z}"


def _head(plan: Plan, hosts: ApiHosts) -> str:
    facts = ", ".join(_host(host) for host in hosts.facts) or "not known"
    rows = {
        "sweep": f"{plan.sweep_file}: {_cells(plan)}",
        "API hosts": f"{facts} ({hosts.source})",
        "load": load_sentence(plan),
        "memory": _memory(plan),
    }
    return "\n".join(_wrapped(f"{name + ':':11}{text}", 11) for name, text in rows.items())


def _cells(plan: Plan) -> str:
    """The number of cells of the sweep file, as '4 cells and the baseline'."""
    count = len(plan.cells) - bool(plan.anchor) - bool(plan.added_cell)
    return counted(count, "cell") + (" and the baseline" if plan.added_cell else "")


def _memory(plan: Plan) -> str:
    """How the memory of the sweep file was read. In other programs, MB is a million bytes."""
    amounts = {cell.memory: cell.config["memory_bytes"] for cell in plan.cells}
    known = [f"{text} = {size_bytes:,} bytes" for text, size_bytes in amounts.items()]
    left = f", and {counted(len(known) - MAX_AMOUNTS, 'other size')}" if len(known) > MAX_AMOUNTS else ""
    shown = ", ".join(known[:MAX_AMOUNTS]) + left
    return f"{shown} for each replica. Docker reads M, MB and MiB as 1024 x 1024 bytes."


def _host(host: dict[str, Any]) -> str:
    cpus, memory, reserve = (host.get(key) for key in ("cpus", "memory_bytes", "reserve_memory_bytes"))
    known = [] if cpus is None else [counted(cpus, "CPU")]
    if memory is not None:
        kept = f", of which {format_bytes(reserve)} for the system" if reserve else ""
        known.append(f"{format_bytes(memory)}{kept}")
    name = f"{host.get('name', 'api')}{' (no replicas)' if host.get('carries_replicas') is False else ''}"
    return f"{name} with {' and '.join(known)}" if known else name


def _table(plan: Plan, part: Part) -> str:
    """One line for each cell, in the order of the file."""
    other = plan.estimate_seconds.other_per_step
    loads = _load_column(plan)
    rows = [
        (str(number), cell.id, load, _seconds(plan, cell, other, part), _note(plan, cell, part))
        for number, (cell, load) in enumerate(zip(plan.cells, loads, strict=True), start=1)
    ]
    titles = ("#", "cell", "load" if any(loads) else "", "seconds (load + other)", "")
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(4)]
    return "\n".join(_line(row, widths) for row in (titles, *rows))


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    number, name, load, seconds, note = row
    shown = [f"{number:>{widths[0]}}", f"{name:{widths[1]}}"]
    shown += [f"{load:{widths[2]}}"] if widths[2] else []
    return "  ".join([*shown, f"{seconds:>{widths[3]}}", note]).rstrip()


def _load_column(plan: Plan) -> list[str]:
    """Each cell's load in short where they differ between cells, else nothing."""
    loads = [load_from_json(plan.load_of(cell)).as_json() for cell in plan.cells]
    texts = [mode_for(load).in_short(load) for load in loads]
    return texts if len(set(texts)) > 1 else [""] * len(texts)


def _seconds(plan: Plan, cell: PlannedCell, other: float, part: Part) -> str:
    if cell.infeasible_reason or not part.selects(cell.id):
        return "-"
    load = load_from_json(plan.load_of(cell)).seconds
    return f"{load + other:.0f} ({load:.0f} + {other:.0f})"


def _note(plan: Plan, cell: PlannedCell, part: Part) -> str:
    if cell.infeasible_reason:
        return f"cannot fit: {cell.infeasible_reason}"
    if not part.selects(cell.id):
        return f"left out by {part.option_only}"
    twin = [f"the twin of {cell.twin_of}"] if cell.twin_of else []
    baseline = ["the baseline"] if plan.baseline and plan.baseline.cell_id == cell.id else []
    return "; ".join([*twin, *baseline, *_placed(cell), *cell.doubts])


def _placed(cell: PlannedCell) -> list[str]:
    """On which API hosts the replicas run, where there are several: 'replicas: lab-api 1, lab-api2 1 to 2'."""
    shares = [
        f"{name} {least}" if least == most else f"{name} {least} to {most}"
        for name, (least, most) in (cell.placement or {}).items()
        if most
    ]
    return [f"replicas: {', '.join(shares)}"] if shares else []


def _notes(plan: Plan, part: Part, baseline_is_unknown: bool) -> str:
    notes = []
    cells = [cell for cell in plan.cells if not cell.twin_of]
    if unfit := sum(bool(cell.infeasible_reason) for cell in cells):
        notes.append(f"{unfit} of {counted(len(cells), 'cell')} cannot fit and will not be deployed.")
    if plan.anchor and part.selects(plan.anchor.cell_id) and part.selects(plan.anchor.twin_id):
        notes.append(
            f"{plan.anchor.cell_id} is measured under two names, as the control pair (A/A). The difference between "
            "its two cells is noise. Every other difference is compared with it."
        )
    if not any(part.selects(step.cell_id) for step in plan.steps):
        notes.append("No cell is left to measure.")
    notes += _baseline_notes(plan, baseline_is_unknown)
    return "\n".join(_wrapped(note, 0) for note in notes)


def _baseline_notes(plan: Plan, is_unknown: bool) -> list[str]:
    """With what the answer will be compared, and how to leave it out."""
    baseline = plan.baseline
    if is_unknown:
        return [
            "The sweep also measures the configuration of the inventory, as the baseline. It is not known here: the "
            "inventory has no plain value for it."
        ]
    if baseline is None:
        return []
    if baseline.infeasible_reason:
        return [
            f"The configuration of the inventory, {baseline.cell_id}, cannot fit, so there is no baseline: "
            f"{baseline.infeasible_reason}."
        ]
    left_out = " To leave it out, write baseline: none into the sweep file." if baseline.added else ""
    return [
        f"{baseline.cell_id} is the configuration of the inventory, the baseline. The answer is compared with "
        f"it.{left_out}"
    ]


def _order(plan: Plan, seed: str | None, steps: list[Step]) -> str:
    """The numbers of the cells, block by block."""
    if not steps:
        return ""
    repeat = plan.repeat
    blocks = f"{repeat} blocks, each with every cell once" if repeat > 1 else "every cell once"
    if seed is None:
        text = (
            f"Order: {blocks}, at random. The sweep draws a seed when it starts and writes it to plan.json. "
            "To choose an order, give the same number to both commands: --seed N here, and -e seed=N to the sweep."
        )
        return _wrapped(text, 0)
    numbers = {cell.id: str(number) for number, cell in enumerate(plan.cells, start=1)}
    lines = [f"Order: {blocks}, at random by seed {plan.seed} ({seed}):"]
    for block in range(1, repeat + 1):
        start = f"  block {block:{len(str(repeat))}}: " if repeat > 1 else "  "
        order = " ".join(numbers[step.cell_id] for step in steps if step.block == block)
        lines.append(_wrapped(start + order, len(start)))
    return "\n".join(lines)


def _duration(plan: Plan, other: OtherSeconds, now: datetime, steps: list[Step]) -> str:
    """The duration of steps; for a search, the maximum duration."""
    if not steps:
        return ""
    total = sum(step.load_seconds or 0 for step in steps) + len(steps) * plan.estimate_seconds.other_per_step
    mode = mode_for(plan.load)
    load = format_seconds(sum(step.load_seconds or 0 for step in steps))
    deployments = counted(len(steps), "deployment")
    text = (
        f"{deployments}: {mode.at_most}{load} of load{mode.with_unloaded}. Deploying and collecting take about "
        f"{format_plain(other.seconds)} s for each ({other.source})."
    )
    ends = (
        f"A sweep that starts now, at {now:%H:%M %Z}, ends {mode.ends} about {end_text(now, total)}, "
        f"after {mode.at_most}{format_seconds(total)}."
    )
    return f"{_wrapped(text, 0)}\n{ends}"


def _wrapped(text: str, indent: int) -> str:
    """Long text on several lines, broken only between words."""
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
