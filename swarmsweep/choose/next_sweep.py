"""The sweep that would settle what a run leaves open, and how long it takes."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from shlex import quote
from typing import Any

from swarmsweep.choose.capacity_questions import capacity_questions
from swarmsweep.choose.fixed_questions import fixed_questions
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.neighbours import cell_of
from swarmsweep.choose.questions import Open, Question, is_limited, with_enough_workers
from swarmsweep.lab.lab_command import USUAL, LabCommands
from swarmsweep.lab.repeated_arguments import note_on_hidden
from swarmsweep.plan.feasibility import infeasible_reason
from swarmsweep.plan.plan import OTHER_SECONDS_PER_STEP, make_plan
from swarmsweep.plan.planned import Host
from swarmsweep.plan.row import NOT_MEASURED, Row
from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load import CAPACITY, FIXED, AnyLoad, StoredLoad, differences, load_from_json, mode_of
from swarmsweep.sweep.matrix import Cell
from swarmsweep.sweep.sweep_text import case_for
from swarmsweep.units import counted

# More cells would be a sweep of its own. The first ones are the most important.
MAX_CELLS = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ENDING = "-next"
_FILE = "next.yml"
# Of a plan that is only made for its duration.
_RUN_ID = "20000101T000000Z-next"
SETTLED = "Nothing is open that another sweep would settle."


@dataclass(frozen=True)
class NextSweep:
    """``reasons`` are sentences: what is open, or why there is no next sweep.

    ``sweep`` and ``seconds``, its longest duration, are None where no sweep settles anything. ``command`` is the one in
    a reason, empty without one. ``resumed`` are the invalid cells that the resumed run measures again.
    """

    reasons: tuple[str, ...]
    sweep: Sweep | None = None
    seconds: float | None = None
    command: str = ""
    resumed: frozenset[str] = frozenset()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open. A run that cannot be settled yet has no sweep either."""
        return self.reasons == (SETTLED,)

    @property
    def cell_ids(self) -> frozenset[str]:
        """The cells that it measures, or that the resumed run measures again."""
        return frozenset(cell.id for cell in self.sweep.cells) if self.sweep is not None else self.resumed


def next_sweep(
    choice: Choice, commands: LabCommands = USUAL, left: str | None = None, retried: Iterable[str] = ()
) -> NextSweep:
    """The next sweep after the rows of a run. ``commands`` are those for its lab.

    ``left`` is what the command left for later, as a sentence. The run is then resumed first, because that measures the
    same cells, and may change what is open. ``retried`` are the invalid cells among them.
    """
    rows = [row for row in choice.candidates if not row.twin_of]
    if unfinished := _unfinished(choice, rows, commands, left):
        return NextSweep((unfinished,), command=_resume(choice, commands), resumed=frozenset(retried))
    found = with_enough_workers(choice, QUESTIONS[mode_of(choice.plan.load)](choice, rows))
    hosts = choice.plan.hosts.get("api", [])
    answerable, notes = [], list(found.notes)
    for question in found.questions:
        fits, reason = _that_fit(question, hosts)
        if fits is None:
            notes.append(reason)
        else:
            answerable.append(fits)
    if not answerable:
        return NextSweep(tuple(notes) or (SETTLED,))
    taken = [question for question in answerable if question.load == answerable[0].load]
    sweep = _sweep_of(choice, taken)
    other = choice.plan.estimate_seconds.other_per_step or OTHER_SECONDS_PER_STEP
    plan = make_plan(sweep, {"api": hosts, "load": []}, run_id=_RUN_ID, other_seconds=other)
    return NextSweep(tuple(question.reason for question in taken), sweep, plan.estimate_seconds.total)


