"""The search for the highest number of users that holds the SLO: users who wait for each response, and think.

A user is in a request or thinks. So ``users = requests/s x (latency + think time)`` (Little's law), with the think time
for each request. The first numbers follow from this law; then the search goes on as that for a rate.
"""

import math
from dataclasses import replace
from typing import NamedTuple

from .fitting import OpenProbe
from .judging import BAD, Judgement, judge_probe
from .steps import UNLOADED, Profile, Step
from .strategy import ENDS, Search
from .summary import ProbeSummary, Slo, Users

KIND = "users"
# How such a search ends, see `UserSearch`.
USER_ENDS = (*(end for end in ENDS if end != "max_rps"), "max_users", "think_time")
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
UP_FACTOR, MIN_DOWN_FACTOR, MAX_DOWN_FACTOR = 2.0, 0.1, 0.8
# While the mean latency is at most this multiple of that of one user, no queue has formed, and the number is far too
# low. It then grows by UP_FREE: a number that is too high shows the maximum that the API serves.
FREE, UP_FREE = 1.25, 4.0
# A bracket whose upper end is more than this multiple of its lower one comes from a poor first guess. A fit says
# nothing in it, so it is narrowed as long as the lower number can still be verified.
WIDE = 2.0
# Far below a number that failed, this share of the guess is tried, so that it probably holds. And in a wide bracket, at
# least this multiple of the number that held.
BELOW_GUESS, MIN_UP_FACTOR = 0.85, 1.25
# Locust warns of more for each of its workers.
SPAWN_RATE = 100.0


class Flow(NamedTuple):
    """What a probe showed: its requests per second, those of them with a good response, and their mean latency."""

    users: int
    rps: float
    ok_rps: float
    latency_seconds: float


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
        self._is_think_given, self._is_think_judged = think_seconds is not None, False
        self._least_settle_seconds = profile.settle_seconds
        # Seconds of think time for each request, and the mean latency of one user.
        self._think_of_request = think_seconds or 0.0
        self._unloaded_seconds = 0.0
        self._users = 1
        self._flows: list[Flow] = []

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
        length, mean = measured["seconds"], latency / ended if ended else 0.0
        self._flows.append(Flow(self._users, ended / length, measured["ok"] / length, mean))
        return judgement

    def _note_think_time(self, summary: ProbeSummary, offered: int, is_first: bool) -> None:
        """Correct the mean think time, and end the search where its budget is too small for it.

        The first probe has one user, of one class. So where there are several, the next probe decides.
        """
        users = summary.get("users")
        if users is not None and users["waits"]:
            if not self._is_think_given:
                self.think_seconds = _mean_think_seconds(users)
            if is_first and offered:
                # A task may make several requests before its user thinks.
                self._think_of_request = (self.think_seconds or 0.0) * min(1.0, users["waits"] / offered)
            settle = max(self._least_settle_seconds, self._think_of_step_seconds)
            self.profile = replace(self.profile, settle_seconds=settle)
        classes = users.get("classes", {}) if users is not None else {}
        is_whole = self._is_think_given or not is_first or len(classes) <= 1
        if self.think_seconds is None or self._is_think_judged or not is_whole:
            return
        self._is_think_judged = True
        if needed_seconds(self.think_seconds) > self.profile.budget_seconds:
            self.ended = "think_time"

    @property
    def _think_of_step_seconds(self) -> float:
        """The mean think time for which a step is long enough: at most the one for which the budget is."""
        return min(self.think_seconds or 0.0, self.profile.budget_seconds / needed_seconds(1))

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
        if flows := [flow for flow in self._flows if flow.rps]:
            fewest = min(flows)
            return fewest.users / fewest.rps
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
        if passed >= self._most_rps:
            return None
        # A long ramp would leave little for the rest.
        most = max(UP_FACTOR * passed, passed + self.spawn_rate * self.profile.search_seconds)
        users = min((UP_FREE if self._is_free(passed) else UP_FACTOR) * passed, most)
        return min(max(users, passed + 1), self._most_rps)

    def _is_free(self, users: float) -> bool:
        """Whether no queue has formed with so many users: the API is far from its limit."""
        flows = [flow for flow in self._flows if flow.users == users and flow.latency_seconds]
        return bool(flows) and flows[-1].latency_seconds <= FREE * self._unloaded_seconds

    def _lower(self, upper: float) -> float | None:
        if upper <= 1:
            return None
        guess = self._guess(upper)
        if guess is None:
            return max(1.0, upper * MAX_DOWN_FACTOR / 2)
        if guess < upper / WIDE:
            guess *= BELOW_GUESS
        tries = len(set(self._rates(BAD)))
        low, high = MIN_DOWN_FACTOR * upper, MAX_DOWN_FACTOR * upper
        return max(1.0, min(max(guess * MAX_DOWN_FACTOR ** (tries - 1), low), high))

    def _middle(self, lower: float, upper: float) -> float:
        guess = self._guess(upper) if upper > WIDE * lower else None
        if guess is None:
            return super()._middle(lower, upper)
        return min(max(BELOW_GUESS * guess, MIN_UP_FACTOR * lower), MAX_DOWN_FACTOR * upper)

    def _guess(self, failed: float) -> float | None:
        """The number of users with the mean latency at the limit, from a number that failed.

        With too many users, the API serves as much as it can, so the good responses per second are its maximum.
        """
        flows = [flow for flow in self._flows if flow.users == failed and flow.rps]
        if not flows:
            return None
        last = flows[-1]
        think_seconds = max(0.0, last.users / last.rps - last.latency_seconds)
        return last.ok_rps * (think_seconds + MEAN_OF_LIMIT * self._limit_seconds)

    def _reserve_seconds(self, lower: float, upper: float) -> float:
        is_wide = 0 < WIDE * lower < upper
        return self._hold_seconds(lower) if is_wide else super()._reserve_seconds(lower, upper)

    def _hold_seconds(self, rate: float, below: float = math.inf) -> float:
        # Of few users, or of users that think for long, a probe is longer.
        shortest = self.profile.settle_seconds + self._measure_seconds(rate, self.profile.search_seconds)
        return max(super()._hold_seconds(rate, below), shortest)

    def _measure_seconds(self, rate: float, seconds: float) -> float:
        requests = self._wanted_requests * self._cycle_seconds / rate
        thinking = THINKS_MEASURED * self._think_of_step_seconds
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


def _mean_think_seconds(users: Users) -> float:
    """The mean of all users. A class whose users think for a short time asks for more of the waits than others."""
    classes = [one for one in users.get("classes", {}).values() if one["waits"] and one["users"]]
    if not classes:
        return users["asked_seconds"] / users["waits"]
    total = sum(one["users"] for one in classes)
    return sum(one["users"] * one["asked_seconds"] / one["waits"] for one in classes) / total
