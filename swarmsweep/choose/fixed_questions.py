"""What a run with a fixed load leaves open."""

import math
from dataclasses import replace

from swarmsweep.choose.fixed_load import before_size
from swarmsweep.choose.light_load import unstressed, users_to_fill
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.questions import (
    Open,
    Question,
    again,
    cheaper_ones,
    larger_ones,
    load_of,
    more_deployments,
    not_by_size,
    some,
    without_valid,
)
from swarmsweep.choose.ties import plain_order
from swarmsweep.plan.load_text import own_load
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import Row
from swarmsweep.results import slo as slo_of
from swarmsweep.search import PROFILES, needed_seconds
from swarmsweep.sweep.load import CAPACITY, OPTIONAL, USERS, AnyLoad, Load
from swarmsweep.sweep.modes import MODES

# HAProxy accepts a fifth more by default (lab_proxy_max_connections). Beyond that, a search finds the number.
MAX_NEXT_USERS = 10_000
# Users that one Locust worker starts per second without a disturbance.
USERS_PER_SECOND = 100


def fixed_questions(choice: Choice, rows: list[Row]) -> Open:
    """The questions of the rows that may be recommended, without twins."""
    valid = [row for row in rows if row.status == "valid"]
    if not valid:
        return without_valid(choice, rows)
    invalid = [row for row in rows if row.status == "invalid"]
    if light := unstressed(valid):
        return _more_load(choice, light, invalid)
    chosen, limits = choice.chosen, choice.plan.limits
    close = [row for row in valid if row.meets_slo is None and slo_of.is_close(row, limits)]
    if chosen is None:
        nearest = choice.nearest() or valid[0]
        first = before_size(nearest, limits)
        found = not_by_size(nearest, first) if first else larger_ones(choice, nearest, rows)
        return Open([*_undecided(choice, close), *again(choice, invalid), *found.questions], found.notes)
    order = plain_order(chosen, choice.tariff)
    cheaper = [row for row in close if plain_order(row, choice.tariff) <= order]
    if chosen.meets_slo:
        # A dearer one could not take its place.
        invalid = [row for row in invalid if plain_order(row, choice.tariff) < order]
    questions = _undecided(choice, cheaper, chosen)
    if chosen.attempt_count == 1 and not questions:
        questions.append(_once(choice, chosen, valid))
    questions += again(choice, invalid)
    questions += cheaper_ones(choice, chosen, rows, lambda row: row.meets_slo is False and not before_size(row, limits))
    return Open(questions, [])


def _undecided(choice: Choice, close: list[Row], chosen: Row | None = None) -> list[Question]:
    """More deployments of the cells whose limit is in the interval of a figure."""
    if not close:
        return []
    reason = f"It is undecided whether the SLO is held by {some(close)}. More deployments make the interval narrower."
    beside = [*close, *([chosen] if chosen is not None and chosen not in close else [])]
    return [Question(reason, close[0], beside=tuple(beside), repeat=more_deployments(choice))]


def _once(choice: Choice, chosen: Row, valid: list[Row]) -> Question:
    """The recommended cell and the valid one before it in cost, each deployed several times."""
    order = plain_order(chosen, choice.tariff)
    own = own_load(choice.plan, chosen.id)
    # Figures of different loads are not compared.
    cheaper = [row for row in valid if plain_order(row, choice.tariff) < order and own_load(choice.plan, row.id) == own]
    last = max(cheaper, key=lambda row: plain_order(row, choice.tariff), default=None)
    reason = f"{chosen.id} was deployed once, so it is unknown how much deployments of it differ."
    if last is not None:
        # Others that failed, or that are invalid, may be between the two.
        is_cheaper = plain_order(last, choice.tariff)[0] < order[0]
        which = "the next cheaper valid cell" if is_cheaper else "a valid cell of the same cost"
        reason += f" It is compared with {which}, {last.id}."
    beside = (chosen,) if last is None else (chosen, last)
    return Question(reason, chosen, beside=beside, repeat=more_deployments(choice))


def _more_load(choice: Choice, light: list[Row], invalid: list[Row]) -> Open:
    """More users, or a search for the number, where the load stressed nothing. Invalid cells get the same load."""
    load = load_of(choice)
    needed = [users for row in light if (users := users_to_fill(row)) is not None]
    reason = "The load stressed no configuration, so it does not show which one is enough."
    if needed and isinstance(load, Load) and load.users < max(needed) <= MAX_NEXT_USERS:
        users = max(needed)
        rate = max(load.spawn_rate, min(users, USERS_PER_SECOND * load.workers))
        reason += f" {users:,} users would use up the CPU limit of each."
        more: AnyLoad | None = replace(load, users=users, spawn_rate=rate)
    else:
        more = _search(choice.plan, load)
        reason += " A search finds the highest number of users that each of them takes."
    if more is None:
        return Open([], ["The load stressed no configuration. Raise load.users, or shorten load.wait_seconds."])
    question = Question(reason, light[0], beside=tuple(light), load=more, repeat=choice.plan.repeat)
    return Open([question, *(replace(one, load=more) for one in again(choice, invalid))], [])


def _search(plan: Plan, load: AnyLoad) -> AnyLoad | None:
    """A search for the number of users with the same scenario; None where no search can have this SLO or think time."""
    latency = {name: limit for name, limit in plan.slo.items() if name.endswith("_ms")}
    if plan.slo_endpoints or not latency:
        return None
    kept = ("workers", "locustfile", "wait_seconds", *OPTIONAL)
    settings = {key: value for key in kept if (value := getattr(load, key, None)) is not None}
    waits = settings.get("wait_seconds") or (0.0, 0.0)
    needed = needed_seconds(math.fsum(waits) / 2)
    able = [name for name in ("standard", "publish") if PROFILES[name].budget_seconds >= needed]
    return MODES[CAPACITY].load({"by": USERS, "profile": able[0], **settings}, latency) if able else None
