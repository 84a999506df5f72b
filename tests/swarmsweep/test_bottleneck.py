"""The word for what held the API back, and the evidence behind it."""

import pytest

from swarmsweep.bottleneck import find_bottleneck
from swarmsweep.usage import ApiUsage


def usage(throttled=0, busy=50.0):
    """Usage with so many of 100 periods throttled and the host so busy."""
    return ApiUsage(0.5, None if throttled is None else 100, throttled, 100 * 1024**2, 0, busy)


@pytest.mark.parametrize(
    ("case", "word", "evidence"),
    [
        ((usage(90, 99.0), 3, 99.0), "memory", "3 OOM kills at a limit of 128M per replica, peak use seen 100 MiB"),
        ((usage(90, 99.0), 0, 90.0), "generator", "90.0 % of a core"),
        ((usage(20, 99.0), 0, 89.0), "cpu_throttled", "20.0 % of the scheduler's periods"),
        ((usage(19, 90.0), 0, None), "host_cpu", "90.0 % busy"),
        ((usage(19, 89.0), None, 10.0), "not_saturated", "19.0 % of periods throttled, API host 89.0 % busy"),
        ((usage(None, 50.0), 0, 10.0), "not_saturated", "API host 50.0 % busy"),
        ((ApiUsage(), None, None), None, None),
        ((ApiUsage(), None, 10.0), None, None),
        ((ApiUsage(), 1, None), "memory", "1 OOM kill at"),
    ],
)
def test_the_first_cause_that_applies_is_told(case, word, evidence):
    seen_usage, oom_kills, generator = case
    found, sentence = find_bottleneck(seen_usage, oom_kills, generator, 128 * 1024**2)
    assert found == word
    assert (sentence is None) if evidence is None else (evidence in sentence)
