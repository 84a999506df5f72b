"""Queueing theory for a known service time: the truth for `./lab bench truth`.

Requests arrive at random (M) or evenly (D), each takes exactly the same time (D) in one of c slots, and waits for the
first free one in the order of arrival: M/D/c and D/D/c in Kendall's notation. Times are in seconds, rates per second.
"""

import math

import numpy as np

# With a load closer to 1, the queue is too long to be calculated here, and no useful SLO needs it.
MAX_LOAD = 0.99
# Relative precision of the rate.
PRECISION = 1e-4
# The part of the distribution beyond the last state, which is left out, is e to the power of minus this at most.
TAIL = 36.0


def in_system(offered: float, slots: int) -> np.ndarray:
    """Probabilities of 0, 1, 2 ... requests being in an M/D/c queue, waiting or served, at any moment.

    A request that is served now has left after one service time, but none of the later ones has. The number is
    what waited plus a Poisson number of arrivals (C. D. Crommelin, Post Office Electrical Engineers' Journal 25, 1932).

    Args:
        offered: arrivals during a service time, less than ``slots``.
        slots: how many are served at a time.

    Raises:
        ValueError: the queue would grow without end, or nearly so.
    """
    load = offered / slots
    if not 0 < load < MAX_LOAD + PRECISION:
        raise ValueError(f"a load of {load:g}; allowed: above 0, at most {MAX_LOAD}")
    # p(n) falls by a factor of about exp(-2 (1 - load) / load) from one n to the next.
    states = 50 + 10 * slots + math.ceil(TAIL * load / (2 * (1 - load)))
    arrivals = _poisson(offered, states)
    after = np.arange(states)[:, None] - np.maximum(np.arange(states) - slots, 0)[None, :]
    chain = np.where(after >= 0, arrivals[np.maximum(after, 0)], 0.0)
    # What would go beyond the last state stays there.
    chain[-1] += 1.0 - chain.sum(axis=0)
    equations = chain - np.eye(states)
    equations[-1] = 1.0
    return np.linalg.solve(equations, np.append(np.zeros(states - 1), 1.0))


def wait_within(rate: float, service: float, slots: int, longest: float) -> float:
    """The probability that a request waits for ``longest`` at most before it is served, in an M/D/c queue.

    G. J. Franx, "A simple solution for the M/D/c waiting time distribution", Operations Research Letters 29, 2001.

    Raises:
        ValueError: the rate is not below what the slots can serve.
    """
    if longest < 0:
        return 0.0
    turns = math.floor(longest / service) + 1
    terms = turns * slots
    # Q(j): at most j wait, so at most j + slots are in the system.
    waiting = np.cumsum(in_system(rate * service, slots))[slots:]
    waiting = np.append(waiting, np.ones(max(0, terms - len(waiting))))[:terms]
    return float(np.dot(waiting[::-1], _poisson(rate * (turns * service - longest), terms)))


def highest_rate(arrivals: str, service: float, slots: int, longest_wait: float, share: float) -> float:
    """The highest rate at which at least ``share`` of all requests wait for ``longest_wait`` at most.

    Even arrivals never wait as long as the slots keep up, and then longer and longer.

    Args:
        arrivals: ``poisson`` or ``constant``.

    Raises:
        ValueError: it is not such a queue, no rate is low enough for the limit, or the load would be too high.
    """
    if arrivals not in ("poisson", "constant"):
        raise ValueError(f"arrivals {arrivals!r}; allowed: poisson, constant")
    if longest_wait <= 0:
        raise ValueError(f"a wait of {longest_wait:g} s; allowed: above 0, or no rate is low enough")
    full = slots / service
    if arrivals == "constant":
        return full
    low, high = 0.0, MAX_LOAD * full
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        if wait_within(middle, service, slots, longest_wait) >= share:
            low = middle
        else:
            high = middle
    if high == MAX_LOAD * full:
        raise ValueError(f"a load of {MAX_LOAD} holds the limit; allowed: a shorter limit, which a lower load misses")
    return low


def _poisson(mean: float, count: int) -> np.ndarray:
    """Probabilities of 0 .. count - 1 for a Poisson number; by logarithms, as factorials overflow."""
    numbers = np.arange(count)
    if mean == 0:
        return (numbers == 0).astype(float)
    logs = np.cumsum(np.log(np.maximum(numbers, 1)))
    return np.exp(numbers * math.log(mean) - mean - logs)
