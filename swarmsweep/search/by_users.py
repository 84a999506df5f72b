"""The search for the highest number of users that holds the SLO: users who wait for each response, and think.

A user is in a request or thinks. So ``users = requests/s x (latency + think time)`` (Little's law), with the think time
for each request. The first numbers follow from this law; then the search goes on as that for a rate.
"""

import math
from dataclasses import replace

from .fitting import OpenProbe
from .judging import BAD, Judgement, judge_probe
from .steps import UNLOADED, Profile, Step
from .strategy import Search
from .summary import ProbeSummary, Slo

KIND = "users"
# A step has at least this many think times: one to settle, and two to measure. In a shorter one, chance decides how
# many of the users make a request.
THINKS, THINKS_MEASURED = 3, 2
# A search needs at least so many steps after the unloaded probe: two for a bracket, two to halve it, one to confirm and
# one to verify.
STEPS = 6
# The mean latency at the SLO's limit, as a share of the tightest latency limit. It is for guesses alone.
MEAN_OF_LIMIT = 0.5
# The first number of users, as a share of what the processes of the API could serve if each served one request after
# the other. Below that number, the load is safe; a failed probe shows more than a safe one.
FIRST_OF_BOUND = 0.6
# The first number makes enough requests in this share of the longest probe.
FIRST_OF_LONGEST = 0.5
# Numbers of users while all hold, and bounds of the guess after the first that failed, as multiples of the last one.
UP_FACTOR, LEAST_DOWN, MOST_DOWN = 2.0, 0.1, 0.8
# Locust warns of more for each of its workers.
SPAWN_RATE = 100.0


