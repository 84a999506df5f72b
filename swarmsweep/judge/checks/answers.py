"""Response checks: errors of the API are results, errors of the test bench are not."""

import re
from collections import Counter
from collections.abc import Mapping

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence, Flow
from swarmsweep.units import format_figure

RESULT, HARNESS, WRONG = "result", "harness", "wrong"
# The forms of a status in the errors of the scenarios, FastHttpUser and requests.
_STATUS = re.compile(r"(?:\bstatus |\bcode=|^)([1-5]\d\d)\b")
# Status codes of an overloaded server, beside all 5xx; then the texts of a timeout.
_OVERLOAD = ("408", "425", "429")
_TIMED_OUT = ("timed out", "timeout", "time-out")
# Failures between generator and API, or in the generator: texts of the system, of Locust's clients and of the open-loop
# client. Errors beyond the number that is kept by text are included.
_BROKEN = (
    *("errno", "refused", "reset", "broken pipe", "connection", "unreachable", "no route", "cannot assign"),
    *("too many open files", "name or service", "name resolution", "nodename", "getaddrinfo", "host is down"),
    *("ssl", "certificate", "incomplete response", "incomplete read", "expected http", "bad answer"),
    *("answer longer than", "retries", "(other errors)", "(others)"),
)
MAX_QUOTED = 3


def cause_of(text: str) -> str:
    """The cause of an error: the API ('result'), the bench ('harness'), or a wrong response ('wrong').

    Status codes of an overloaded or failing server and timeouts are results. Other status codes mean that the request
    was not right for this API. An error that is not a status, a timeout or a broken connection is the text of a
    scenario that checked the response.
    """
    words = text.lower()
    if status := _STATUS.search(words):
        code = status.group(1)
        return RESULT if code.startswith("5") or code in _OVERLOAD else HARNESS
    if any(word in words for word in _TIMED_OUT):
        return RESULT
    return HARNESS if any(word in words for word in _BROKEN) else WRONG


def errors_explained(evidence: Evidence) -> Check | None:
    """Few requests failed for a reason outside the API."""
    flow = evidence.flow
    if flow is None:
        return None
    name, most = "errors_explained", limit("unexplained_errors")
    errors = _of_cause(flow, HARNESS)
    count = sum(errors.values())
    percent = 100 * count / max(1, flow.offered)
    sentence = (
        f"{count} requests failed because of the test bench, not of the API ({format_figure(percent)} %, limit "
        f"{most:g} %): "
        f"{_quoted(errors)}"
        if count
        else "no request failed because of the test bench"
    )
    return Check(name, percent, most, percent <= most, sentence)


def answers_correct(evidence: Evidence) -> Check | None:
    """The scenario found no wrong response, at the reported load or at the peak.

    If responses are correct only under low load, the capacity is meaningless.
    """
    if evidence.flow is None:
        return None
    errors = sum((Counter(_of_cause(flow, WRONG)) for flow in evidence.flows), Counter[str]())
    count = sum(errors.values())
    sentence = f"{count} responses were wrong: {_quoted(errors)}" if count else "the scenario found no wrong response"
    return Check("answers_correct", count, 0, count == 0, sentence)


def _of_cause(flow: Flow, cause: str) -> Mapping[str, int]:
    return {text: count for text, count in flow.errors.items() if cause_of(text) == cause}


def _quoted(errors: Mapping[str, int]) -> str:
    first = sorted(errors, key=lambda text: (-errors[text], text))[:MAX_QUOTED]
    rest = "" if len(errors) <= MAX_QUOTED else f" and {len(errors) - MAX_QUOTED} other reasons"
    return "; ".join(f"{text[:100]} ({errors[text]})" for text in first) + rest
