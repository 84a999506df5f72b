"""Checks of the number of requests: whether all counters agree."""

import math

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence, Flow
from swarmsweep.raw.closed_loop import SentCounts
from swarmsweep.raw.haproxy import ProxyDelta
from swarmsweep.units import format_figure


def some_requests(evidence: Evidence) -> Check | None:
    """At least one request began, or was due, within the window."""
    if evidence.flow is None:
        return None
    count = evidence.flow.offered
    sentence = f"{count} requests began in the measured window" if count else "no request began in the measured window"
    tasks = evidence.flow.tasks
    if not count and tasks is not None and tasks.exceptions:
        # Where every task raises before its first request, the exception is the cause.
        text, number = max(tasks.exceptions.items(), key=lambda item: item[1])
        sentence += f". Tasks of the scenario raised exceptions, most often ({number} times): {text}"
    if not count and evidence.sent is not None:
        sentence += _outside_window(evidence.sent)
    return Check("some_requests", count, 1, count >= 1, sentence)


def _outside_window(sent: SentCounts) -> str:
    """What the scenario did instead in the whole attempt, as sentences; empty where it did nothing else."""
    setup = min(sent.setup_requests, sent.requests)
    if sent.requests and setup == sent.requests:
        made = (
            f". All {sent.requests} requests of the attempt were made in on_start or on_stop, which are in no figure. "
            "Move the requests that you want to measure into a task (@task) of the scenario"
        )
    else:
        made = f". self.client made {sent.requests} requests in the whole attempt" if sent.requests else ""
        made += f", {setup} of them in on_start or on_stop" if setup else ""
    other = f". Other clients than self.client sent {sent.other_sends} requests. The lab cannot time them"
    return (
        made
        + (other if sent.other_sends else "")
        + (f". The scenario fired {sent.own_timings} timings itself in the whole attempt" if sent.own_timings else "")
    )


def requests_conserved(evidence: Evidence) -> Check | None:
    """Open-loop client: each request that was due has an outcome in the record.

    The number due is counted before a request is sent, and its outcome when it ends. For closed-loop users, the only
    second count is Locust's own.
    """
    flow = evidence.flow
    if flow is None or flow.kind == "users":
        return None
    ended = flow.ok + flow.failed + flow.timed_out + flow.dropped + flow.in_flight_end
    missing = flow.offered - ended
    allowed = round(limit("window_edge")) * max(1, evidence.record_files)
    sentence = (
        f"{flow.offered} requests were due: {flow.ok} ok, {flow.failed} failed, {flow.timed_out} timed out, "
        f"{flow.dropped} dropped, {flow.in_flight_end} still in flight; "
        f"{abs(missing)} {'too many' if missing < 0 else 'missing'}"
    )
    return Check("requests_conserved", missing, allowed, abs(missing) <= allowed, sentence)


def counted_by_locust(evidence: Evidence) -> Check | None:
    """The recorder and Locust's own statistics counted the same requests over the whole attempt."""
    recorded, locust, unreported = evidence.recorded_requests, evidence.counted_requests, evidence.unreported_requests
    if recorded is None or locust is None:
        return None
    apart = f" (plus {unreported} that Locust never reports)" if unreported else ""
    own = evidence.sent.own_timings if evidence.sent is not None else 0
    with_own = f", {own} timings of the scenario itself included" if own else ""
    sentence = (
        f"the recorder counted {recorded - unreported} requests in the whole attempt{apart}{with_own}, and Locust "
        f"counted {locust}"
    )
    # A scenario may clear Locust's statistics, for example after the warm-up. HAProxy has counted too.
    agree = recorded - unreported == locust
    fewer = locust < recorded - unreported
    confirmed = fewer and _haproxy_agrees(evidence)
    # HAProxy cannot count what a scenario timed itself, and Locust counts no timing that lacks a length.
    own_only = fewer and evidence.sent is not None and evidence.sent.own_figures
    if confirmed:
        sentence += ". HAProxy confirms the recorder. A scenario that clears Locust's statistics is a likely cause"
    return Check("counted_by_locust", recorded - unreported, locust, agree, sentence, warning=confirmed or own_only)


def counted_by_haproxy(evidence: Evidence) -> Check | None:
    """HAProxy counted the requests in the record, within 0.5 % and the number of those in flight.

    It may have missed requests that timed out as well: at an overloaded API, connections wait to be accepted.
    """
    name, recorded, seen = "counted_by_haproxy", evidence.recorded_requests, evidence.proxy
    if recorded is None:
        return None
    sent = evidence.sent
    if sent is not None:
        recorded = sent.requests
        if sent.own_figures:
            return _own_timings_and_haproxy(name, evidence, sent)
    if seen is None or seen.requests is None:
        sentence = "HAProxy's request counters were not recorded, so the number of requests is not confirmed"
        return Check(name, None, recorded, None, sentence)
    if seen.restarted:
        return Check(
            name, seen.requests, recorded, False, "HAProxy restarted during the attempt, so its counters were reset"
        )
    expected = _expected(evidence, recorded)
    allowed = limit("proxy_difference") / 100 * (expected - evidence.recovery_probes) + _in_flight(evidence)
    difference = seen.requests - expected
    if difference < 0:
        allowed += evidence.client_timeouts + (sent.unreached if sent is not None else 0)
    sentence = (
        f"HAProxy counted {seen.requests} requests, and the recorder {recorded}{_further(evidence)}: "
        f"{abs(difference)} {'more' if difference > 0 else 'fewer'}, limit {format_figure(allowed)}"
    )
    passed = abs(difference) <= allowed
    if not passed and difference > 0 and sent is not None and sent.user_events:
        return Check(name, seen.requests, None, None, _not_compared(sent, difference), warning=True)
    own = sent.own_timings if sent is not None else 0
    # The client of an own timing may have sent a request to the API. With one timing for each request, this would
    # explain twice as many requests, so it confirms no count.
    is_explained = not passed and 0 < difference <= allowed + own
    if is_explained:
        sentence += f". The client of the scenario's {own} own timings may have sent them"
    elif not passed:
        sentence += f". {_likely_cause(seen, difference)}"
    return Check(name, seen.requests, expected, passed, sentence, warning=is_explained)


