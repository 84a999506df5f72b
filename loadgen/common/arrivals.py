"""When requests are due, independent of earlier ones."""

import itertools
import math
import random
from collections.abc import Iterator


def poisson(rate_rps: float, seed: str) -> Iterator[float]:
    """Seconds after the start at which requests are due, with exponential gaps, as from many independent users.

    The same seed gives the same times.
    """
    draw, log = random.Random(seed).random, math.log
    due = 0.0
    while True:
        # The formula of random.expovariate, without a call for each request.
        due -= log(1.0 - draw()) / rate_rps
        yield due


def constant(rate_rps: float, phase: float = 0.0) -> Iterator[float]:
    """Seconds after the start, one every 1/rate exactly, the first after ``phase`` of such a gap (0 <= phase < 1)."""
    return ((count + phase) / rate_rps for count in itertools.count())


def schedule(kind: str, rate_rps: float, seed: int, probe: int, worker: int, workers: int) -> Iterator[float]:
    """The part of one of ``workers`` in arrivals of ``rate_rps`` over all of them.

    Poisson streams with equal shares of the rate add up to one of the whole rate. Constant streams interleave.
    """
    share = rate_rps / workers
    if kind == "poisson":
        return poisson(share, f"{seed}/{probe}/{worker}/arrivals")
    return constant(share, worker / workers)
