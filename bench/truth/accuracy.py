"""The accuracy of the tool: measured against true capacities, and verdicts on equal cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any

from bench.lib import result
from bench.lib.result import Row, number
from bench.truth import queueing
from bench.truth.deployment import SearchResult, Setting
from swarmsweep.choose.paired_test import BETTER, EQUAL, UNDECIDED, WORSE, Comparison, compare, noise_of
from swarmsweep.search import PERCENTS

# Names and targets are a contract.
MAX_ERROR_PERCENT = 5
MAX_FALSE_OF_20 = 1
PAIRS = 20
VERDICTS = (BETTER, WORSE, EQUAL, UNDECIDED)
# If 1 % of responses or requests leave later than this share of the limit, the path through this machine is longer than
# without load. If all did, the capacity would be lower by 1 to 4 %.
MAX_LATE_SHARE = 0.1
# Share of all cores used by other processes and by the bench; above it, processes wait for each other.
MAX_OTHERS_SHARE, MAX_OWN_SHARE = 0.05, 0.7


@dataclass(frozen=True)
class Assessed:
    """A setting, the result of its search, and the truth: the highest rate that keeps its limits."""

    setting: Setting
    result: SearchResult
    truth_rps: float

    def error_percent(self, rps: float | None) -> float | None:
        """How far a rate is from the truth; negative below it."""
        return None if rps is None else 100 * (rps / self.truth_rps - 1)


@dataclass(frozen=True)
class Pair:
    """Two equal cells, by block, and the verdict on them."""

    number: int
    a: Mapping[int, float | None]
    b: Mapping[int, float | None]
    comparison: Comparison

    @property
    def is_false(self) -> bool:
        return self.comparison.verdict in (BETTER, WORSE)


def true_rps(setting: Setting, path_ms: float) -> float:
    """The highest rate at which every percentile of the SLO holds, when the way to the server takes ``path_ms``."""
    service = setting.service_ms / 1000
    return min(
        queueing.highest_rate(
            setting.arrivals, service, setting.slots, (limit - path_ms) / 1000 - service, PERCENTS[name] / 100
        )
        for name, limit in setting.percentiles.items()
    )


def compare_pairs(blocks: Mapping[tuple[int, int], tuple[SearchResult, SearchResult]], pairs: int) -> list[Pair]:
    """Judge each pair as a sweep judges two cells. How much the same cell varies, a sweep learns from its anchor and
    the anchor's twin: here each pair is the anchor of the next, and the last that of the first.
    """
    rates = [
        tuple(
            {block: results[side].capacity.estimate_rps for (one, block), results in blocks.items() if one == pair}
            for side in (0, 1)
        )
        for pair in range(1, pairs + 1)
    ]
    noises = [noise_of(a, b) for a, b in rates] if pairs > 1 else [noise_of({}, {})]
    return [
        Pair(place + 1, a, b, compare(a, b, noises[place - 1].aa_log_rms, noises[place - 1].controlled))
        for place, (a, b) in enumerate(rates)
    ]


def targets(assessed: Sequence[Assessed], pairs: Sequence[Pair]) -> list[Row]:
    """The two figures that stand for all; null where they were not measured as they are defined."""
    errors = [one.error_percent(one.result.capacity.estimate_rps) for one in assessed]
    worst = round(max(map(abs, errors)), 2) if errors and None not in errors else None
    # Of more or fewer pairs, it would be another figure.
    false_pairs = sum(pair.is_false for pair in pairs) if len(pairs) == PAIRS else None
    return [
        Row("worst_capacity_error_percent", worst, "%", MAX_ERROR_PERCENT),
        Row("false_better_of_20", false_pairs, "pairs", MAX_FALSE_OF_20),
    ]


def summarize_pairs(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The number of pairs for each verdict, and the difference within pairs (root mean square of all blocks)."""
    noises = [noise.aa_log_rms for pair in pairs if (noise := noise_of(pair.a, pair.b)).aa_log_rms is not None]
    return {
        "count": len(pairs),
        **{verdict: sum(pair.comparison.verdict == verdict for pair in pairs) for verdict in VERDICTS},
        "difference_percent": round(100 * sqrt(fmean(noise**2 for noise in noises)), 2) if noises else None,
    }


