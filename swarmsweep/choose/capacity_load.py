"""The recommendation of a search: the cheapest cell for a target rate, or the cell with the highest capacity.

Cells are chosen by the conservative rate. It is the smaller of two rates: the highest that was verified in every
deployment, and the lower bound of the estimate over the deployments.
"""

import math

from swarmsweep.choose.advice import advice, is_without_load
from swarmsweep.choose.comparisons import compare_with_each, noise_in
from swarmsweep.choose.fixed_load import against_cheaper, describe_config, nothing_measured
from swarmsweep.choose.paired_test import BETTER, EQUAL, UNDECIDED, WORSE, Comparison, Noise, is_tie
from swarmsweep.choose.recommendation import Recommendation, recommend_with
from swarmsweep.choose.target import Target, target_of
from swarmsweep.choose.ties import plain_order
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import CellCapacity, Row
from swarmsweep.plan.tariff import CPU_EQUIVALENTS, Tariff, tariff_of
from swarmsweep.results import slo as slo_of
from swarmsweep.search import GOOD
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.units import counted, format_figure, format_plain

# The factor on the target rate, for headroom. Real traffic is burstier than Poisson. A replica is missing while it
# restarts. Other hosts and requests differ from those of the bench.
HEADROOM = 1.25
LIMITED_BY = {
    "generator": "the load generator could not send a higher rate",
    "max_rps": "the search reached its allowed maximum rate",
    "max_users": "HAProxy takes no more connections (lab_proxy_max_connections)",
}
# What a comparison with another configuration says of the recommended one.
_AGAINST = {
    BETTER: " and is better",
    WORSE: " and is worse",
    EQUAL: " and is equally good",
    UNDECIDED: ". Which of the two takes more load is undecided",
}


def conservative_rps(cell: Row) -> float | None:
    """The conservative rate of the cell in requests per second; None where no rate was verified."""
    capacity = cell.capacity
    if not capacity or capacity.verified_rps is None:
        return None
    verified, lower_bound = float(capacity.verified_rps), capacity.lower_bound_rps
    return verified if lower_bound is None else min(verified, float(lower_bound))


def recommend(plan: Plan, cells: list[Row], noise: Noise | None = None) -> Recommendation:
    """The recommendation for the rows of a run.

    Only valid cells with a verified rate can win, and no twin. With a target, the cheapest cell wins whose conservative
    rate reaches it with headroom. Without a target, the cell with the highest capacity wins, or the cheapest cell that
    ties with it.

    Args:
        cells: rows of the plan's cells that can be chosen.
        noise: the noise of the run (see `comparisons.noise_in`). The default is the noise of ``cells``.
    """
    noise = noise or noise_in(plan, cells)
    slo, target, tariff = plan.limits, target_of(plan.load), tariff_of(plan)
    cells, able = [cell for cell in cells if not cell.twin_of], eligible_cells(cells)
    if not able:
        return _nothing_holds(cells, slo, tariff)
    if target is None:
        best = _highest(able, noise, tariff)
    elif (cheapest := _cheapest_for(target, HEADROOM, able, noise, tariff)) is not None:
        best = cheapest
    else:
        return _short_of(target, able, slo, tariff)
    compared = compare_with_each(best, able, noise)
    # Without a target, the last reason compares the two over the blocks.
    rival = None if target else _rival(best, able, tariff)
    return recommend_with(
        best.id,
        answer=[_take(best, target, able, slo, tariff)],
        reasons=[
            f"{_proof(best)}.",
            f"{_price(best, tariff)}.",
            *against_cheaper(best, cells, lambda cell: _why_not(cell, target, compared), tariff, apart=rival),
            _against_highest(best, able, compared, tariff),
        ],
    )


