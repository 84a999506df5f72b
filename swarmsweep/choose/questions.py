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
    able = [row for row in rows if _can_have_more(choice, row)]
    if not able:
        return Open([], [_no_more_workers(rows)])
    workers = _more_workers(choice, able)
    reason = (
        f"The load generator limited {some(able)}. With {workers} Locust workers, it may show the limit of the API."
    )
    more = replace(load_of(choice), workers=workers)
    return Open([Question(reason, able[0], beside=tuple(able), load=more, repeat=choice.plan.repeat)], [])


def with_enough_workers(choice: Choice, found: Open) -> Open:
    """The questions with more Locust workers, if the generator limited a cell that they measure again.

    The same number of workers would limit it again. If no more can be used, such a cell is left out, with a note. All
    questions get the same number, because one sweep answers only those with the same load.
    """
    load = load_of(choice)
    given = max((question.load.workers for question in found.questions if question.load), default=load.workers)
    has_more = [question.load is not None and question.load.workers > load.workers for question in found.questions]
    beside = [
        row for question, more in zip(found.questions, has_more, strict=True) if not more for row in question.beside
    ]
    limited = list({row.id: row for row in beside if is_limited(row)}.values())
    if not limited:
        return found
    stuck = [row for row in limited if not _can_have_more(choice, row)]
    questions = [question for one in found.questions if (question := _without(one, stuck)) is not None]
    kept = [row for question in questions for row in question.beside]
    able = [row for row in limited if row in kept]
    notes = [*([_no_more_workers(stuck)] if stuck else []), *found.notes]
    if not able:
        return Open(questions, notes)
    workers = max(given, _more_workers(choice, able))
    questions = [replace(question, load=replace(question.load or load, workers=workers)) for question in questions]
    first = next(number for number, question in enumerate(questions) if any(row in able for row in question.beside))
    who = some(able)
    if {row.id for row in questions[first].beside} == {row.id for row in able}:
        # The reason has just named them.
        who = "it" if len(able) == 1 else "them"
    text = f"The load generator limited {who}, so the next sweep has {counted(workers, 'Locust worker')}."
    questions[first] = replace(questions[first], reason=f"{questions[first].reason} {text}")
    return Open(questions, notes)


def _without(question: Question, stuck: list[Row]) -> Question | None:
    """The question without these rows; None if it then measures nothing, or if its new cells have the load of one."""
    beside = tuple(row for row in question.beside if row not in stuck)
    is_left = question.like not in stuck if question.cells else beside
    return replace(question, beside=beside) if is_left else None


def is_limited(row: Row) -> bool:
    """Whether the load generator was the limit, and not the API."""
    if row.status == "valid" and row.capacity is not None:
        return row.capacity.limited_by == GENERATOR
    return row.bottleneck == GENERATOR


def _more_workers(choice: Choice, rows: list[Row]) -> int:
    """Twice as many Locust workers as these rows had. A cell with fewer users has as many workers as users."""
    return min(MAX_LOCUST_WORKERS, 2 * max(_workers_and_users(choice, row)[0] for row in rows))


def _can_have_more(choice: Choice, row: Row) -> bool:
    """Whether a cell can have more Locust workers. Each of them needs a user."""
    workers, users = _workers_and_users(choice, row)
    return workers < min(MAX_LOCUST_WORKERS, users)


def _workers_and_users(choice: Choice, row: Row) -> tuple[int, int]:
    """The Locust workers of a cell, and its users. A search has as many users as it needs."""
    stored = choice.plan.load_of(choice.plan.cells_by_id()[row.id])
    return int(stored.get("workers", 1)), int(stored.get("users", MAX_LOCUST_WORKERS))


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
