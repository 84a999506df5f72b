"""One line a trial, in words that stand in the report too."""

import pytest

from swarmsweep.progress import sentence


def row(status="valid", reason=None, rps=411.6, p95=88.4, meets_slo=True):
    """The parts of a summary row that a sentence is made of."""
    return {"status": status, "reason": reason, "rps": rps, "latency_ms": {"p95": p95}, "meets_slo": meets_slo}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (row(), "valid, 412 requests/s, p95 88 ms, meets the SLO"),
        (row(meets_slo=False), "valid, 412 requests/s, p95 88 ms, misses the SLO"),
        (row(meets_slo=None), "valid, 412 requests/s, p95 88 ms, no SLO"),
        (row(p95=None, rps=0.0, meets_slo=False), "valid, 0 requests/s, p95 not measured, misses the SLO"),
        (row(rps=0.52), "valid, 0.52 requests/s, p95 88 ms, meets the SLO"),
        (row(rps=9.96), "valid, 9.96 requests/s, p95 88 ms, meets the SLO"),
        (row(p95=0.0), "valid, 412 requests/s, p95 0 ms, meets the SLO"),  # zero is a figure, not a gap
        (row("invalid", "the load generator itself was the limit"), "invalid: the load generator itself was the limit"),
        (row("failed", "out of memory", rps=None, p95=None, meets_slo=None), "failed: out of memory"),
        (row("infeasible", "2 CPUs on a host with 1", rps=None, p95=None), "infeasible: 2 CPUs on a host with 1"),
    ],
)
def test_sentence(given, said):
    assert sentence(given) == said