def _unfinished(choice: Choice, rows: list[Row], commands: LabCommands, left: str | None) -> str | None:
    """What to do first with a run that has cells without a result, or attempts that are left for later."""
    blank = [row for row in rows if row.status is None]
    resume = _resume(choice, commands)
    resume = f"To measure what is left: {resume}{note_on_hidden(resume)}."
    # A part of a sweep leaves cells for later, and says so.
    if any(row.reason == NOT_MEASURED or "--only" in str(row.reason) or "--max-" in str(row.reason) for row in blank):
        return f"{len(blank)} {'cell has' if len(blank) == 1 else 'cells have'} no measurement. {resume}"
    if blank:
        return f"The sweep left out {counted(len(blank), 'cell')}. First remove the cause, which the page names."
    return f"{left} {resume}" if left else None


def _resume(choice: Choice, commands: LabCommands) -> str:
    return commands.sweep(f"-e resume={quote(choice.plan.run_id)}")


def _that_fit(question: Question, hosts: list[Host]) -> tuple[Question | None, str]:
    """The question with the cells that the hosts can hold; None, and the reason, if these are none of the new ones."""
    reasons = {cell.id: infeasible_reason(cell, hosts) for cell in question.cells}
    fitting = tuple(cell for cell in question.cells if reasons[cell.id] is None)
    if question.cells and not fitting:
        name, reason = next(iter(reasons.items()))
        return None, f"{question.reason} But {name} cannot be deployed here: {reason}."
    return Question(question.reason, question.like, fitting, question.beside, question.load, question.repeat), ""


def _sweep_of(choice: Choice, questions: list[Question]) -> Sweep:
    """One sweep for questions with the same load."""
    plan = choice.plan
    wanted = questions[0].load or load_from_json(plan.load)
    load = load_from_json(_with_users_for_workers(wanted.as_json()))
    like: dict[str, tuple[Cell, str]] = {}
    for question in questions:
        for row in question.beside:
            like.setdefault(row.id, (cell_of(row), row.id))
        for cell in question.cells:
            like.setdefault(cell.id, (cell, question.like.id))
    chosen = list(like.values())[:MAX_CELLS]
    planned = plan.cells_by_id()
    limited = {row.id for row in choice.rows if is_limited(row)}
    cases = []
    for cell, name in chosen:
        # The scenario of a cell is an axis, and not a setting of its load.
        stored = {**plan.load_of(planned[name]), "locustfile": plan.load["locustfile"]}
        kept = _kept(differences(plan.load, stored), plan.load, wanted)
        if name in limited:
            # Its own number of Locust workers was too small, and may be smaller than that of the sweep.
            kept.pop("workers", None)
        own = load_from_json(_with_users_for_workers({**wanted.as_json(), **kept}))
        if own != load:
            cases.append(case_for(cell, own))
    return Sweep(
        name=_name(plan.sweep),
        slo=plan.slo,
        slo_endpoints=plan.slo_endpoints,
        load=load,
        cases=tuple(cases),
        cells=tuple(cell for cell, _ in chosen),
        repeat=max(question.repeat for question in questions),
        seed=None,
        file=_FILE,
        sha256="",
    )


def _kept(own: StoredLoad, usual: StoredLoad, load: AnyLoad) -> dict[str, Any]:
    """The settings that a cell has for itself, without those that the next sweep changes for all.

    ``usual`` is the load of the run, and ``load`` that of the next sweep.
    """
    following = load.as_json()
    if mode_of(usual) != load.mode:
        return {}
    changed = {key for key in own if key in usual and following.get(key) != usual[key]}
    if "users" in changed:
        # They would start too slowly, or faster than Locust can start them.
        changed.add("spawn_rate")
    return {key: value for key, value in own.items() if key not in changed}


def _with_users_for_workers(load: StoredLoad) -> StoredLoad:
    """The load with as many Locust workers as it has users, if it has fewer users. Each worker needs one."""
    users = load.get("users")
    return load if users is None else {**load, "workers": min(load["workers"], users)}


def _name(sweep: str) -> str:
    """The name of the sweep with an ending, as a sweep file may have it."""
    name = f"{sweep.removesuffix(_ENDING)[: 32 - len(_ENDING)]}{_ENDING}"
    return name if _NAME.fullmatch(name) else "next"


QUESTIONS: dict[str, Callable[[Choice, list[Row]], Open]] = {FIXED: fixed_questions, CAPACITY: capacity_questions}
