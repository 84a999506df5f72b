"""Rules of thumb and scaling laws as sentences."""

import math
from collections.abc import Sequence
from typing import Any

from swarmsweep.choose.paired_test import EQUAL, UNDECIDED
from swarmsweep.choose.rule import Rule
from swarmsweep.choose.scaling_law import MAX_RESIDUAL_PERCENT, MIN_POINTS, ScalingLaw
from swarmsweep.sweep.matrix import Config, axis_text
from swarmsweep.units import counted, format_figure, format_memory, format_plain

# Factors of cost that are shown as 1.00.
SAME_COST = 0.005
AXIS_NAMES = {"replicas": "replicas", "workers": "workers", "cpus": "CPU", "memory_bytes": "memory"}
_BOTTLENECKS = {
    "cpu_throttled": "the CPU limit",
    "cpu_limit": "the CPU limit",
    "worker_cpu": "one core for each server process",
    "host_cpu": "the CPU of the API host",
    "database": "PostgreSQL",
    "mlflow": "MLflow",
    "service": "a service beside the API",
    "hot_worker": "one busy worker",
    "hot_replica": "one busy replica",
    "concurrency": "the number of requests served at once",
    "generator": "the load generator",
    "proxy": "HAProxy",
    "network": "the network",
}


def known(rule: Rule, noun: str, unit: str = "CPU equivalent") -> str:
    """A rule with a factor. ``noun`` is what was compared, as "requests/s", and ``unit`` that of the cost."""
    name = step_name(rule.axis, rule.smaller, rule.larger)
    least = "at least " if rule.is_lower_bound else ""
    factor, price = rule.factor or 0.0, rule.cost_factor or 1.0
    is_free = abs(price - 1) < SAME_COST
    at_cost = "at the same cost" if is_free else f"for {price:.2f} times the cost"
    # What is uncertain is the first factor, so it comes before the other one.
    sentences = [f"{name} brought {least}{factor:.2f} times the {noun} {at_cost}.", *_uncertainty(rule)]
    if not is_free:
        sentences.append(f"For each {unit}, it brought {least}{rule.factor_per_cost or 0.0:.2f} times the {noun}.")
    sentences.append(_because(rule))
    return " ".join(sentence for sentence in sentences if sentence)


def unknown(axis: str, step: tuple[Any, Any], gaps: Sequence[tuple[str, str]]) -> str:
    """Why there is no factor. ``gaps`` are ids of cells, each with what it lacks."""
    cell_id, gap = gaps[0]
    others = f" {counted(len(gaps) - 1, 'other cell')} cannot be used either." if len(gaps) > 1 else ""
    return f"{step_name(axis, *step)}: the effect is not known, because {cell_id} {gap}.{others}"


def without_pairs(axes: Sequence[str]) -> str:
    """That no two cells can be compared on these axes."""
    names = [AXIS_NAMES[axis] for axis in axes]
    listed = " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"No two cells with a known rate differ in {listed} alone, so there is no rule for that."


def step_name(axis: str, smaller: Any, larger: Any) -> str:
    """A step on an axis, as the begin of a sentence: 'A second replica'."""
    if axis == "replicas":
        return "A second replica" if (smaller, larger) == (1, 2) else f"{larger} replicas instead of {smaller}"
    if axis == "workers":
        if (smaller, larger) == (1, 2):
            return "A second worker in each replica"
        return f"{larger} workers in each replica instead of {smaller}"
    form = format_memory if axis == "memory_bytes" else format_plain
    noun = "memory" if axis == "memory_bytes" else "CPU"
    if math.isclose(larger, 2 * smaller):
        return f"Twice the {noun} ({form(larger)} instead of {form(smaller)})"
    return f"{form(larger)} {'of memory' if axis == 'memory_bytes' else 'CPU'} instead of {form(smaller)}"


def scaling(
    axis: str,
    config: Config,
    law: ScalingLaw | None,
    points: Sequence[int],
    cells: int,
    noun: str,
) -> str:
    """The law over an axis in words. ``points`` are the values with a rate, ``cells`` is how many values there are."""
    subject = _subject(axis, config)
    if law is None:
        return (
            f"{subject}: no scaling law, because only {len(points)} of {cells} cells reached a limit. "
            f"A law needs {MIN_POINTS}."
        )
    if not law.fits:
        return (
            f"{subject}: the scaling law does not fit, so none is shown. It misses a rate by "
            f"{format_figure(law.residual_percent)} %, and {format_plain(MAX_RESIDUAL_PERCENT)} % are allowed."
        )
    terms = f"Its contention is {law.contention:.3f}, and its coherency {law.coherency:.4f}."
    return (
        f"{subject}: the scaling law fits {len(points)} rates within {max(0.1, law.residual_percent):.1f} %. {terms} "
        f"{_next_gain(axis, law, max(points), noun)}"
    )


def _next_gain(axis: str, law: ScalingLaw, most: int, noun: str) -> str:
    gain = law.rate_at(most + 1) / law.rate_at(most)
    name = AXIS_NAMES[axis]
    if law.best_count is not None and law.best_count < most + 1:
        best = max(1, min(most, round(law.best_count)))
        return f"By this law, more than {counted(best, name.removesuffix('s'))} would serve less."
    return (
        f"By this law, {most + 1} {name} would serve {gain:.2f} times the {noun} of {most}, "
        "unless they reach another limit."
    )


def _subject(axis: str, config: Config) -> str:
    """As 'Replicas with 0.5 CPU, 256M, 1 worker'."""
    size = f"{format_plain(config['cpus'])} CPU, {format_memory(config['memory_bytes'])}"
    if axis == "replicas":
        return f"Replicas with {size}, {counted(config['workers'], 'worker')}"
    return f"Workers of {counted(config['replicas'], 'replica')} with {size}"


def where_text(where: dict[str, Any]) -> str:
    """The axes besides the sizes, as 'variant onnx'."""
    return ", ".join(f"{axis} {axis_text(value)}" for axis, value in where.items())


def _uncertainty(rule: Rule) -> list[str]:
    sentences = []
    if rule.pair_range is not None:
        low, high = rule.pair_range
        sentences.append(
            f"{rule.factor or 0.0:.2f} is the geometric mean of {len(rule.pairs)} pairs of cells, whose factors are "
            f"{low:.2f} to {high:.2f}."
        )
    if rule.interval is not None:
        low, high = rule.interval
        clear = {UNDECIDED: ", so the difference is not clear", EQUAL: ", so any difference is small"}
        words = clear.get(rule.verdict or "", "")
        of = f"The 95 % interval of {rule.factor or 0.0:.2f} is {low:.2f} to {high:.2f}"
        sentences.append(f"{of}, over {rule.blocks} blocks{words}.")
    elif rule.verdict == UNDECIDED:
        sentences.append("One attempt of each cell does not show such a small difference.")
    return sentences


def _because(rule: Rule) -> str:
    """What held the larger cells back."""
    cells = "larger cell" if len(rule.pairs) == 1 else "larger cells"
    if rule.is_lower_bound:
        verb = "did not reach its limit" if len(rule.pairs) == 1 else "did not all reach their limit"
        return f"It is a lower bound, because the {cells} {verb}."
    words = [word for word in rule.bottlenecks if word != "not_saturated"]
    names = list(dict.fromkeys(_BOTTLENECKS.get(word, word.replace("_", " ")) for word in words))
    if not names:
        return ""
    verb = "was" if len(names) == 1 else "were"
    noun = "bottleneck" if len(names) == 1 else "bottlenecks"
    return f"The {noun} of the {cells} {verb} {' and '.join(names)}."
