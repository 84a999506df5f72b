"""How long the units of a step may run on a host."""

# The sampler's unit runs this much longer than the load, so that its last samples are written.
SAMPLER_SECONDS = 30


def time_limits(longest_load_seconds: float, ready_timeout_seconds: float, grace_seconds: float) -> dict[str, float]:
    """The seconds after which systemd ends the units of a step, counted from the moment when Locust is ready.

    ``load_seconds`` is the limit of Locust's units: deployment, load and grace. ``sampler_seconds`` is the sampler's.
    """
    seconds = longest_load_seconds + ready_timeout_seconds + grace_seconds
    return {"load_seconds": seconds, "sampler_seconds": seconds + SAMPLER_SECONDS}


def in_time(expected_seconds: float, deadline_seconds: float | None, now_seconds: float) -> bool:
    """Whether a step of so many seconds may begin now. The deadline is on the same clock; None: no deadline."""
    return deadline_seconds is None or now_seconds + expected_seconds <= deadline_seconds
