"""What a search leaves open."""

from dataclasses import replace

from swarmsweep.choose.capacity_load import (
    LIMITED_BY,
    conservative_rps,
    eligible_cells,
    held_once,
    highest_verified,
    largest_of,
)
from swarmsweep.choose.cause import has_own_failures, is_slow_alone, raises_at_lowest_load
from swarmsweep.choose.comparisons import compare_with_each, noise_in
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.neighbours import one_more_replica
from swarmsweep.choose.paired_test import UNDECIDED
from swarmsweep.choose.questions import (
    MAX_REPEAT,
    MIN_REPEAT,
    Open,
    Question,
    again,
    cheaper_ones,
    is_limited,
    larger_ones,
    load_of,
    more_deployments,
    more_generators,
    not_by_size,
    some,
    without_valid,
)
from swarmsweep.choose.sizing import needed_rps, reaches, sizing_of
from swarmsweep.choose.target import Target, target_of
from swarmsweep.choose.ties import plain_order
from swarmsweep.plan.row import Row
from swarmsweep.search import PROFILES
from swarmsweep.sweep.load import AnyLoad, CapacityLoad

SMOKE = "smoke"
# Configurations beside the recommended one that a longer search compares. Each takes minutes.
MAX_RIVALS = 2


def capacity_questions(choice: Choice, rows: list[Row]) -> Open:
    """The questions of the rows that may be recommended, without twins."""
    valid = [row for row in rows if row.status == "valid"]
    if not valid:
        return without_valid(choice, rows)
    able = eligible_cells(valid)
    if not able:
        return _unverified(choice, valid, rows)
    limited = [row for row in able if is_limited(row)]
    invalid = [row for row in rows if row.status == "invalid"]
    chosen, target = choice.chosen, target_of(choice.plan.load)
    if chosen is None:
        best = highest_verified(able) or able[0]
        found = more_generators(choice, limited) if best in limited else _short_of(choice, best, rows)
        return _with_invalid(choice, found, invalid)
    if chosen in limited:
        return _with_invalid(choice, more_generators(choice, limited), invalid)
    if target:
        # A dearer one could not take its place.
        order = plain_order(chosen, choice.tariff)
        invalid = [row for row in invalid if plain_order(row, choice.tariff) < order]
    if getattr(load_of(choice), "profile", None) == SMOKE:
        return _with_invalid(choice, Open([_longer(choice, chosen, able)], []), invalid)
    questions = _undecided(choice, chosen, able)
    questions += again(choice, invalid)
    if target:
        questions += _spare(choice, chosen)
        questions += cheaper_ones(choice, chosen, rows, lambda row: not reaches(row, target))
    return Open(questions, [])


def _short_of(choice: Choice, best: Row, rows: list[Row]) -> Open:
    """What is next where the best configuration does not reach the target. Its capacity may be higher than is known."""
    capacity = best.capacity
    if capacity is None or not capacity.is_lower_bound:
        return larger_ones(choice, best, rows)
    begun = f"The capacity of {best.id} may be higher, because"
    if capacity.limited_by in LIMITED_BY:
        return Open([], [f"{begun} {LIMITED_BY[capacity.limited_by]}. No sweep of other sizes settles this."])
    longer = _next_profile(load_of(choice))
    step = f"The profile {longer.profile} is longer." if longer else "It is measured again."
    reason = f"{begun} the search ended before a higher rate failed. {step}"
    return Open([Question(reason, best, beside=(best,), load=longer, repeat=choice.plan.repeat)], [])


def _with_invalid(choice: Choice, found: Open, invalid: list[Row]) -> Open:
    """The questions, and the invalid cells, which get the same load."""
    load = found.questions[0].load if found.questions else None
    return Open([*found.questions, *(replace(one, load=load) for one in again(choice, invalid))], found.notes)


def _unverified(choice: Choice, valid: list[Row], rows: list[Row]) -> Open:
    """A longer profile for cells that held the SLO too shortly, larger cells where none held it."""
    invalid = [row for row in rows if row.status == "invalid"]
    return _with_invalid(choice, _verify(choice, valid, rows), invalid)