def sensitivity(plan: Plan, cells: list[Row]) -> list[str]:
    """Sentences on how another headroom would change the choice; empty without a target.

    The effect of tighter or looser limits is unknown, because the search used the limits of the SLO.
    """
    target, able = target_of(plan.load), eligible_cells(cells)
    if target is None or not able:
        return []
    noise, tariff = noise_in(plan, cells), tariff_of(plan)
    chosen = _cheapest_for(target, HEADROOM, able, noise, tariff)
    sentences = []
    for headroom, words in ((1.0, "no headroom"), (1.5, "a headroom of 50 %")):
        other = _cheapest_for(target, headroom, able, noise, tariff)
        if other is not chosen:
            name = other.id if other else "no tested configuration"
            sentences.append(f"With {words}, {name} would be recommended.")
    return sentences


def eligible_cells(cells: list[Row]) -> list[Row]:
    """The cells that can win: valid, with a verified rate, and not a twin."""
    return [cell for cell in cells if cell.status == "valid" and not cell.twin_of and conservative_rps(cell)]


def highest_verified(cells: list[Row]) -> Row | None:
    """The valid cell with the highest verified rate, twins excluded."""
    verified = (cell for cell in cells if cell.status == "valid" and cell.capacity_rps and not cell.twin_of)
    return max(verified, key=lambda cell: (cell.capacity_rps or 0, cell.id), default=None)


def _conservative(cell: Row) -> float:
    """The conservative rate of a cell that can win: such a cell has a verified rate."""
    return conservative_rps(cell) or 0.0


def _capacity_of(cell: Row) -> CellCapacity:
    """The capacity of a cell that can win: such a cell has one."""
    if cell.capacity is None:
        raise LookupError(f"the capacity of {cell.id} was not measured")
    return cell.capacity


def _cheapest_for(target: Target, headroom: float, able: list[Row], noise: Noise, tariff: Tariff) -> Row | None:
    """The cheapest cell that reaches the target times the headroom.

    Of several with the same cost, it is one that ties with the highest rate.
    """
    share = headroom * (1 - slo_of.ROUNDED_SHARE)
    enough = [cell for cell in able if _conservative(cell) >= target.rps_of(cell) * share]
    price = min((plain_order(cell, tariff)[0] for cell in enough), default=0.0)
    same = [cell for cell in enough if plain_order(cell, tariff)[0] == price]
    return _highest(same, noise, tariff) if same else None


def _highest(able: list[Row], noise: Noise, tariff: Tariff) -> Row:
    """The cell with the highest capacity, or the cheapest cell that ties with it."""
    top = _top(able, tariff)
    compared = compare_with_each(top, able, noise)
    tied = [cell for cell in able if cell is not top and is_tie(compared[cell.id], noise.aa_log_rms)]
    return min((top, *tied), key=lambda cell: plain_order(cell, tariff))


def _top(able: list[Row], tariff: Tariff) -> Row:
    return min(able, key=lambda cell: (-_conservative(cell), plain_order(cell, tariff)))


def _take(best: Row, target: Target | None, able: list[Row], slo: SloLimits, tariff: Tariff) -> str:
    if target:
        why = f"It is the cheapest configuration with a {target.noun} of at least {_wanted(target)}"
    elif best is _top(able, tariff):
        why = "It has the highest conservative rate"
    else:
        why = "It is the cheapest configuration that ties with the highest conservative rate"
    return f"Take {best.id} ({describe_config(best.config)}). {why}. The SLO is {slo_of.describe(slo)}."


def _proof(cell: Row) -> str:
    capacity, p95_ms = _capacity_of(cell), cell.latency_ms.p95
    count = capacity.deployments
    where = f"or more were verified in each of {count} deployments" if count > 1 else "were verified in one deployment"
    p95 = f", with p95 {format_figure(p95_ms)} ms" if p95_ms is not None else ""
    users = "" if capacity.verified_users is None else f" of {counted(capacity.verified_users, 'user')}"
    if capacity.verified_iterations_per_second is not None:
        users = f" of {format_figure(capacity.verified_iterations_per_second)} iterations/s"
    proof = f"{_figure(capacity.verified_rps)} requests/s{users} {where}{p95}"
    if capacity.is_lower_bound:
        why = LIMITED_BY.get(capacity.limited_by or "", "no higher rate was tested")
        return f"{proof}. Its capacity may be higher, because {why}"
    if capacity.estimate_rps is None:
        return proof
    return f"{proof}. The estimate is {estimate_text(capacity, ' requests/s', '95 % interval ')}"


