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
from swarmsweep.sweep.load import AnyLoad, Load, load_from_json
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import format_bytes, format_memory, listed

# With fewer deployments, the spread between them is not known.
MIN_REPEAT, MAX_REPEAT = 3, 20
# The limit of a sweep file, see `sweep.values`.
MAX_LOCUST_WORKERS = 128
# Cells that a sentence names.
MAX_NAMES = 3


@dataclass(frozen=True)
class Question:
    """Something open, and the sweep that would settle it.

    ``cells`` are to be measured; ``beside`` are measured rows that they are compared with. ``load`` is None for that of
    the run. Then a new cell has the load of the row ``like``.
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
        questions.append(again(choice, invalid, is_advised=is_advised))
    if questions:
        return Open(questions, [])
    if all(row.status == "infeasible" for row in rows):
        advised = "Name smaller ones, or use a larger API host"
        return Open([], [f"No configuration can be deployed on these hosts. {advised}."])
    return Open([], ["No configuration was ready to be loaded. Remove the cause first: the page has the reasons."])


def again(choice: Choice, rows: list[Row], *, is_advised: bool = False) -> Question:
    """Rows that are invalid are measured again. ``is_advised``: the recommendation says what to do first."""
    found, causes = f"The measurements of {some(rows)} are", "the causes"
    if len(rows) == 1:
        found, causes = f"The measurement of {some(rows)} is", "the cause"
    step = "" if is_advised else f" Remove {causes}, which the page names, and measure again."
    return Question(
        f"{found} invalid.{step}",
        rows[0],
        beside=tuple(rows),
        repeat=choice.plan.repeat,
    )


def larger_ones(choice: Choice, row: Row, rows: list[Row]) -> Open:
    """More of what held the nearest configuration back."""
    if is_without_load(row):
        return Open([], [f"No resource of {row.id} was at its limit, so no larger configuration settles this."])
    if row.bottleneck == "generator":
        return more_generators(choice, [row])
    known = {other.id for other in rows}
    cells = neighbours.larger(row, neighbours.vary(rows, "workers"))
    new = tuple(cell for cell in cells if cell.id not in known)
    if not new:
        return Open([], [f"{advice(row)}. No sweep of other sizes settles this."])
    reason = f"No tested configuration is large enough. The next cells have more of what held {row.id} back."
    return Open([Question(reason, row, new, repeat=choice.plan.repeat)], [])


def more_generators(choice: Choice, rows: list[Row]) -> Open:
    """Twice as many Locust workers. Each of them needs a user."""
    load = load_of(choice)
    most = load.users if isinstance(load, Load) else MAX_LOCUST_WORKERS
    workers = min(MAX_LOCUST_WORKERS, most, 2 * load.workers)
    if workers <= load.workers:
        return Open([], [f"The load generator limited {some(rows)}. Use a larger load host, or another scenario."])
    reason = (
        f"The load generator limited {some(rows)}. With {workers} Locust workers, it may show the limit of the API."
    )
    more = replace(load, workers=workers)
    return Open([Question(reason, rows[0], beside=tuple(rows), load=more, repeat=choice.plan.repeat)], [])


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
            reason = f"No configuration with fewer CPUs than {chosen.id} was measured."
        if cell is not None and cell.id not in known:
            found.append(Question(reason, chosen, (cell,), (chosen,), repeat=choice.plan.repeat))
    memory = neighbours.enough_memory(chosen)
    lower = neighbours.lower_neighbour(chosen, rows, "memory")
    if memory is not None and memory.id not in known and (lower is None or _is_above(memory, lower)):
        used = format_bytes(chosen.api.memory_peak_bytes or 0)
        limit = format_memory(chosen.config["memory_bytes"])
        gap = "less memory was not measured"
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
