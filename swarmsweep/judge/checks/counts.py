"""Checks of the number of requests: whether all counters agree."""

import math

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence, Flow
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
    return Check("some_requests", count, 1, count >= 1, sentence)


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
    sentence = (
        f"the recorder counted {recorded - unreported} requests in the whole attempt{apart}, and Locust counted "
        f"{locust}"
    )
    return Check("counted_by_locust", recorded - unreported, locust, recorded - unreported == locust, sentence)


def counted_by_haproxy(evidence: Evidence) -> Check | None:
    """HAProxy counted the requests in the record, within 0.5 % and the number of those in flight.

    It may have missed requests that timed out as well: at an overloaded API, connections wait to be accepted.
    """
    name, recorded, seen = "counted_by_haproxy", evidence.recorded_requests, evidence.proxy
    if recorded is None:
        return None
    if seen is None or seen.requests is None:
        sentence = "HAProxy's request counters were not recorded, so the number of requests is not confirmed"
        return Check(name, None, recorded, None, sentence)
    if seen.restarted:
        return Check(
            name, seen.requests, recorded, False, "HAProxy restarted during the attempt, so its counters were reset"
        )
    allowed = limit("proxy_difference") / 100 * recorded + _in_flight(evidence)
    difference = seen.requests - recorded - evidence.recovery_probes
    if difference < 0:
        allowed += evidence.client_timeouts
    questions = f" plus {evidence.recovery_probes} from recovery probes" if evidence.recovery_probes else ""
    sentence = (
        f"HAProxy counted {seen.requests} requests, and the recorder {recorded}{questions}: "
        f"{abs(difference)} {'more' if difference > 0 else 'fewer'}, limit {format_figure(allowed)}"
    )
    return Check(name, seen.requests, recorded, abs(difference) <= allowed, sentence)


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