def estimate_text(capacity: CellCapacity, unit: str = "", interval: str = "") -> str:
    """As "640.2 (601.1 to 690.0 between deployments), 96 users".

    ``unit`` follows the rate, and ``interval`` comes before the interval, where no column says what these are.
    """
    text = f"{_figure(capacity.estimate_rps)}{unit}"
    if capacity.interval_rps is not None:
        low, high = map(format_figure, capacity.interval_rps)
        where = "between deployments" if capacity.between_deployments else "within one deployment"
        text += f" ({interval}{low} to {high} {where})"
    # The interval is one of rates.
    return text if capacity.estimate_users is None else f"{text}, {capacity.estimate_users:.0f} users"


def _price(cell: Row, tariff: Tariff) -> str:
    price = tariff.cost(cell.config)
    each = format_figure((cell.capacity_rps or 0) / price)
    unit = "of them" if tariff.prices is None else tariff.prices.currency
    return f"The cost is {tariff.words(cell.config)}, with {each} requests/s for each {unit}"


def _wanted(target: Target) -> str:
    spare = 100 * (HEADROOM - 1)
    # Users are whole.
    needed = math.ceil(target.wanted * HEADROOM) if target.is_users else target.wanted * HEADROOM
    return f"{target.words(needed)} (the target of {format_plain(target.wanted)} plus {format_figure(spare)} %)"


def _why_not(cell: Row, target: Target | None, compared: dict[str, Comparison]) -> str:
    """Why a cheaper cell that was measured was not chosen."""
    proven = conservative_rps(cell)
    if proven is None:
        held = held_once(cell)
        return (
            "held the SLO, but not long enough to verify a rate" if held else "held the SLO at none of the tested rates"
        )
    least = ", but its capacity may be higher" if _capacity_of(cell).is_lower_bound else ""
    if target is not None:
        return (
            f"has a {target.noun} of {target.words_of(cell, proven)}, "
            f"{_percent(1 - proven / (HEADROOM * target.rps_of(cell)))} too low{least}"
        )
    comparison = compared[cell.id]
    if not comparison.factor:
        return f"has a conservative rate of {format_figure(proven)} requests/s{least}"
    load = f"{1 / comparison.factor:.2f} times as much load"
    return f"took {load} in this run{least}" if comparison.verdict == UNDECIDED else f"takes {load}{least}"


def _against_highest(best: Row, able: list[Row], compared: dict[str, Comparison], tariff: Tariff) -> str:
    """The choice compared with the highest capacity or, if it has that itself, with the next one."""
    other = _rival(best, able, tariff)
    if other is None:
        return "No other configuration was measured, or none held the SLO."
    place = "highest" if _conservative(other) > _conservative(best) else "next highest"
    price = tariff.cost(best.config) / tariff.cost(other.config)
    return (
        f"The configuration with the {place} rate is {other.id} (cost {tariff.figure(other.config)}). "
        f"The recommended one costs {price:.2f} times as much. "
        f"{in_words(compared[other.id])}"
    )


def _rival(best: Row, able: list[Row], tariff: Tariff) -> Row | None:
    """The configuration with the highest rate besides the recommended one."""
    others = [cell for cell in able if cell is not best]
    return _top(others, tariff) if others else None


def in_words(comparison: Comparison) -> str:
    """The recommended configuration against another one, as 'It takes 1.9 times as much load and is better: ...'."""
    if comparison.factor is None:
        return f"Which of the two takes more load is undecided. {comparison.why}"
    # What was measured once is no claim where the verdict is open.
    verb = "In this run, it took" if comparison.verdict == UNDECIDED else "It takes"
    return f"{verb} {comparison.figures}{_AGAINST[comparison.verdict]}: {comparison.why}"


