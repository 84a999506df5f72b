"""How far the latency of an attempt may be from that of the next one: intervals by a circular block bootstrap.

Latencies near a limit come in groups, so single requests may not be resampled. Blocks of seconds are: of each second,
a histogram of latencies, so that a percentile is that of merged histograms. With several attempts, attempts are
resampled too (Politis and Romano 1992; Davison and Hinkley, Bootstrap Methods, 3.8).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from swarmsweep.search import PERCENTS

CONFIDENCE = 0.95
SAMPLES = 1000
# Seconds of a block: longer than the requests of a usual queue depend on each other. A shorter window has three blocks.
BLOCK_SECONDS, MIN_BLOCKS = 10, 3
# A longer window is cut into parts of several seconds, so that hours of load need no more memory than minutes.
MAX_PARTS = 900
# Bins of a histogram grow by 1 %, from 0.01 ms to more than a day.
GROWTH, LOWEST_MS, BINS = 1.01, 0.01, 2304
# The smallest half-width of the interval from one attempt, as a share of the figure. One attempt cannot show how much
# deployments differ: three runs of one configuration had p95 37.0, 39.6 and 51.6 ms.
MIN_SHARE = 0.25
# The bootstrap always draws the same blocks, so that a report is the same when it is built again.
SEED = 1

Floats = npt.NDArray[np.float64]


class Timed(NamedTuple):
    """The requests of one attempt: when each began, in seconds of the window, and its latency in ms."""

    seconds: Floats
    latency_ms: Floats


def latency_intervals(
    attempts: Sequence[Timed], latency_ms: Mapping[str, float | None]
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each figure of ``latency_ms`` (mean, p50, p95, p99) that was measured.

    The interval from n attempts has at least a half-width of 25 % of the figure, divided by the square root of n. It
    covers the figures of all attempts.
    """
    known = {name: value for name, value in latency_ms.items() if value is not None}
    if not known or any(len(attempt.seconds) == 0 for attempt in attempts):
        return {}
    random = np.random.default_rng(SEED)
    chosen = random.multinomial(len(attempts), np.full(len(attempts), 1 / len(attempts)), SAMPLES)
    merged, means, own = np.zeros((SAMPLES, BINS)), np.zeros(SAMPLES), []
    whole = np.zeros(BINS)
    counts = np.zeros(SAMPLES)
    for number, attempt in enumerate(attempts):
        histograms, sums = _by_second(attempt)
        weights = _block_weights(random, len(histograms)) * chosen[:, [number]]
        used = histograms.any(axis=0)
        merged[:, used] += weights @ histograms[:, used]
        means += weights @ sums
        counts += weights @ histograms.sum(axis=1)
        whole += histograms.sum(axis=0)
        own.append(_figures(histograms.sum(axis=0)[None, :], sums.sum(keepdims=True)))
    drawn = _figures(merged, means)
    centre = _figures(whole[None, :], np.array([sum(float(attempt.latency_ms.sum()) for attempt in attempts)]))
    return {
        name: _interval(value, drawn[name], float(centre[name][0]), [float(figures[name][0]) for figures in own])
        for name, value in known.items()
    }


def _by_second(attempt: Timed) -> tuple[Floats, Floats]:
    """For each second of the window: a histogram of the latencies, and their sum."""
    since = attempt.seconds - attempt.seconds.min()
    second = np.floor(since / max(1, np.ceil(since.max() / MAX_PARTS))).astype(int)
    length = int(second.max()) + 1
    place = np.log(np.maximum(attempt.latency_ms, LOWEST_MS) / LOWEST_MS) / np.log(GROWTH)
    column = np.minimum(place.astype(int), BINS - 1)
    histograms = np.bincount(second * BINS + column, minlength=length * BINS).reshape(length, BINS)
    sums = np.bincount(second, weights=attempt.latency_ms, minlength=length)
    return histograms.astype(np.float64), sums.astype(np.float64)


def _block_weights(random: np.random.Generator, length: int) -> Floats:
    """How often each second is in each sample: blocks from random seconds on, around the end of the window."""
    block = max(1, min(BLOCK_SECONDS, length // MIN_BLOCKS))
    starts = random.integers(0, length, (SAMPLES, -(-length // block)))
    seconds = (starts[:, :, None] + np.arange(block)) % length
    weights = np.zeros((SAMPLES, length))
    np.add.at(weights, (np.arange(SAMPLES)[:, None], seconds.reshape(SAMPLES, -1)), 1.0)
    return weights


def _figures(histograms: Floats, sums: Floats) -> dict[str, Floats]:
    """The mean and the percentiles (nearest rank) of each row of histograms; NaN where a row is empty."""
    running = np.cumsum(histograms, axis=1)
    count = running[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        figures = {"mean": sums / count}
    for limit, percent in PERCENTS.items():
        rank = np.maximum(np.ceil(percent / 100 * count), 1)
        bins = (running < rank[:, None]).sum(axis=1)
        figures[limit.removesuffix("_ms")] = np.where(count > 0, LOWEST_MS * GROWTH ** (bins + 0.5), np.nan)
    return figures


def _interval(value: float, drawn: Floats, centre: float, own: Sequence[float]) -> tuple[float, float]:
    """Around the exact ``value``: what the bins show is relative to ``centre``, the same figure from the bins."""
    if not centre:
        return 0.0, 0.0
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(drawn, [tail, 100 - tail]) / centre
    least = MIN_SHARE / len(own) ** 0.5
    ratios = [figure / centre for figure in own]
    return float(value * min(low, 1 - least, *ratios)), float(value * max(high, 1 + least, *ratios))
