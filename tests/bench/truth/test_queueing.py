"""The truth of `./lab bench truth`: against closed forms, and against queues that are played through."""

import itertools
import math

import numpy as np
import pytest

from bench.truth import queueing

# (service seconds, slots, longest wait seconds, share)
QUEUES = [
    (0.004, 1, 0.021, 0.95),
    (0.004, 4, 0.008, 0.95),
    (0.008, 2, 0.042, 0.99),
    (0.01, 8, 0.02, 0.95),
    (0.01, 2, 0.02, 0.5),
    (0.02, 3, 0.005, 0.9),
]


def waits(arrivals: np.ndarray, service: float, slots: int) -> np.ndarray:
    """How long each request waits, by the definition of the queue: slots of the same pace are served in turn, so the
    n-th begins when it has come and the one ``slots`` before it has ended."""
    turns = arrivals[: len(arrivals) // slots * slots].reshape(-1, slots)
    worked = np.arange(len(turns))[:, None] * service
    return (np.maximum.accumulate(turns - worked, axis=0) + worked - turns).ravel()


def played(rate: float, service: float, slots: int, requests: int = 2_000_000) -> np.ndarray:
    return waits(np.cumsum(np.random.default_rng(7).exponential(1 / rate, requests)), service, slots)


def test_the_played_queue_is_the_one_of_definition():
    """One by one, with a list of slots, as one would do it by hand."""
    arrivals = np.cumsum(np.random.default_rng(3).exponential(1.0, 3000))
    free, expected = [0.0, 0.0, 0.0], []
    for arrival in arrivals:
        slot = free.index(min(free))
        start = max(arrival, free[slot])
        free[slot] = start + 2.8
        expected.append(start - arrival)
    assert waits(arrivals, 2.8, 3) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8, 0.95])
def test_one_slot_is_as_in_the_textbook(load):
    """M/D/1: idle with 1 - load, one request with (1 - load)(e^load - 1), and the mean of Pollaczek and Khinchine."""
    chances = queueing.in_system(load, 1)
    assert chances.sum() == pytest.approx(1)
    assert chances[0] == pytest.approx(1 - load)
    assert chances[1] == pytest.approx((1 - load) * math.expm1(load))
    waiting = float(np.dot(chances[1:], np.arange(len(chances) - 1)))
    assert waiting == pytest.approx(load**2 / (2 * (1 - load)), rel=1e-6)
    assert queueing.wait_within(load, 1.0, 1, 0.0) == pytest.approx(1 - load)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_one_slot_waits_as_erlang_found(load):
    """M/D/1, A. K. Erlang, 1909: an alternating sum, exact for short waits and lost to rounding for long ones."""
    for wait in (0.2, 0.9, 1.0, 1.7, 3.4, 5.0):
        terms = [
            (load * (n - wait)) ** n / math.factorial(n) * math.exp(-load * (n - wait)) for n in range(int(wait) + 1)
        ]
        assert queueing.wait_within(load, 1.0, 1, wait) == pytest.approx((1 - load) * sum(terms), rel=1e-6)


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("load", [0.4, 0.9])
def test_work_is_conserved(slots, load):
    """On average, as many slots are busy as work comes in (Little's law)."""
    chances = queueing.in_system(load * slots, slots)
    busy = np.dot(chances, np.minimum(np.arange(len(chances)), slots))
    assert busy == pytest.approx(load * slots, rel=1e-9)


@pytest.mark.parametrize(("service", "slots", "longest", "share"), QUEUES)
def test_theory_and_a_played_queue_agree(service, slots, longest, share):
    rate = queueing.highest_rate("poisson", service, slots, longest, share)
    assert 0 < rate < slots / service
    over = np.mean(played(rate, service, slots) > longest)
    # Waits of a busy time belong together: two million requests are worth some thousands of independent ones.
    assert over == pytest.approx(1 - share, rel=0.05)
    assert queueing.wait_within(1.01 * rate, service, slots, longest) < share


def test_waits_are_a_distribution():
    found = [queueing.wait_within(180.0, 0.01, 2, wait) for wait in np.arange(-0.01, 0.4, 0.0025)]
    assert found[0] == 0
    assert all(0 <= less <= more + 1e-12 for less, more in itertools.pairwise(found))
    assert found[-1] == pytest.approx(1, abs=1e-6)


def test_even_arrivals_keep_all_slots_busy():
    assert queueing.highest_rate("constant", 0.005, 4, 0.01, 0.95) == 800
    even = np.arange(4000) / 799.0
    assert waits(even, 0.005, 4).max() == pytest.approx(0, abs=1e-9)
    assert waits(np.arange(40000) / 801.0, 0.005, 4)[-1] > 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("uniform", 0.01, 1, 0.1, 0.95), "arrivals 'uniform'; allowed: poisson, constant"),
        (("poisson", 0.01, 1, 0.0, 0.95), "a wait of 0 s; allowed: above 0"),
        (("poisson", 0.01, 8, 60.0, 0.95), "a load of 0.99 holds the limit"),
    ],
)
def test_parameters_without_a_solution_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        queueing.highest_rate(*arguments)


@pytest.mark.parametrize("offered", [0.0, 4.0, 5.0])
def test_a_queue_that_grows_without_end_is_refused(offered):
    with pytest.raises(ValueError, match="allowed: above 0, at most"):
        queueing.in_system(offered, 4)
