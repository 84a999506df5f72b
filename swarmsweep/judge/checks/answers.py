"""Checks of failed requests, by their kinds: failures of the API are results, failures of the test bench are not.

The texts of failures decide nothing, because a scenario may write anything there.
"""

from collections.abc import Mapping

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence
from swarmsweep.shared.request_record import BLOCKED, KIND_NAMES, LOAD_HOST, REFUSED, RESET, UNREACHABLE, UNREADABLE
from swarmsweep.units import counted, format_figure

# Failures between generator and API, or in the generator. A broken response may also be the API's: no status shows it.
# All others are results, statuses of the API first of all.
BENCH_KINDS = frozenset(KIND_NAMES[kind] for kind in (REFUSED, RESET, UNREACHABLE, UNREADABLE, BLOCKED, LOAD_HOST))
# Statuses 4xx of a server that is overloaded or limits the rate. Another one means that the request was not right.
OVERLOAD_KINDS = frozenset(f"status_{code}" for code in (408, 425, 429))
MAX_KINDS = 4


def errors_explained(evidence: Evidence) -> Check | None:
    """Few requests failed for a reason outside the API.

    Requests that the API rejected with a status 4xx are a result too. The check then warns, because the scenario may
    not fit the API.
    """
    flow = evidence.flow
    if flow is None:
        return None
    name, most = "errors_explained", limit("unexplained_errors")
    if flow.failure_kinds is None:
        return Check(name, None, most, None, "the kinds of the failures were not recorded", warning=True)
    bench = {kind: count for kind, count in flow.failure_kinds.items() if kind in BENCH_KINDS}
    rejected = {kind: count for kind, count in flow.failure_kinds.items() if _is_rejected(kind)}
    percent = 100 * sum(bench.values()) / max(1, flow.offered)
    rejected_percent = 100 * sum(rejected.values()) / max(1, flow.offered)
    if percent <= most < rejected_percent:
        sentence = (
            f"the API rejected {sum(rejected.values())} requests ({format_figure(rejected_percent)} %): "
            f"{kinds_in_words(rejected)}. They count as failures. Check method, path, body and login in the scenario"
        )
        return Check(name, rejected_percent, most, False, sentence, warning=True)
    sentence = (
        f"{sum(bench.values())} requests failed on the way, without a whole response ({format_figure(percent)} %, "
        f"limit {most:g} %): {kinds_in_words(bench)}. {_where(bench)}"
        if bench
        else "no request failed on the way"
    )
    return Check(name, percent, most, percent <= most, sentence)


def answers_correct(evidence: Evidence) -> Check | None:
    """Where the scenario compares responses, equal requests had equal responses, at the reported load and at the peak.

    If responses are correct only under low load, the capacity is meaningless. Only scenarios with ``same_answers``
    compare. Another judgement of a scenario is a failure as any other.
    """
    if evidence.flow is None:
        return None
    counts = [flow.different_responses for flow in evidence.flows]
    if any(count is None for count in counts):
        sentence = "whether responses to equal requests differed was not recorded"
        return Check("answers_correct", None, 0, None, sentence, warning=True)
    count = sum(count or 0 for count in counts)
    sentence = (
        f"{counted(count, 'response')} differed from an earlier response to the same request. If your API may do "
        "this, for example with a time or an id, set same_answers = False in the class of the scenario"
        if count
        else "no response differed from an earlier one to the same request"
    )
    return Check("answers_correct", count, 0, count == 0, sentence)


def kinds_in_words(kinds: Mapping[str, int]) -> str:
    """The most frequent kinds with their counts, as 'status 503 (900), timeout (40)'."""
    ordered = sorted(kinds, key=lambda kind: (-kinds[kind], kind))
    rest = sum(kinds[kind] for kind in ordered[MAX_KINDS:])
    words = [f"{kind.replace('_', ' ')} ({kinds[kind]})" for kind in ordered[:MAX_KINDS]]
    return ", ".join(words + ([f"other kinds ({rest})"] if rest else []))


def _where(bench: Mapping[str, int]) -> str:
    """Where to look for the cause of the most frequent kind. A process of the API that ends breaks a response, too."""
    kind = max(sorted(bench), key=lambda one: bench[one])
    if kind == KIND_NAMES[BLOCKED]:
        return "The scenario sent them to addresses outside the lab"
    if kind == KIND_NAMES[LOAD_HOST]:
        return "The load host had no file, port or memory left"
    if kind == KIND_NAMES[UNREADABLE]:
        return (
            "Their responses are damaged, not HTTP, or longer than 16 MiB. Look at one with ./lab check, then in "
            "service.log for an API process that ended"
        )
    if kind == KIND_NAMES[RESET]:
        return "Look in service.log for an API process that ended, then at the network between the hosts"
    return "Look at HAProxy, and at the network between the hosts"


def _is_rejected(kind: str) -> bool:
    return kind.startswith("status_4") and kind not in OVERLOAD_KINDS
