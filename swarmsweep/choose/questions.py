"""What a run leaves open, as questions that a next sweep can answer. Each mode of a load has its own.

A question has the configurations to measure, and the load where it is not that of the run. What no sweep can answer is
a note: a sentence that says what to do first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from swarmsweep.choose import neighbours
from swarmsweep.choose.advice import advice, is_without_load
from swarmsweep.choose.modes import Choice
from swarmsweep.plan.row import Row
from swarmsweep.sweep.load import AnyLoad, load_from_json
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import counted, format_bytes, format_memory, listed

# With fewer deployments, the spread between them is not known.
MIN_REPEAT, MAX_REPEAT = 3, 20
# The limit of a sweep file, see `sweep.values`.
MAX_LOCUST_WORKERS = 128
GENERATOR = "generator"
# Cells that a sentence names.
MAX_NAMES = 3


@dataclass(frozen=True)
class Question:
    """Something open, and the sweep that would settle it.

    ``cells`` are to be measured; ``beside`` are measured rows that they are compared with. ``like`` is the row that the
    question is about, and a new cell has its load. ``load`` is None for that of the run.
    """

    reason: str
    like: Row
    cells: tuple[Cell, ...] = ()
    beside: tuple[Row, ...] = ()
    load: AnyLoad | None = None
    repeat: int = 1


@dataclass(frozen=True)
class Open:
    """The questions of a run, the most important first, and notes on what no sweep settles."""

    questions: list[Question]
    notes: list[str]


def load_of(choice: Choice) -> AnyLoad:
    """The load of the run."""
    return load_from_json(choice.plan.load)


def more_deployments(choice: Choice, least: int = MIN_REPEAT) -> int:
    """Twice as many deployments as the run had, at least ``least``."""
    return min(MAX_REPEAT, max(least, 2 * choice.plan.repeat))


def without_valid(choice: Choice, rows: list[Row]) -> Open:
    """Where no row is valid: more memory for those that were killed, another attempt for those that are invalid."""
    killed = [row for row in rows if row.status == "failed" and row.bottleneck == "memory"]
    invalid = [row for row in rows if row.status == "invalid"]
    questions = []
    if killed:
        first = max(killed, key=lambda row: int(row.config["memory_bytes"]))
        reason = f"{first.id} was the largest one that the kernel killed for its memory. Twice the memory is next."
        questions.append(Question(reason, first, (neighbours.doubled_memory(first),)))
    if invalid:
        is_advised = any(row.status == "failed" for row in choice.rows)
        questions += again(choice, invalid, is_advised=is_advised)
    if questions:
        return Open(questions, [])
    if all(row.status == "infeasible" for row in rows):
        advised = "Name smaller ones, or use a larger API host"
        return Open([], [f"No configuration can be deployed on these hosts. {advised}."])
    return Open([], ["No configuration was ready to be loaded. Remove the cause first: the page has the reasons."])


def again(choice: Choice, rows: list[Row], *, is_advised: bool = False) -> list[Question]:
    """Rows that are invalid are measured again, those that the load generator limited apart.

    ``is_advised``: the recommendation says what to do first.
    """
    groups = ([row for row in rows if not is_limited(row)], [row for row in rows if is_limited(row)])
    return [_again(choice, group, is_advised) for group in groups if group]


def _again(choice: Choice, rows: list[Row], is_advised: bool) -> Question:
    found, causes = f"The measurements of {some(rows)} are", "the causes"
    if len(rows) == 1:
        found, causes = f"The measurement of {some(rows)} is", "the cause"
    # More Locust workers are in the next sweep itself.
    is_known = is_advised or is_limited(rows[0])
    step = "" if is_known else f" Remove {causes}, which the page names, and measure again."
    return Question(
        f"{found} invalid.{step}",
        rows[0],
        beside=tuple(rows),
        repeat=choice.plan.repeat,
    )


def larger_ones(choice: Choice, row: Row, rows: list[Row], *, is_slow_alone: bool = False) -> Open:
    """More of what held the nearest configuration back. ``is_slow_alone``: of a search, one request at a time is slow.

    Then more replicas would not help.
    """
    if is_without_load(row):
        return Open([], [f"No resource of {row.id} was at its limit, so no larger configuration settles this."])
    if row.bottleneck == GENERATOR:
        return more_generators(choice, [row])
    known = {other.id for other in rows}
    cells = neighbours.larger(row, neighbours.vary(rows, "workers"), is_slow_alone=is_slow_alone)
    new = tuple(cell for cell in cells if cell.id not in known)
    if not cells:
        return Open([], [f"{advice(row)}. No sweep of other sizes settles this."])
    if not new:
        verb = "is" if len(cells) == 1 else "are"
        names = listed([cell.id for cell in cells])
        return Open(
            [], [f"What is larger than {row.id} {verb} in this run, and does not clearly reach the goal: {names}."]
        )
    reason = f"No tested configuration is large enough. The next cells have more of what held {row.id} back."
    if is_slow_alone:
        reason = f"{row.id} misses the SLO with one request at a time. {new[0].id} has more CPU."
    return Open([Question(reason, row, new, repeat=choice.plan.repeat)], [])


def not_by_size(row: Row, first: str) -> Open:
    """No larger configuration, because something else is to be corrected first: ``first`` says what."""
    return Open([], [f"The size of {row.id} is not the cause, so no larger configuration settles this. {first}"])


def more_generators(choice: Choice, rows: list[Row]) -> Open:
    """Twice as many Locust workers."""
    workers = _more_workers(choice, rows)
    if workers is None:
        return Open([], [_no_more_workers(rows)])
    reason = (
        f"The load generator limited {some(rows)}. With {workers} Locust workers, it may show the limit of the API."
    )
    more = replace(load_of(choice), workers=workers)
    return Open([Question(reason, rows[0], beside=tuple(rows), load=more, repeat=choice.plan.repeat)], [])


def with_enough_workers(choice: Choice, found: Open) -> Open:
    """The questions with more Locust workers, if the generator limited a cell that they measure again.

    The same number of workers would limit it again. If no more can be used, such a cell is left out, with a note.
    """
    load = load_of(choice)
    every = {row.id: row for question in found.questions for row in question.beside}
    limited = [row for row in every.values() if is_limited(row)]
    if not limited or any(question.load and question.load.workers > load.workers for question in found.questions):
        return found
    workers = _more_workers(choice, limited)
    if workers is None:
        kept = [
            replace(question, beside=tuple(row for row in question.beside if not is_limited(row)))
            for question in found.questions
            if not is_limited(question.like)
        ]
        return Open(kept, [_no_more_workers(limited), *found.notes])
    questions = [
        replace(question, load=replace(question.load or load, workers=workers)) for question in found.questions
    ]
    first = next(number for number, question in enumerate(questions) if any(map(is_limited, question.beside)))
    who = some(limited)
    if {row.id for row in questions[first].beside} == {row.id for row in limited}:
        # The reason has just named them.
        who = "it" if len(limited) == 1 else "them"
    text = f"The load generator limited {who}, so the next sweep has {counted(workers, 'Locust worker')}."
    questions[first] = replace(questions[first], reason=f"{questions[first].reason} {text}")
    return Open(questions, found.notes)


def is_limited(row: Row) -> bool:
    """Whether the load generator was the limit, and not the API."""
    if row.status == "valid" and row.capacity is not None:
        return row.capacity.limited_by == GENERATOR
    return row.bottleneck == GENERATOR


def _more_workers(choice: Choice, rows: list[Row]) -> int | None:
    """Twice as many Locust workers as these rows had; None where no more can be used. Each of them needs a user."""
    load, planned = load_of(choice), choice.plan.cells_by_id()
    stored = [choice.plan.load_of(planned[row.id]) for row in rows]
    now = max((int(one.get("workers", 1)) for one in stored), default=load.workers)
    most = min((int(one["users"]) for one in stored if "users" in one), default=MAX_LOCUST_WORKERS)
    workers = min(MAX_LOCUST_WORKERS, most, 2 * now)
    return workers if workers > now else None


def _no_more_workers(rows: list[Row]) -> str:
    return f"The load generator limited {some(rows)}. Use a larger load host, or another scenario."


def cheaper_ones(choice: Choice, chosen: Row, rows: list[Row], misses: Callable[[Row], bool]) -> list[Question]:
    """Cheaper configurations beside the chosen one that were not measured.

    ``misses`` says of a valid row whether it clearly does not reach the goal.
    """
    found = []
    known = {row.id for row in rows}
    for axis in ("cpus", "replicas"):
        lower = neighbours.lower_neighbour(chosen, rows, axis)
        cell = None
        if lower is not None and lower.status == "valid" and misses(lower):
            cell = neighbours.between(lower, chosen, axis)
            noun = "CPUs" if axis == "cpus" else "replicas"
            reason = (
                f"No number of {noun} between those of {lower.id}, which is too small, and {chosen.id} was measured."
            )
        elif lower is None and axis == "cpus" and neighbours.lower_neighbour(chosen, rows, "replicas") is None:
            cell = neighbours.half_the_cpus(chosen)
            # Others may have fewer CPUs in all.
            reason = f"{chosen.id} was not measured with fewer CPUs for each replica."
        if cell is not None and cell.id not in known:
            found.append(Question(reason, chosen, (cell,), (chosen,), repeat=choice.plan.repeat))
    memory = neighbours.enough_memory(chosen)
    lower = neighbours.lower_neighbour(chosen, rows, "memory")
    if memory is not None and memory.id not in known and (lower is None or _is_above(memory, lower)):
        used = format_bytes(chosen.api.memory_peak_bytes or 0)
        limit = format_memory(chosen.config["memory_bytes"])
        gap = "it was not measured with less memory"
        if lower is not None:
            gap = f"no memory between {format_memory(lower.config['memory_bytes'])} and {limit} was measured"
        reason = f"No replica of {chosen.id} used more than {used} of its {limit}, and {gap}."
        found.append(Question(reason, chosen, (memory,), (chosen,), repeat=choice.plan.repeat))
    return found


def _is_above(cell: Cell, row: Row) -> bool:
    return bool(cell.memory_bytes > row.config["memory_bytes"])


def some(rows: list[Row]) -> str:
    """The ids of rows, at most three of them."""
    names = [row.id for row in rows]
    return listed(names) if len(names) <= MAX_NAMES else f"{', '.join(names[:MAX_NAMES])} and others"
