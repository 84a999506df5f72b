"""How long the units of a step may run."""

from swarmsweep.plan.time_limits import time_limits


def test_they_end_after_deployment_load_and_grace_and_the_sampler_last():
    assert time_limits(840, 120, 420) == {"load_seconds": 1380, "sampler_seconds": 1410}