def _verify(choice: Choice, valid: list[Row], rows: list[Row]) -> Open:
    held = [row for row in valid if held_once(row)]
    if not held:
        largest, limits = largest_of(valid, choice.tariff), choice.plan.limits
        if has_own_failures(largest, limits) or raises_at_lowest_load(largest):
            step = largest.capacity.next_step if largest.capacity is not None else None
            return not_by_size(largest, step or "Correct the API or the scenario.")
        return larger_ones(choice, largest, rows, is_slow_alone=is_slow_alone(largest, limits))
    load = _next_profile(load_of(choice))
    if load is None:
        reason = f"{some(held)} held the SLO, but not long enough to verify a rate. More deployments may verify one."
        return Open([Question(reason, held[0], beside=tuple(held), repeat=more_deployments(choice))], [])
    reason = f"{some(held)} held the SLO, but not long enough to verify a rate. The profile {load.profile} is longer."
    return Open([Question(reason, held[0], beside=tuple(held), load=load, repeat=choice.plan.repeat)], [])


def _next_profile(load: AnyLoad) -> CapacityLoad | None:
    """The same search with the next longer profile; None for the longest."""
    if not isinstance(load, CapacityLoad):
        return None
    names = list(PROFILES)
    place = names.index(load.profile) + 1 if load.profile in names else len(names)
    if place >= len(names):
        return None
    return replace(load, profile=names[place], budget_seconds=PROFILES[names[place]].budget_seconds)


def _longer(choice: Choice, chosen: Row, able: list[Row]) -> Question:
    """The recommended cell and the nearest rivals, with a profile whose rates can be compared."""
    load = _next_profile(load_of(choice))
    assert load is not None
    rate = conservative_rps(chosen) or 0
    others = [row for row in able if row is not chosen]
    rivals = sorted(others, key=lambda row: (abs((conservative_rps(row) or 0) - rate), row.id))[:MAX_RIVALS]
    reason = (
        f"The profile {SMOKE} is too short for a decision. The profile {load.profile} shows "
        f"whether {chosen.id} is the best."
    )
    return Question(reason, chosen, beside=(chosen, *rivals), load=load, repeat=max(MIN_REPEAT, choice.plan.repeat))


def _undecided(choice: Choice, chosen: Row, able: list[Row]) -> list[Question]:
    """More deployments of the cells that may take the place of the recommended one."""
    repeat = more_deployments(choice)
    if target := target_of(choice.plan.load):
        order = plain_order(chosen, choice.tariff)
        rivals = [row for row in able if plain_order(row, choice.tariff) < order and _may_reach(row, target)]
        undecided = "whether the target with its headroom is reached by"
    else:
        compared = compare_with_each(chosen, able, noise_in(choice.plan, choice.rows))
        rivals = [row for row in able if row is not chosen and compared[row.id].verdict == UNDECIDED]
        rivals.sort(key=lambda row: abs((conservative_rps(row) or 0) - (conservative_rps(chosen) or 0)))
        undecided = f"which one takes more load: {chosen.id}, or"
    # More deployments do not raise a bound that the load generator set. More Locust workers may, see `questions`.
    bounded = [row for row in rivals if is_limited(row)][:MAX_RIVALS]
    rivals = [row for row in rivals if not is_limited(row)][:MAX_RIVALS]
    questions = []
    if bounded:
        reason = f"It is undecided {undecided} {some(bounded)}."
        like, beside = bounded[0], (chosen, *bounded)
        questions.append(Question(reason, like, beside=beside, repeat=choice.plan.repeat))
    if rivals and choice.plan.repeat < MAX_REPEAT:
        reason = f"It is undecided {undecided} {some(rivals)}. More deployments narrow the interval."
        questions.append(Question(reason, chosen, beside=(chosen, *rivals), repeat=repeat))
    return questions


def _may_reach(row: Row, target: Target) -> bool:
    """Whether the rate is below the needed one, and its interval is not."""
    capacity, needed = row.capacity, needed_rps(row, target)
    if capacity is None or conservative_rps(row) is None or reaches(row, target):
        return False
    return capacity.is_lower_bound or (capacity.interval_rps is not None and capacity.interval_rps[1] >= needed)


def _spare(choice: Choice, chosen: Row) -> list[Question]:
    """One more replica, where no tested configuration holds the target while a replica is missing."""
    sizing = sizing_of(choice)
    cell = one_more_replica(chosen)
    if sizing is None or sizing.spare_replicas or cell is None or any(row.id == cell.id for row in choice.rows):
        return []
    reason = f"No tested configuration still holds the target if a replica fails. {cell.id} has one more replica."
    return [Question(reason, chosen, (cell,), (chosen,), repeat=choice.plan.repeat)]