def _own_timings_and_haproxy(name: str, evidence: Evidence, sent: SentCounts) -> Check:
    """Figures of timings that the scenario fired itself: whether requests of another client reached the API at all.

    The numbers cannot be compared: a message on an open WebSocket is no request to HAProxy.
    """
    fired, seen = _fired(sent), evidence.proxy
    if seen is None or seen.requests is None or seen.restarted:
        sentence = f"not compared: {fired}, and HAProxy's request counters were not recorded or were reset"
        return Check(name, None, None, None, sentence, warning=True)
    if not seen.requests:
        sentence = f"{fired}, and HAProxy counted no request. So they did not measure the API behind HAProxy"
        return Check(name, 0, 1, False, sentence)
    further = seen.requests - sent.sent
    if further <= 0:
        sentence = (
            f"{fired}, and HAProxy counted no request beside the {sent.sent} of self.client. Check in the scenario "
            "that the timings measure the API"
        )
        return Check(name, seen.requests, sent.sent + 1, False, sentence, warning=True)
    return Check(name, seen.requests, None, None, _not_compared(sent, further), warning=True)


def _fired(sent: SentCounts) -> str:
    if sent.user_events:
        return f"users without an HTTP client of Locust fired {sent.user_events} events"
    return f"the scenario fired {sent.own_timings} timings itself"


def _not_compared(sent: SentCounts, further: int) -> str:
    return (
        f"not compared: {_fired(sent)}, and HAProxy counted {further} requests for them. One request may carry many of "
        "them, as that of a WebSocket does"
    )


def _expected(evidence: Evidence, recorded: int) -> int:
    """The requests that HAProxy should have counted."""
    sent = evidence.sent
    return (recorded if sent is None else sent.sent + sent.other_sends) + evidence.recovery_probes


def _further(evidence: Evidence) -> str:
    """What HAProxy should have counted beside the recorded requests, by kind."""
    sent = evidence.sent
    counts = [(evidence.recovery_probes, "from recovery probes")]
    if sent is not None:
        counts += [(sent.redirects, "redirects followed"), (sent.retries, "retries")]
        counts.append((sent.other_sends, "of other clients in the scenario"))
    words = "".join(f" plus {count} {what}" for count, what in counts if count)
    return words + (f" minus {sent.not_sent} that were not sent" if sent is not None and sent.not_sent else "")


def _likely_cause(seen: ProxyDelta, difference: int) -> str:
    """A sentence, without its full stop."""
    aborted = {name: seen.total.get(name) or 0 for name in ("cli_abrt", "srv_abrt", "eresp", "econ")}
    counted = ", ".join(f"{count} {name}" for name, count in aborted.items() if count)
    aborts = f". HAProxy's counters of broken connections: {counted}" if counted else ""
    cause = (
        "requests ended before they reached HAProxy"
        if difference < 0
        else "another client sent requests, in the scenario or outside of the load"
    )
    return f"Likely cause: {cause}{aborts}"


def _haproxy_agrees(evidence: Evidence) -> bool:
    check = counted_by_haproxy(evidence)
    return check is not None and check.passed is True


def _in_flight(evidence: Evidence) -> int:
    """Requests that only one of the two may have counted: those that timed out, or were in flight at the end."""
    users: int | None = evidence.load.get("users")
    if users is not None:
        return users
    return sum(flow.timed_out + flow.in_flight_end + _under_way(flow) for flow in evidence.flows)


def _under_way(flow: Flow) -> int:
    return flow.concurrency if flow.concurrency is not None else math.ceil(flow.in_flight_mean or 0)


def responses_complete(evidence: Evidence) -> Check | None:
    """Closed loop: every request that began in the window had its response before the load ended.

    The load waits for slow responses. A request that is slower still counts with the time that it had waited.
    """
    flow = evidence.flow
    if flow is None or flow.kind != "users":
        return None
    missing = flow.in_flight_end
    bounds = f"; {' and '.join(flow.lower_bounds)} are lower bounds" if flow.lower_bounds else ""
    sentence = (
        f"{missing} of {flow.offered} requests had no response when the load ended. They count with the time that they "
        f"had waited{bounds}"
        if missing
        else "every request of the window had a response"
    )
    return Check("responses_complete", missing, 0, missing == 0, sentence, warning=True)


def requests_recorded_whole(evidence: Evidence) -> Check | None:
    """The record of every worker is complete."""
    complete = evidence.records_complete
    if complete is None:
        return None
    sentence = "the record of every worker is complete" if complete else "the record of a worker is incomplete"
    return Check("requests_recorded_whole", complete, True, complete, sentence, warning=True)
