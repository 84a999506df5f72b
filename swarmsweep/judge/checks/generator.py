"""Checks of the load: whether it was made as planned, and whether the generator had the capacity for it."""

import math

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence
from swarmsweep.raw.tasks import ended_in_on_start
from swarmsweep.units import counted, format_figure, format_plain

OPEN_KINDS = ("poisson", "constant")
STARTED_AGAIN = "At each step of the ramp, Locust starts users again that have ended"


def generator_cpu(evidence: Evidence) -> Check | None:
    """The busiest second of any Locust worker within the window (percent of one core) must stay below the limit."""
    name, most = "generator_cpu", limit("generator_cpu")
    if evidence.flow is None:
        return None
    highest = evidence.flow.generator_cpu_percent
    if highest is None:
        return Check(name, None, most, False, "the measured window has no CPU sample of a Locust worker")
    verdict = "The load generator was the limit" if highest >= most else "The load generator was not at its limit"
    sentence = f"the busiest Locust worker used {format_figure(highest)} % of a core (limit {most:g} %). {verdict}"
    return Check(name, highest, most, highest < most, sentence)


def load_host_cpu(evidence: Evidence) -> Check | None:
    """The load hosts had idle CPU."""
    name, most = "load_host_cpu", limit("load_host_cpu")
    busy = {
        host: machine.busy_percent
        for host, machine in evidence.machines.items()
        if machine.group == "load" and machine.busy_percent is not None
    }
    if not busy:
        return Check(name, None, most, None, "the CPU use of the load hosts was not recorded", warning=True)
    host = max(busy, key=lambda name: busy[name])
    sentence = f"the load host {host} was {format_figure(busy[host])} % busy (limit {most:g} %)"
    return Check(name, busy[host], most, busy[host] < most, sentence, warning=True)


def workers_present(evidence: Evidence) -> Check | None:
    """All Locust workers were connected, none was lost, and each left its record of requests."""
    if evidence.timeline is None:
        return None
    expected, recorded = evidence.load["workers"], evidence.record_files
    connected, lost = evidence.timeline.workers_connected, evidence.timeline.workers_lost
    passed = connected == expected and lost == 0 and recorded == expected
    workers = f"of {counted(expected, 'Locust worker')}, {connected} connected, {lost} disappeared"
    sentence = f"{workers}, and {recorded} wrote records"
    return Check("workers_present", connected, expected, passed, sentence)


def load_as_planned(evidence: Evidence) -> Check | None:
    """The load had as many users for as long as planned. A search plans its loads itself."""
    flow, load, timeline = evidence.flow, evidence.load, evidence.timeline
    if flow is None or timeline is None or flow.kind != "users" or load.get("users") is None:
        return None
    users, planned = timeline.users, load["users"]
    seconds, planned_seconds = flow.length_seconds, load["measure_seconds"]
    passed = users == planned and abs(seconds - planned_seconds) <= limit("window_length")
    sentence = f"{users} of {planned} users ran for {format_figure(seconds)} of {format_plain(planned_seconds)} seconds"
    if users is not None and users < planned:
        sentence += ". Likely cause: fixed_count in the user classes of the scenario"
    return Check("load_as_planned", users, planned, passed, sentence)


def users_stayed(evidence: Evidence) -> Check | None:
    """Closed loop: no user left before the window was over, so the load was as large as its number of users says.

    Users that an exception in on_start ended count as failed tasks. Otherwise an API that is too slow for the logins
    would get no verdict.
    """
    flow = evidence.flow
    if flow is None or flow.kind != "users" or flow.concurrency is None:
        return None
    planned, least, texts = flow.concurrency, flow.users_min, evidence.on_start
    if texts:
        first, raised = max(texts, key=lambda text: texts[text]), sum(texts.values())
        often = f", most often {first[:100]} ({texts[first]})"
        ended = ended_in_on_start(planned, texts, least)
        if not ended:
            sentence = f"all {planned} users ran, but on_start raised {raised} exceptions{often}. {STARTED_AGAIN}"
        else:
            sentence = f"an exception in on_start ended {ended} of {planned} users{often}"
            sentence += f". In all, on_start raised {raised} exceptions. {STARTED_AGAIN}" if raised > ended else ""
        return Check("users_stayed", planned - ended, planned, False, sentence, warning=True)
    # The users of a lost worker are missing together with its record; workers_present reports that.
    if least is None or evidence.record_files < evidence.load["workers"]:
        return None
    rest = "" if least >= planned else "; the others stopped themselves (StopUser) or failed outside a task"
    sentence = f"{least} of {planned} users ran until the window ended{rest}"
    return Check("users_stayed", least, planned, least >= planned, sentence, warning=True)


def listeners_ran(evidence: Evidence) -> Check | None:
    """Closed loop: no listener of the scenario raised, and the scenario did not try to end the load.

    A listener may prepare what the users need, for example data in a database. Locust only logs its exception.
    """
    flow, texts = evidence.flow, evidence.listener_errors
    if flow is None or flow.kind != "users" or texts is None:
        return None
    count = sum(texts.values())
    sentence = "no listener of the scenario raised an exception"
    if texts:
        first = max(texts, key=lambda text: texts[text])
        sentence = (
            f"listeners of the scenario raised {count} exceptions in all Locust processes, most often ({texts[first]} "
            f"times): {first[:150]}. Check that the users had what the listeners prepare"
        )
    return Check("listeners_ran", count, 0, not count, sentence, warning=True)


def generator_kept_rate(evidence: Evidence) -> Check | None:
    """Open loop: requests were sent at the ordered rate, and in time.

    If the generator ended a search before any rate was verified, no load passes this check: the search shows nothing
    about the API. This also holds for a search with users.
    """
    flow = evidence.flow
    if flow is None:
        return None
    name, least, most_lag = "generator_kept_rate", limit("rate_kept"), _most_lag_ms(evidence)
    if evidence.generator_limit is not None and evidence.verified_rps is None:
        reason = evidence.generator_limit[:1].upper() + evidence.generator_limit[1:]
        level = "number of users" if flow.kind == "users" else "rate"
        step = f". {evidence.next_step.rstrip('.')}" if evidence.next_step else ""
        sentence = f"no {level} was verified, because the load generator was the limit. {reason}{step}"
        return Check(name, None, least, False, sentence)
    if flow.kind not in OPEN_KINDS or flow.rate_rps is None:
        return None
    due = flow.rate_rps * flow.length_seconds
    offered, dropped = flow.iterations or (flow.offered, flow.dropped)
    sent = (offered - dropped) / due
    # The number of requests due by chance differs from the rate by a few standard deviations of a Poisson count.
    chance = 4 / math.sqrt(due) if flow.kind == "poisson" else 0.0
    kept = sent >= least - chance and dropped <= (1 - least) * offered
    what = "requests/s were sent" if flow.iterations is None else "iterations/s were started"
    shares = f"{100 * sent:.1f} % of the required {format_figure(flow.rate_rps)} {what}, {dropped} were dropped"
    lag = flow.lag_p99_ms
    if lag is None:
        return Check(name, sent, least, None if kept else False, f"{shares}; their lag is unknown")
    late = f"99 % were sent at most {format_figure(lag)} ms late (limit {format_plain(most_lag)} ms)"
    return Check(name, sent, least, kept and lag <= most_lag, f"{shares}, {late}")


def _most_lag_ms(evidence: Evidence) -> float:
    latencies = [value for name, value in evidence.slo.items() if name.endswith("_ms") and value is not None]
    return max(limit("lag"), limit("lag_share") * min(latencies, default=0.0))
