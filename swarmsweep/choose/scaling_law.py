"""The universal scalability law (USL; Gunther 1993), fitted to measured rates.

    rate(n) = rate(1) x n / (1 + contention x (n - 1) + coherency x n x (n - 1))

Contention is the share of the work that is done one after the other. Coherency is what each pair of replicas or workers
costs, so that more of them serve less. Without coherency, this is Amdahl's law.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from swarmsweep.raw.latency import Floats
from swarmsweep.record_file import Number

# Two parameters fit any two points, so a residual shows something only from three points on.
MIN_POINTS = 3
# With three points, coherency would make the law fit any rates.
MIN_POINTS_WITH_COHERENCY = 4
# In percent of a rate. A law that misses a rate by more is no better than the measured rates: most deployments of one
# configuration differ by less.
MAX_RESIDUAL_PERCENT = 5.0


class ScalingLaw(Struct, frozen=True, kw_only=True):
    """The parameters of the law. ``residual_percent``: the largest difference between law and rate, of the rate."""

    rate_of_one_rps: Number
    contention: Number
    coherency: Number
    residual_percent: Number

    def rate_at(self, count: float) -> float:
        """The rate of ``count`` replicas or workers, in requests per second."""
        others = count - 1
        return self.rate_of_one_rps * count / (1 + self.contention * others + self.coherency * count * others)

    @property
    def fits(self) -> bool:
        """Whether the law describes the measured rates."""
        return self.residual_percent <= MAX_RESIDUAL_PERCENT

    @property
    def best_count(self) -> float | None:
        """The number with the highest rate; None where more always serve more, or as much."""
        return math.sqrt((1 - self.contention) / self.coherency) if self.coherency > 0 else None


def fit(rates_rps: Mapping[int, float]) -> ScalingLaw | None:
    """The law with the smallest relative differences from the rates (least squares); None with fewer than 3 rates.

    ``n / rate`` is linear in ``1 / rate(1)`` and its products with contention and coherency. The relative error of both
    is the same, so no iteration is needed. Contention is within 0 and 1, and coherency is not negative. A bound that
    holds with equality is one of a few smaller problems. The best of these is the solution, as the problem is convex.
    """
    if len(rates_rps) < MIN_POINTS:
        return None
    counts = np.array(sorted(rates_rps), dtype=float)
    rates = np.array([rates_rps[int(count)] for count in counts])
    weight, others = rates / counts, counts - 1
    one, contended, coherent = weight, weight * others, weight * others * counts
    without: list[tuple[str, Sequence[Floats]]] = [
        ("free", (one, contended)),
        ("none", (one,)),
        ("all", (one + contended,)),
    ]
    problems = [(kind, columns, False) for kind, columns in without]
    if len(rates_rps) >= MIN_POINTS_WITH_COHERENCY:
        problems += [(kind, (*columns, coherent), True) for kind, columns in without]
    laws = [_solve(kind, columns, has_coherency) for kind, columns, has_coherency in problems]
    solved = [(error, parameters) for error, parameters in laws if parameters is not None]
    _, (rate, contention, coherency) = min(solved, key=lambda pair: pair[0])
    law = ScalingLaw(rate_of_one_rps=rate, contention=contention, coherency=coherency, residual_percent=0.0)
    worst = max(abs(law.rate_at(count) / rates_rps[count] - 1) for count in rates_rps)
    return ScalingLaw(rate_of_one_rps=rate, contention=contention, coherency=coherency, residual_percent=100 * worst)


def _solve(
    kind: str, columns: Sequence[Floats], has_coherency: bool
) -> tuple[float, tuple[float, float, float] | None]:
    """The squared error of one of the smaller problems, and its parameters; None where they are outside the bounds.

    ``kind`` says what contention is: "free", "none" (0) or "all" (1).
    """
    matrix = np.column_stack(columns)
    solution, *_ = np.linalg.lstsq(matrix, np.ones(len(matrix)), rcond=None)
    first = float(solution[0])
    if first <= 0:
        return math.inf, None
    contention = {"none": 0.0, "all": 1.0}.get(kind, float(solution[1]) / first if kind == "free" else 0.0)
    coherency = float(solution[-1]) / first if has_coherency else 0.0
    if not 0 <= contention <= 1 or coherency < 0:
        return math.inf, None
    error = float(np.sum((matrix @ solution - 1) ** 2))
    return error, (1 / first, contention, coherency)