def _short_of(target: Target, able: list[Row], slo: SloLimits, tariff: Tariff) -> Recommendation:
    best = _top(able, tariff)
    proven, wanted = _conservative(best), target.rps_of(best)
    spare = f"It holds the target without the headroom, with {_percent(proven / wanted - 1)} to spare."
    return recommend_with(
        None,
        answer=[
            f"None of the tested configurations has a {target.noun} of {_wanted(target)}. "
            f"The SLO is {slo_of.describe(slo)}."
        ],
        reasons=[
            f"The best is {best.id} ({describe_config(best.config)}). Its {target.noun} of "
            f"{target.words_of(best, proven)} is {_percent(1 - proven / (HEADROOM * wanted))} too low.",
            f"{_proof(best)}.",
            spare if proven >= wanted else None,
        ],
        next_steps=[_next_step(best, target)],
    )


def _next_step(best: Row, target: Target) -> str:
    """What to do when the best cell does not reach the target. A capacity that may be higher is measured first."""
    capacity = _capacity_of(best)
    if not capacity.is_lower_bound:
        return f"{advice(best)}. Or lower {target.key}, or relax the SLO."
    if capacity.limited_by == "generator":
        return "Give the load hosts more workers, then measure again."
    if capacity.limited_by == "max_users":
        return "Raise lab_proxy_max_connections, then measure again."
    return "Measure it again."


def _nothing_holds(cells: list[Row], slo: SloLimits, tariff: Tariff) -> Recommendation:
    valid = [cell for cell in cells if cell.status == "valid"]
    if not valid:
        return nothing_measured(cells)
    if held := [cell for cell in valid if held_once(cell)]:
        return recommend_with(
            None,
            answer=["No rate was verified."],
            reasons=[f"{_some(held)} held the SLO ({slo_of.describe(slo)}), but not for long enough."],
            next_steps=[_step_of(held[0]) or "Use a longer profile, or measure again."],
        )
    # Rows of a search are in no order of nearness: the largest is the one to explain.
    largest = largest_of(valid, tariff)
    return recommend_with(
        None,
        answer=[
            f"None of the tested configurations ({_some(valid)}) held the SLO ({slo_of.describe(slo)}) at any tested "
            "rate."
        ],
        next_steps=[_step_of(largest) or _when_nothing_holds(largest)],
    )


def largest_of(cells: list[Row], tariff: Tariff = CPU_EQUIVALENTS) -> Row:
    """The cell with the highest cost."""
    return max(cells, key=lambda cell: (tariff.cost(cell.config), cell.id))


def unverified(cells: list[Row]) -> list[str]:
    """A sentence for each valid cell without a verified rate: what to do. Twins are left out."""
    return [
        f"{cell.id}: no rate was verified. {step}"
        for cell in cells
        if cell.status == "valid" and not cell.twin_of and (step := _step_of(cell))
    ]


def _step_of(cell: Row) -> str | None:
    """What to do after the search of the cell, which verified no rate."""
    return cell.capacity.next_step if cell.capacity is not None else None


def _when_nothing_holds(largest: Row) -> str:
    if is_without_load(largest):
        return (
            f"No resource of {largest.id} was at its limit, so larger configurations would hardly help. "
            "Make the API itself faster, or relax the SLO."
        )
    return f"{advice(largest)}. Or relax the SLO."


def held_once(cell: Row) -> bool:
    """Whether any probe held the SLO, however short it was."""
    return any(probe.verdict == GOOD for attempt in cell.attempts for probe in attempt.probes)


def _some(cells: list[Row]) -> str:
    return ", ".join(cell.id for cell in cells[:3]) + (" and others" if len(cells) > 3 else "")


def _figure(value: float | None) -> str:
    return "none" if value is None else format_figure(value)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"