class UserSearch(Search):
    """Decides how many users come next, until the search has ended.

    Args:
        slo: as for `Search`.
        spawn_rate: users that start per second.
        processes: server processes of the API, for a first guess.
        think_seconds: the mean think time of a user, None where the scenario has its own.
        max_users: the highest number that the search may try.

    ``ended`` may also be think_time: the budget is too small for the think time of the users, see `needed_seconds`. It
    is max_users in place of max_rps.
    """

    def __init__(
        self,
        profile: Profile,
        slo: Slo,
        spawn_rate: float = SPAWN_RATE,
        processes: int = 1,
        think_seconds: float | None = None,
        max_users: int | None = None,
    ) -> None:
        super().__init__(profile, slo, connections=1, max_rps=max_users)
        if not spawn_rate > 0:
            raise ValueError(f"spawn_rate is {spawn_rate!r}; allowed: above 0")
        if processes < 1:
            raise ValueError(f"processes is {processes!r}; allowed: 1 and more")
        self.kind = KIND
        self.spawn_rate, self.processes = spawn_rate, processes
        self.think_seconds = think_seconds
        # Seconds of think time for each request, and the mean latency of one user.
        self._think_of_request = think_seconds or 0.0
        self._unloaded_seconds = 0.0
        self._users = 1
        # Of each probe: users, requests/s, and mean latency in seconds.
        self._flows: list[tuple[int, float, float]] = []

    def add(self, step: Step, summary: ProbeSummary, seconds: float | None = None) -> Judgement:
        """Add the summary of a probe. ``seconds`` is the time that it took, if that is known."""
        judgement = judge_probe(step, summary, self.slo)
        self.spent_seconds += step.seconds if seconds is None else seconds
        measured = summary["measured"]
        ended = measured["ok"] + measured["failed"] + measured["timed_out"]
        latency = sum(part["latency_ms_sum"] for part in summary["bins"] if part["second"] >= 0) / 1000
        self._users = step.users or 1
        self._note_think_time(summary, measured["offered"], is_first=step.purpose == UNLOADED)
        if step.purpose == UNLOADED:
            self._is_unloaded_known, self._saturation_rps = True, 0.0
            self._unloaded_seconds = latency / ended if ended else 0.0
            return judgement
        self._confirmed += step.purpose == "confirm"
        within = summary["within_limits"]
        self._probes.append(
            OpenProbe(float(self._users), step.seconds_measure, judgement.verdict, measured["offered"], within)
        )
        self._flows.append((self._users, ended / measured["seconds"], latency / ended if ended else 0.0))
        return judgement

    def next(self) -> Step | None:
        """The probe to be made now; None when the search has ended."""
        too_long = needed_seconds(self.think_seconds or 0.0) > self.profile.budget_seconds
        if self.ended is None and self._is_unloaded_known and not self._probes and too_long:
            self.ended = "think_time"
        return super().next()

    def _note_think_time(self, summary: ProbeSummary, offered: int, is_first: bool) -> None:
        users = summary.get("users")
        if users is None or not users["waits"]:
            return
        mean = users["asked_seconds"] / users["waits"]
        self.think_seconds = self.think_seconds if self.think_seconds is not None else mean
        if is_first and offered:
            # A task may make several requests before its user thinks.
            self._think_of_request = self.think_seconds * min(1.0, users["waits"] / offered)
        self.profile = replace(self.profile, settle_seconds=max(self.profile.settle_seconds, self.think_seconds))

    # What differs from the search for a rate.

    def _closed(self, purpose: str, connections: int, settle: float, measure: float) -> Step:
        return Step(purpose, KIND, None, None, settle, measure, users=1)

    @property
    def _lowest_rps(self) -> float:
        return 1.0

    @property
    def _limit_seconds(self) -> float:
        """The tightest latency limit."""
        return min(limit for name, limit in self.slo.items() if name.endswith("_ms")) / 1000

    @property
    def _cycle_seconds(self) -> float:
        """The time from one request of a user to the next: of the fewest users so far."""
        flows = [(users, rate) for users, rate, _ in self._flows if rate]
        if flows:
            users, rate = min(flows)
            return users / rate
        return max(self._unloaded_seconds + self._think_of_request, 1e-3)

    def _first_rps(self, saturation_rps: float) -> float:
        if not self._unloaded_seconds:
            return 1.0
        at_limit = self._think_of_request + MEAN_OF_LIMIT * self._limit_seconds
        users = FIRST_OF_BOUND * self.processes * at_limit / self._unloaded_seconds
        # With fewer, a probe would have too few requests for the percentile, or take most of the budget.
        users = max(
            users, self._wanted_requests * self._cycle_seconds / (FIRST_OF_LONGEST * self.profile.longest_seconds)
        )
        # A first ramp that is longer than a step would leave little for the rest.
        return min(max(users, 1.0), max(1.0, self.spawn_rate * self.profile.search_seconds), self._most_rps)

    def _higher(self, passed: float, saturation_rps: float) -> float | None:
        return None if passed >= self._most_rps else min(max(UP_FACTOR * passed, passed + 1), self._most_rps)

    def _lower(self, upper: float) -> float | None:
        if upper <= 1:
            return None
        failed = [flow for flow in self._flows if flow[0] == upper and flow[1]]
        if not failed:
            return max(1.0, upper * MOST_DOWN / 2)
        users, rate, latency = failed[-1]
        guess = rate * (max(0.0, users / rate - latency) + MEAN_OF_LIMIT * self._limit_seconds)
        tries = len(set(self._rates(BAD)))
        return max(1.0, min(max(guess * MOST_DOWN ** (tries - 1), LEAST_DOWN * upper), MOST_DOWN * upper))

    def _measure_seconds(self, rate: float, seconds: float) -> float:
        requests = self._wanted_requests * self._cycle_seconds / rate
        thinking = THINKS_MEASURED * (self.think_seconds or 0.0)
        return math.ceil(min(max(seconds, requests, thinking), self.profile.longest_seconds))

    def _open(self, purpose: str, rate: float, seconds: float, reserve: float = 0.0) -> Step | None:
        users = max(1, math.floor(min(rate, self._most_rps) + 1e-9))
        if purpose == "bisect" and (users in self._passed or users >= self._failed_rps):
            return None
        ramp = max(0, users - self._users) / self.spawn_rate
        settle, left = self.profile.settle_seconds, self.profile.budget_seconds - self.spent_seconds - reserve - ramp
        shortest = self._measure_seconds(users, self.profile.search_seconds)
        if settle + shortest > left:
            return None
        measure = max(min(self._measure_seconds(users, seconds), math.floor(left - settle)), shortest)
        return Step(purpose, KIND, None, None, settle, measure, users=users, seconds_ramp=ramp)

    def _is_proven(self, verified: float | None) -> bool:
        # Between two whole numbers, there is nothing to verify.
        if verified and self._failed_rps - verified <= 1:
            return True
        return super()._is_proven(verified)

    def _how_it_ended(self) -> str:
        ended = super()._how_it_ended()
        return "max_users" if ended == "max_rps" else ended


def needed_seconds(think_seconds: float) -> float:
    """The smallest budget of a search in seconds, for users with this mean think time."""
    return STEPS * THINKS * think_seconds