def setting_row(one: Assessed) -> Row:
    """The result of a search, and all that is needed to judge it."""
    setting, outcome, capacity = one.setting, one.result, one.result.capacity
    interval = capacity.interval_rps
    more = {
        "truth_rps": round(one.truth_rps, 2),
        "error_percent": _rounded(one.error_percent(capacity.estimate_rps)),
        "interval_rps": interval and [round(bound, 2) for bound in interval],
        "truth_in_interval": interval and interval[0] <= one.truth_rps <= interval[1],
        "verified_rps": capacity.verified_rps,
        "verified_error_percent": _rounded(one.error_percent(capacity.verified_rps)),
        "ended": outcome.ended,
        "trials": outcome.trials,
        "load_seconds": round(outcome.load_seconds, 1),
        "service_ms": setting.service_ms,
        "slots": setting.slots,
        "slo": dict(setting.slo),
        "arrivals": setting.arrivals,
        "path_ms": _rounded(outcome.path_ms),
        "server_late_ms": {name: _rounded(late) for name, late in outcome.late_ms.items()},
        "generator_lag_p99_ms": _rounded(outcome.lag_p99_ms),
    }
    return Row(setting.name, _rounded(capacity.estimate_rps), "requests/s", more=more)


def pair_row(pair: Pair) -> Row:
    """The first cell over the second, and the verdict."""
    comparison = pair.comparison
    more = {
        "verdict": comparison.verdict,
        "interval": comparison.interval and [round(bound, 4) for bound in comparison.interval],
        "a_rps": [_rounded(rate) for rate in pair.a.values()],
        "b_rps": [_rounded(rate) for rate in pair.b.values()],
    }
    return Row(f"pair-{pair.number}", comparison.factor and round(comparison.factor, 4), "ratio", more=more)


def warnings_about(assessed: Sequence[Assessed], shares: Mapping[str, float]) -> list[str]:
    """Sentences on possible problems of the errors: observation, likely cause, remedy."""
    sentences = []
    for one in assessed:
        limit = min(one.setting.percentiles.values())
        late = {"the server": one.result.late_ms["p99"], "the generator": one.result.lag_p99_ms}
        worst = [f"{who} {ms:.1f} ms" for who, ms in late.items() if ms is not None and ms > MAX_LATE_SHARE * limit]
        if worst:
            lags = " and ".join(worst)
            sentences.append(f"{one.setting.name}: late (p99): {lags}; the limit is {limit:g} ms; use fewer lanes")
        if one.result.not_served:
            sent = one.result.not_served
            sentences.append(f"{one.setting.name}: the generator sent {sent} requests more than the server has counted")
        if one.result.capacity.estimate_rps is None:
            sentences.append(f"{one.setting.name}: no rate was verified: {one.result.capacity.sentence}")
    if shares["others"] > MAX_OTHERS_SHARE:
        sentences.append(f"other processes used {shares['others']:.0%} of the cores; stop them, then measure again")
    if shares["own"] > MAX_OWN_SHARE:
        sentences.append(f"the bench itself used {shares['own']:.0%} of the cores; use fewer lanes")
    return sentences


def settings_table(assessed: Sequence[Assessed]) -> str:
    """Capacities as measured, beside the truth."""
    header = ("requests/s", "truth", "found", "error %", "95 % interval", "verified", "error %", "load s", "path ms")
    lines = []
    for one in assessed:
        capacity = one.result.capacity
        interval = capacity.interval_rps
        lines.append(
            [
                one.setting.name,
                number(one.truth_rps),
                number(capacity.estimate_rps),
                _signed(one.error_percent(capacity.estimate_rps)),
                f"{number(interval[0])} .. {number(interval[1])}" if interval else "",
                number(capacity.verified_rps),
                _signed(one.error_percent(capacity.verified_rps)),
                f"{one.result.load_seconds:.0f}",
                number(one.result.path_ms),
            ]
        )
    return result.table(header, lines)


def pairs_table(pairs: Sequence[Pair]) -> str:
    """The number of verdicts of each kind on equal cells."""
    counts = summarize_pairs(pairs)
    return result.table(("verdict on the same cell twice", "pairs"), [[name, str(counts[name])] for name in VERDICTS])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"
