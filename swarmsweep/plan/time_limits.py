"""How long the units of a step may run on a host."""

# The sampler's unit runs this much longer than the load, so that its last samples are written.
SAMPLER_SECONDS = 30


def time_limits(longest_load_seconds: float, ready_timeout_seconds: float, grace_seconds: float) -> dict[str, float]:
    """The seconds after which systemd ends the units of a step, counted from the moment when Locust is ready.

    ``load_seconds`` is the limit of Locust's units: deployment, load and grace. ``sampler_seconds`` is the sampler's.
    """
    seconds = longest_load_seconds + ready_timeout_seconds + grace_seconds
    return {"load_seconds": seconds, "sampler_seconds": seconds + SAMPLER_SECONDS}
