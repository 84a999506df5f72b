"""Rules of thumb: what a second replica, a second worker, or twice the CPU brought in this sweep.

A rule comes from pairs of cells that differ in one axis alone. Both must have been at their limit: in a search that is
their capacity. If only the smaller one was, the rule is a lower bound.
"""

import math
from collections.abc import Sequence
from statistics import fmean

from msgspec.structs import replace

from swarmsweep.choose import rule_text
from swarmsweep.choose.axis_pairs import SIZES, Measured, Pair, steps
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.paired_test import BETTER, TIE_SHARE, UNDECIDED, WORSE, compare
from swarmsweep.choose.rule import Rule
from swarmsweep.plan.row import Interval
from swarmsweep.record_file import Number
from swarmsweep.sweep.matrix import AxisValue


def measured_cells(choice: Choice) -> list[Measured]:
    """The valid cells among which was chosen, with their rates. A twin is left out, because its anchor is there."""
    valid = (row for row in choice.candidates if row.status == "valid" and not row.twin_of)
    return [Measured(row, choice.maximum_of(row)) for row in valid]


def rules_of(choice: Choice) -> list[Rule]:
    """The rules of a run, by axis. Cells of other software, for example of another variant, have rules of their own."""
    cells = measured_cells(choice)
    wheres: list[dict[str, AxisValue]] = []
    for cell in cells:
        if cell.where not in wheres:
            wheres.append(cell.where)
    return [
        rule
        for where in wheres
        for axis in SIZES
        for rule in _rules([cell for cell in cells if cell.where == where], axis, where, choice)
    ]


def _rules(cells: list[Measured], axis: str, where: dict[str, AxisValue], choice: Choice) -> list[Rule]:
    if len({cell.row.config[axis] for cell in cells}) < 2:
        return []
    found = steps(cells, axis)
    if not found:
        return [Rule(axis=axis, where=where, sentence=rule_text.without_pairs([axis]))]
    return [_rule(axis, where, step, pairs, choice) for step, pairs in found.items()]


def _rule(
    axis: str, where: dict[str, AxisValue], step: tuple[Number, Number], pairs: list[Pair], choice: Choice
) -> Rule:
    rule = Rule(axis=axis, smaller=step[0], larger=step[1], where=where)
    # A smaller cell that may serve more shows no upper bound of the factor, and so nothing.
    usable = [pair for pair in pairs if not pair[0].maximum.is_lower_bound]
    exact = [pair for pair in usable if not pair[1].maximum.is_lower_bound]
    known = _with_factor(rule, usable, choice) if usable else None
    if known is not None and known.is_lower_bound and known.verdict != BETTER:
        # That it is at least as fast is no rule. The pairs without a bound may show one.
        known = _with_factor(rule, exact, choice) if exact else None
    if known is None:
        unclear = [larger for _, larger in usable] or [smaller for smaller, _ in pairs]
        gaps = [(cell.row.id, cell.maximum.gap) for cell in unclear if cell.maximum.gap]
        return replace(rule, pairs=_ids(pairs), sentence=rule_text.unknown(axis, step, gaps))
    return replace(known, sentence=rule_text.known(known, choice.rate_noun, choice.tariff.one))


def _with_factor(rule: Rule, pairs: Sequence[Pair], choice: Choice) -> Rule:
    """The rule with what these pairs show. The smaller cell of each was at its limit."""
    noise, cost = choice.noise, choice.tariff.cost
    is_lower_bound = any(larger.maximum.is_lower_bound for _, larger in pairs)
    logs = [_logs(smaller, larger) for smaller, larger in pairs]
    common = sorted(set.intersection(*(set(one) for one in logs)))
    # Without a common block, the means of all blocks are compared, as if they were one.
    factors = [
        fmean(one[block] for block in common) if common else _log_of_means(*pair)
        for one, pair in zip(logs, pairs, strict=True)
    ]
    by_block = {block: math.exp(fmean(one[block] for one in logs)) for block in common}
    mean = fmean(factors)
    compared = compare(by_block, dict.fromkeys(by_block, 1.0), noise.aa_log_rms, noise.controlled)
    verdict = compared.verdict if len(common) > 1 else _verdict_of_one(mean)
    if is_lower_bound and verdict != BETTER:
        verdict = UNDECIDED
    price = math.exp(fmean(math.log(cost(larger.row.config) / cost(smaller.row.config)) for smaller, larger in pairs))
    several = (math.exp(min(factors)), math.exp(max(factors))) if len(pairs) > 1 else None
    return replace(
        rule,
        factor=_rounded(math.exp(mean)),
        is_lower_bound=is_lower_bound,
        interval=_range(compared.interval),
        pair_range=_range(several),
        blocks=len(common),
        cost_factor=_rounded(price),
        factor_per_cost=_rounded(math.exp(mean) / price),
        verdict=verdict,
        pairs=_ids(pairs),
        bottlenecks=_bottlenecks([larger for _, larger in pairs]),
    )


def _logs(smaller: Measured, larger: Measured) -> dict[int, float]:
    """``ln(larger / smaller)`` by block."""
    low, high = smaller.maximum.rates_rps, larger.maximum.rates_rps
    return {block: math.log(high[block] / low[block]) for block in low.keys() & high.keys()}


def _log_of_means(smaller: Measured, larger: Measured) -> float:
    low, high = (fmean(map(math.log, cell.maximum.rates_rps.values())) for cell in (smaller, larger))
    return high - low


def _verdict_of_one(log: float) -> str:
    """The verdict of one block: as elsewhere, one attempt of each differs clearly from 10 % on."""
    if abs(log) <= -math.log(1 - TIE_SHARE):
        return UNDECIDED
    return BETTER if log > 0 else WORSE


def _bottlenecks(cells: list[Measured]) -> list[str]:
    """Those of the cells, the most frequent one first."""
    words = [cell.row.bottleneck for cell in cells if cell.row.bottleneck]
    return sorted(dict.fromkeys(words), key=lambda word: -words.count(word))


def _ids(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(smaller.row.id, larger.row.id) for smaller, larger in pairs]


def _range(values: tuple[float, float] | None) -> Interval | None:
    return None if values is None else (_rounded(values[0]), _rounded(values[1]))


def _rounded(value: float) -> float:
    """Further digits are noise."""
    return round(value, 4)
