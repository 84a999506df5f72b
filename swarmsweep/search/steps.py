"""The parts of a search: its profile, which bounds it, and the probes that it orders."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """How much load a search may make. ``budget_seconds`` bounds settling and measuring of all probes together.

    The unloaded probe, with one connection, takes at most 3 s. The first requests open the connection, and settle.
    ``settle_seconds`` belong to each open probe and are not measured. ``resolution``: bisection ends when the width of
    the bracket is this share of its upper end. ``confirm_factors`` are multiples of the fitted rate.
    ``verify_seconds``: how long the SLO must have been held at the verified rate or above. ``last_share``: the last
    chance to verify a rate is used at one where this share of the allowed requests over the limit is expected.
    """

    name: str
    budget_seconds: float
    unloaded_settle_seconds: float
    unloaded_seconds: float
    probe_settle_seconds: float
    probe_seconds: float
    settle_seconds: float
    search_seconds: float
    confirm_seconds: float
    resolution: float
    confirm_factors: tuple[float, ...]
    verify_seconds: float
    last_share: float

    @property
    def longest_seconds(self) -> float:
        """The maximum measured seconds of one probe: a longer probe for a low rate must leave time for another."""
        return self.budget_seconds / 2 - self.unloaded_seconds - self.probe_seconds - self.settle_seconds


PROFILES = {
    profile.name: profile
    for profile in (
        # For a quick trial: it shows the order of magnitude, and that everything works. Its bracket is wide, and its
        # last chance is used at a low rate: the time is needed to verify any rate at all.
        Profile("smoke", 60, 0.2, 0.8, 0.5, 3.5, 1.5, 4.5, 8, 0.2, (1.0, 0.97), 12, 0.125),
        # Short probes for the bracket, long ones for the decision. A probe that fails by chance below the capacity
        # limits the rate that can be verified.
        Profile("standard", 420, 0.5, 2.5, 2, 13, 5, 20, 55, 0.08, (1.0, 0.97, 1.02), 80, 0.5),
        Profile("publish", 1200, 0.5, 2.5, 2, 28, 8, 50, 150, 0.08, (1.0, 0.97, 1.02), 240, 0.5),
    )
}


# Purpose of the probe with a single connection.
UNLOADED = "unloaded"


@dataclass(frozen=True)
class Step:
    """One probe to be made. ``purpose``: unloaded, probe, bracket, bisect, confirm or verify.

    ``kind``: closed, poisson, constant or users. A closed one has ``connections``, an open one a ``rate_rps``, and one
    of users their number. ``seconds_ramp`` is the time in which further users start.
    """

    purpose: str
    kind: str
    rate_rps: float | None
    connections: int | None
    seconds_settle: float
    seconds_measure: float
    users: int | None = None
    seconds_ramp: float = 0.0

    @property
    def seconds(self) -> float:
        """The seconds that it uses of the budget."""
        return self.seconds_ramp + self.seconds_settle + self.seconds_measure

    @property
    def level(self) -> float | None:
        """What the search varies: the rate or the number of users; None for a closed probe of connections."""
        return self.rate_rps if self.users is None else float(self.users)
