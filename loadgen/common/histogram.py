"""Histograms of latencies and lags: HdrHistogram (V2), in microseconds to three significant digits, added in base64."""

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

# An hour, which is longer than any probe.
MAX_US = 3_600_000_000
SIGNIFICANT_DIGITS = 3


def new_histogram() -> HdrHistogram:
    """A new, empty histogram. All histograms of all workers have these bounds, because otherwise they could not be
    added.
    """
    return HdrHistogram(1, MAX_US, SIGNIFICANT_DIGITS)


def encode_histogram(values_us: dict[int, int]) -> str:
    """A histogram of microseconds and their counts, in base64."""
    histogram = new_histogram()
    for value, count in values_us.items():
        histogram.record_value(min(value, MAX_US), count)
    return histogram.encode().decode()


def quantize_us(latencies_ms: Iterable[float]) -> list[int]:
    """Microseconds, rounded down from 2048 on as in a histogram of three digits, so that there are few different
    values.

    Eleven bits are kept: steps of 2 us from 2048 us on, of 4 us from 4096 us on, and so on: at most 0.1 %.
    """
    values = [int(latency * 1000 + 0.5) for latency in latencies_ms]
    return [value if value < 2048 else value >> (low := value.bit_length() - 11) << low for value in values]


def percentile_ms(histogram: HdrHistogram, percent: float) -> float | None:
    """A percentile in milliseconds; None for an empty histogram."""
    return histogram.get_value_at_percentile(percent) / 1000 if histogram.total_count else None


def count_within(histogram: HdrHistogram, limit_ms: float) -> int:
    """The number of values that are at most the limit, or in the same step of the histogram (see `quantize_us`)."""
    limit_us = histogram.get_highest_equivalent_value(round(limit_ms * 1000))
    return sum(
        item.count_added_in_this_iter_step
        for item in histogram.get_recorded_iterator()
        if item.value_iterated_to <= limit_us
    )


def add_encoded(encoded: Iterable[str]) -> HdrHistogram:
    """The sum of histograms in base64."""
    total = new_histogram()
    for text in encoded:
        total.decode_and_add(text)
    return total
