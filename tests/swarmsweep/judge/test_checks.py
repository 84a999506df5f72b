"""Each check passes on a sound attempt and fails on the one thing that it looks for."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest
import yaml
from evidence_json import TRACES, changed, from_json, record, to_json

from swarmsweep.judge.bottleneck import find_bottleneck
from swarmsweep.judge.checks import CHECKS, LIMITS, Check, checks_of
from swarmsweep.judge.evidence import Evidence, Flow
from swarmsweep.raw.closed_loop import SentCounts
from swarmsweep.raw.deployment import Deployment
from swarmsweep.raw.tasks import TaskCounts

RECORDED = sorted((TRACES / "recorded").glob("*.json"))
CHANGES = yaml.safe_load((TRACES / "changes.yml").read_text())


def named(evidence: Evidence) -> dict[str, Check]:
    """Checks by name."""
    return {check.name: check for check in checks_of(evidence)}


@pytest.mark.parametrize("of", ["users", "search"])
def test_a_sound_attempt_passes_all(of):
    assert [check.sentence for check in checks_of(from_json(record(of))) if check.passed is not True] == []


@pytest.mark.parametrize(
    "trace", [pytest.param(entry, id=f"{number}-{entry['check']}") for number, entry in enumerate(CHANGES, start=1)]
)
def test_a_trace_trips_its_check_and_no_other(trace):
    found = checks_of(changed(trace["of"], **trace["set"]))
    tripped = [check for check in found if check.passed is not True]
    assert [check.name for check in tripped] == [trace["check"]], [check.sentence for check in tripped]
    assert tripped[0].passed is False


def test_the_sentences(golden):
    """The sentence of each check that passes and, for each trace and fault, of the check that fails."""
    sound = {
        of: {check.name: check.sentence for check in checks_of(from_json(record(of)))} for of in ("users", "search")
    }
    traces = [changed(trace["of"], **trace["set"]) for trace in CHANGES]
    late = replace(from_json(record("search")), generator_limit="at 900 requests/s, requests were sent 40 ms late")
    traces.append(replace(late, verified_rps=None))
    faults = [from_json(json.loads(path.read_text())) for path in RECORDED]
    failed = {
        name: [f"{check.name}: {check.sentence}" for one in evidence for check in checks_of(one) if not check.passed]
        for name, evidence in (("traces", traces), ("faults", faults))
    }
    golden("validity.yml", sound | failed)


def test_exceptions_of_tasks_are_the_reason_why_no_request_began():
    idle = changed("users", **next(trace["set"] for trace in CHANGES if trace["check"] == "some_requests"))
    tasks = TaskCounts(8, 8, {"KeyError: 'a'": 1, "AttributeError: 'Visitor' object has no attribute 'cleint'": 7})
    sentence = named(replace(idle, flow=replace(idle.flow, tasks=tasks)))["some_requests"].sentence
    assert sentence.startswith(named(idle)["some_requests"].sentence)
    assert sentence.endswith("(7 times): AttributeError: 'Visitor' object has no attribute 'cleint'")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in RECORDED])
def test_a_recorded_fault_trips_its_check_and_no_other(path):
    found = checks_of(from_json(json.loads(path.read_text())))
    tripped = [(check.name, check.passed) for check in found if check.passed is not True]
    assert tripped == [(path.name.partition(".")[0], False)], [check.sentence for check in found]


def test_every_check_has_a_trace_and_every_limit_a_reason():
    assert {entry["check"] for entry in CHANGES} == {check.__name__ for check in CHECKS}
    assert all(entry.unit and len(entry.why) > 5 for entry in LIMITS.values())
    for judge in CHECKS:
        answers = [judge(from_json(record(of))) for of in ("users", "search")]
        assert {check.name for check in answers if check is not None} == {judge.__name__}


def test_traces_survive_the_way_to_json_and_back():
    for of in ("users", "search"):
        evidence = from_json(record(of))
        assert from_json(json.loads(json.dumps(to_json(evidence)))) == evidence
    apart = replace(evidence, peak=replace(evidence.flow, rate_rps=99.0))
    assert from_json(json.loads(json.dumps(to_json(apart)))) == apart


def unknown() -> Iterator[tuple[str, Any, Evidence]]:
    """Evidence in which one thing was not gathered."""
    for of in ("users", "search"):
        sound = from_json(record(of))
        for field in fields(Evidence):
            if field.name not in (
                *("config", "load", "slo", "deploy"),
                *("recovery_probes", "record_files", "unreported_requests", "on_start"),
            ):
                empty = (
                    {} if field.name.endswith("machines") else type(sound.usage)() if "usage" in field.name else None
                )
                yield f"{of}-{field.name}", field.name, replace(sound, **{field.name: empty})
        for field in fields(Flow):
            if field.default is None:
                flow = replace(sound.flow, **{field.name: None})
                yield f"{of}-flow.{field.name}", field.name, replace(sound, flow=flow, peak=flow)


UNKNOWN = list(unknown())


@pytest.mark.parametrize(("name", "evidence"), [pytest.param(n, e, id=i) for i, n, e in UNKNOWN])
def test_what_was_not_gathered_is_never_taken_as_a_pass_nor_as_a_fault(name, evidence):
    before = {of: named(from_json(record(of))) for of in ("users", "search")}
    after = named(evidence)
    failed = {check.name for check in after.values() if check.passed is False}
    # Without the state after the load, a replica may have died; a worker that shows no CPU for a window hung; where
    # there are samples, but not of the replicas, they do not cover them.
    allowed = {
        "after": {"replicas_unchanged"},
        "generator_cpu_percent": {"generator_cpu"},
        "usage": {"window_sampled"},
    }
    assert failed <= allowed.get(name, set())
    of = "search" if evidence.load["mode"] == "capacity" else "users"
    assert set(after) <= set(before[of])


@pytest.mark.parametrize(
    ("of_api", "of_load", "sentence"),
    [
        # The host without a free core has the lower figure.
        ((0.85, 97.0), (0.91, 60.0), "0.91 cores of e2e-load (limit 0.1), and 0.85 cores of e2e-api{full}"),
        ((0.85, 97.0), (0.91, 98.0), "0.91 cores of e2e-load (limit 0.1){full}, and 0.85 cores of e2e-api{full}"),
        ((0.05, 97.0), (0.91, 98.0), "0.91 cores of e2e-load (limit 0.1){full}"),
        ((0.05, 97.0), (0.03, 98.0), "0.05 cores of e2e-api (limit 0.1)"),
    ],
)
def test_each_host_with_noisy_neighbours_is_named(of_api, of_load, sentence):
    usage = {"e2e-api": of_api, "e2e-load": of_load}
    paths = ("external_cpu_cores", "busy_percent")
    values = {
        f"machines.{host}.{path}": value
        for host, figures in usage.items()
        for path, value in zip(paths, figures, strict=True)
    }
    found = named(changed("users", **values))["foreign_cpu"]
    assert found.sentence == "noisy neighbours used " + sentence.format(full=", which had no free core")
    assert found.value == max(of_api[0], of_load[0])


def test_users_of_a_lost_worker_fail_no_check_of_their_own():
    lost = changed("users", **{"flow.users_min": 10, "record_files": 1, "timeline.workers_lost": 1})
    assert named(lost)["workers_present"].passed is False
    assert "users_stayed" not in named(lost)


def test_an_attempt_that_died_before_its_load_is_judged_on_its_deployment_alone():
    bare = replace(from_json(record("users")), flow=None, peak=None, timeline=None, proxy=None, recorded_requests=None)
    assert "limits_as_labelled" in named(bare)
    assert not {"littles_law", "steady_state", "some_requests", "generator_cpu"} & named(bare).keys()


@pytest.mark.parametrize(
    "text",
    [
        *("status 503", "HTTP 503: {...}", "Request took too long", "Model not loaded", "Rate limit exceeded"),
        *("Unexpected status code: 500", "expected 200, got 404", "connection refused", "timed out", "(other errors)"),
        *("the response differs from an earlier one to the same request", 'no "predictions" in the response'),
    ],
)
def test_no_text_of_a_failure_changes_a_check(text):
    failed = {"flow.ok": 5500, "flow.failed": 312, "flow.failure_kinds": {"failed_by_scenario": 312}}
    with_text, without = changed("users", **failed, **{"flow.errors": {text: 312}}), changed("users", **failed)
    assert checks_of(with_text) == checks_of(without)
    assert [check.name for check in checks_of(with_text) if check.passed is not True] == []


def test_failures_without_kinds_are_not_judged():
    old = named(changed("users", **{"flow.failure_kinds": None, "flow.different_responses": None}))
    assert (old["errors_explained"].passed, old["answers_correct"].passed) == (None, None)


def test_the_sentence_on_different_responses_says_how_to_turn_it_off():
    found = named(changed("users", **{"flow.different_responses": 3}))["answers_correct"]
    assert "same_answers = False" in found.sentence


def sent(**changes: int) -> Evidence:
    """The trace of users, of whose 8,030 requests the recorder knows the kinds; HAProxy counts another number."""
    proxy = {"proxy.requests": changes.pop("haproxy")} if "haproxy" in changes else {}
    counts = SentCounts(**({"requests": 8030, "sent": 8030} | changes))
    evidence = changed("users", **proxy)
    recorded = counts.requests + counts.own_timings
    return replace(evidence, sent=counts, recorded_requests=recorded, counted_requests=recorded)


def own(**changes: int) -> Evidence:
    """The same, where the figures are those of timings that the scenario fired itself."""
    return sent(**{"requests": 0, "sent": 0, "own_timings": 8030, "own_figures": True} | changes)


@pytest.mark.parametrize(
    ("evidence", "passed", "words"),
    [
        (sent(), True, "and the recorder 8030: 0 fewer"),
        # Each request is redirected once, and HAProxy counts both hops.
        (sent(sent=16060, redirects=8030, haproxy=16060), True, "8030 plus 8030 redirects followed: 0 fewer"),
        (sent(haproxy=16060), False, "Likely cause: another client sent requests"),
        (sent(sent=8130, retries=100, haproxy=8130), True, "plus 100 retries: 0 fewer"),
        (sent(other_sends=900, haproxy=8930), True, "plus 900 of other clients in the scenario: 0 fewer"),
        (sent(sent=7530, haproxy=7530), True, "minus 500 that were not sent: 0 fewer"),
        # Of requests that never had a response, HAProxy may know nothing. It does not know more of them.
        (sent(unreached=300, haproxy=7730), True, "300 fewer, limit 360"),
        (sent(unreached=300, haproxy=8330), False, "300 more, limit 60.1"),
        (sent(haproxy=7730), False, "Likely cause: requests ended before they reached HAProxy"),
        # A client of the scenario's own may have sent a request for each of its timings, or none.
        (sent(own_timings=500), True, "0 fewer"),
        (
            sent(own_timings=500, haproxy=8530),
            False,
            "500 more, limit 60.1. The client of the scenario's 500 own timings",
        ),
        (sent(own_timings=500, haproxy=9000), False, "Likely cause: another client"),
        # The figures are the scenario's own timings. HAProxy counts the requests of their client.
        (own(haproxy=8010), None, "not compared: the scenario fired 8030 timings itself, and HAProxy counted 8010 "),
        # So are the events of users of other classes. Beside requests of self.client, they explain only more of them.
        (own(user_events=8030, haproxy=40), None, "not compared: users without an HTTP client of Locust fired 8030 "),
        (own(user_events=8030, haproxy=0), False, "HAProxy counted no request. So they did not measure the API"),
        (sent(own_timings=500, user_events=500, haproxy=20000), None, "not compared: users without an HTTP client"),
        (sent(own_timings=500, user_events=500), True, "0 fewer"),
        (sent(own_timings=500, user_events=500, haproxy=7730), False, "Likely cause: requests ended before"),
        (own(haproxy=20), None, "HAProxy counted 20 requests for them"),
        (own(requests=20, sent=20, haproxy=8050), None, "HAProxy counted 8030 requests for them"),
        (own(requests=20, sent=20, haproxy=20), False, "no request beside the 20 of self.client"),
        (own(haproxy=0), False, "HAProxy counted no request. So they did not measure the API"),
    ],
)
def test_counts_are_compared_by_kind(evidence, passed, words):
    found = named(evidence)
    assert found["counted_by_haproxy"].passed is passed, found["counted_by_haproxy"].sentence
    assert words in found["counted_by_haproxy"].sentence
    assert found["counted_by_locust"].passed is True


def test_only_timings_without_any_request_make_an_attempt_invalid():
    found = [
        named(evidence)["counted_by_haproxy"]
        for evidence in (own(haproxy=0), own(requests=20, sent=20, haproxy=20), own(haproxy=5))
    ]
    assert [(one.passed, one.warning) for one in found] == [(False, False), (False, True), (None, True)]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"requests": 20, "own_timings": 3}, "made 20 requests in the whole attempt. The scenario fired 3 timings"),
        ({"requests": 0, "other_sends": 7}, "Other clients than self.client sent 7 requests. The lab cannot time them"),
        ({"requests": 0}, "no request began in the measured window"),
        # Where a login is all that the scenario does, or a part of it.
        (
            {"requests": 20, "setup_requests": 20},
            ". All 20 requests of the attempt were made in on_start or on_stop, which are in no figure. "
            "Move the requests that you want to measure into a task (@task) of the scenario",
        ),
        (
            {"requests": 20, "setup_requests": 5},
            ". self.client made 20 requests in the whole attempt, 5 of them in on_start or on_stop",
        ),
    ],
)
def test_a_window_without_requests_names_what_was_done_instead(counts, words):
    evidence = sent(**counts)
    found = named(replace(evidence, flow=replace(evidence.flow, offered=0)))["some_requests"]
    assert found.passed is False
    assert found.sentence.endswith(words) or words in found.sentence


def test_own_timings_explain_a_difference_and_confirm_nothing():
    """One timing for each request would double the tolerance: half of the requests could be missing unseen."""
    assert [
        (named(evidence)["counted_by_haproxy"].passed, named(evidence)["counted_by_haproxy"].warning)
        for evidence in (
            sent(own_timings=8030),
            sent(own_timings=8030, haproxy=16060),
            sent(own_timings=8030, haproxy=16200),
            # Fewer requests are no request of another client.
            sent(own_timings=8030, haproxy=4000),
        )
    ] == [(True, False), (False, True), (False, False), (False, False)]
    # Locust counted fewer than the recorder. HAProxy does not confirm the recorder, so requests may be lost.
    lost = replace(sent(own_timings=8030, haproxy=16060), counted_requests=16000)
    assert (named(lost)["counted_by_locust"].passed, named(lost)["counted_by_locust"].warning) == (False, False)


def test_broken_connections_are_named_where_counts_differ():
    evidence = sent(haproxy=9000)
    proxy = replace(evidence.proxy, total=evidence.proxy.total | {"srv_abrt": 12, "cli_abrt": 0, "econ": 3})
    sentence = named(replace(evidence, proxy=proxy))["counted_by_haproxy"].sentence
    assert sentence.endswith("HAProxy's counters of broken connections: 12 srv_abrt, 3 econ")


def test_locust_counts_no_timing_that_lacks_a_length():
    """HAProxy cannot confirm the record of timings, so it is a warning."""
    evidence = replace(own(haproxy=8010), counted_requests=0)
    found = named(evidence)["counted_by_locust"]
    assert (found.passed, found.warning) == (False, True)


def test_a_scenario_may_clear_locusts_statistics():
    cleared = replace(sent(), counted_requests=5000)
    found = named(cleared)["counted_by_locust"]
    assert (found.passed, found.warning) == (False, True)
    # The record lacks a request. HAProxy's tolerance hides this.
    short = named(replace(sent(), counted_requests=8031))["counted_by_locust"]
    assert (short.passed, short.warning) == (False, False)
    # Where HAProxy does not confirm the recorder, requests may be lost.
    lost = named(replace(sent(haproxy=5000), counted_requests=5000))["counted_by_locust"]
    assert (lost.passed, lost.warning) == (False, False)


# The containers of the trace, as they name themselves.
A, B = "879cff9c2e06", "decd935637f1"
FOREIGN = {"deploy.containers.*.image": ["my-api:1", "my-api:1"]}


@pytest.mark.parametrize(
    ("served_by", "words"),
    [
        # Headers of other people's APIs: a constant, a name for each region, an own host name, a container alone.
        ({"fastapi": 8030}, "'fastapi' does not begin with the id"),
        ({"eu-1": 4000, "eu-2": 4030}, "'eu-1' does not begin"),
        ({"books/1": 4000, "books/2": 4030}, "'books/1' does not begin"),
        ({A: 4015, B: 4015}, "names containers, and not their processes"),
        ({A: 8030}, "only one value"),
        # The number of the first process, read before the others were forked from it.
        ({f"{A}/1": 8030}, "only one value"),
        ({f"{A}/1": 4015, f"{B}/1": 4015}, "names one process of a replica"),
        ({}, "no response had the header"),
        # More values than are kept.
        ({f"{A}/1": 4015, "(others)": 4015}, "'(others)' does not begin"),
    ],
)
def test_a_header_that_names_no_processes_is_no_evidence(served_by, words):
    evidence = changed("users", **{"flow.served_by": served_by, "flow.in_flight_mean": 20.0}, **FOREIGN)
    found = named(evidence)
    assert found["replicas_all_used"].passed is True
    workers = found["workers_all_used"]
    assert (workers.passed, workers.warning) == (None, True)
    assert words in workers.sentence
    assert find_bottleneck(evidence).kind == "not_saturated"


@pytest.mark.parametrize(("settings", "passed"), [(FOREIGN, True), ({}, False)])
def test_a_replica_that_never_sends_the_header_has_served(settings, passed):
    """HAProxy counts all responses. The lab's own API sends the header with each."""
    evidence = changed("users", **{"flow.served_by": {f"{A}/1": 4000, f"{A}/2": 4030}}, **settings)
    assert named(evidence)["replicas_all_used"].passed is passed


@pytest.mark.parametrize(
    ("of", "settings", "name", "passed", "warning"),
    [
        # Status 503 and timeouts are results, and fail no check.
        ("users", {"flow.failure_kinds": {"status_503": 900, "timeout": 40}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"status_429": 5000}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"status_408": 500, "status_425": 9}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"failed_by_scenario": 5812}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"other_exception": 900}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"no_response": 900}}, "errors_explained", True, False),
        ("search", {"flow.failure_kinds": {"not_sent": 900}}, "errors_explained", True, False),
        # Rejected requests are results. The sentence advises to check the scenario.
        ("users", {"flow.failure_kinds": {"status_422": 5}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"status_422": 5812}}, "errors_explained", False, True),
        # One broken connection in 5,812 requests.
        ("users", {"flow.failure_kinds": {"reset": 5}}, "errors_explained", True, False),
        ("users", {"flow.failure_kinds": {"reset": 6}}, "errors_explained", False, False),
        ("users", {"flow.failure_kinds": {"reset": 6, "status_404": 900}}, "errors_explained", False, False),
        ("users", {"flow.failure_kinds": {"unreachable": 6}}, "errors_explained", False, False),
        ("users", {"flow.failure_kinds": {"load_host": 6}}, "errors_explained", False, False),
        ("users", {"flow.failure_kinds": {"unreadable": 6}}, "errors_explained", False, False),
        ("users", {"flow.failure_kinds": {"blocked": 6}}, "errors_explained", False, False),
        # CPU use of other programs is a warning while a core is free. Without a free core, the attempt is invalid.
        ("users", {"machines.e2e-api.external_cpu_cores": 0.1}, "foreign_cpu", True, True),
        ("users", {"machines.e2e-api.external_cpu_cores": 0.6}, "foreign_cpu", False, True),
        (
            "users",
            {"machines.e2e-api.external_cpu_cores": 0.6, "machines.e2e-api.busy_percent": 97.0},
            "foreign_cpu",
            False,
            False,
        ),
        ("users", {"machines.e2e-api.other_own_cpu_cores": 0.2}, "api_host_alone", True, True),
        ("users", {"machines.e2e-api.other_own_cpu_cores": 0.21}, "api_host_alone", False, True),
        ("users", {"machines.e2e-api.steal_percent": 12.0}, "steal_cpu", False, False),
        ("users", {"clock_offset_seconds": 0.2}, "clock_offset", True, True),
        ("users", {"clock_offset_seconds": 5.0}, "clock_offset", False, False),
        # The uncertainty of the comparison is as large as the offset.
        ("users", {"clock_offset_seconds": 0.9, "clock_bound_seconds": 0.8}, "clock_offset", True, True),
        ("users", {"flow.generator_cpu_percent": 89.9}, "generator_cpu", True, False),
        ("users", {"flow.generator_cpu_percent": 90.0}, "generator_cpu", False, False),
        # 0.5 % of 8,030 requests and one in flight for each of 20 users.
        ("users", {"proxy.requests": 8090}, "counted_by_haproxy", True, False),
        ("users", {"proxy.requests": 8091}, "counted_by_haproxy", False, False),
        ("search", {"recovery_probes": 900}, "counted_by_haproxy", False, False),
        # Overload is a result of the search: only a queue that shrinks gives a warning.
        ("search", {"flow.seconds.*.in_flight_mean": [1, 1, 2, 9, 20, 40, 60, 80.0]}, "steady_state", True, True),
        # So few requests that thirds differ by chance.
        ("users", {"flow.seconds.*.offered": [3, 2, 1, 2, 3, 1, 2, 4]}, "steady_state", True, False),
        ("users", {"flow.seconds.*.offered": [300, 300, 300, 0, 0, 0, 0, 0]}, "steady_state", False, False),
        # Each of 20 users sends a slow request every 2 s, or every 6 s, all at about the same time.
        ("users", {"flow.seconds.*.offered": [20, 0, 20, 0, 20, 0, 20, 0]}, "steady_state", False, True),
        ("users", {"flow.seconds.*.offered": [20, 0, 0, 0, 0, 0, 20, 0]}, "steady_state", False, True),
        ("users", {"flow.seconds.*.offered": [21, 0, 0, 0, 0, 0, 21, 0]}, "steady_state", False, False),
        # They do not send at the same time.
        ("users", {"flow.seconds.*.offered": [9, 10, 9, 3, 4, 4, 5, 5]}, "steady_state", False, False),
        ("search", {"flow.dropped": 240, "flow.ok": 23246}, "generator_kept_rate", False, False),
        # Requests of iterations count as in flight from the due time on, so their lag is part of the latency.
        ("search", {"flow.lag_mean_ms": 10.0}, "littles_law", False, False),
        ("search", {"flow.lag_mean_ms": 10.0, "flow.iterations": (23486, 0)}, "littles_law", True, False),
        # Of iterations: requests alone would be enough for the rate, or too few.
        ("search", {"flow.iterations": (12000, 0)}, "generator_kept_rate", False, False),
        ("search", {"flow.iterations": (23486, 0), "flow.offered": 9000}, "generator_kept_rate", True, False),
        ("search", {"flow.iterations": (23486, 400)}, "generator_kept_rate", False, False),
        ("search", {"flow.lag_p99_ms": 5.0}, "generator_kept_rate", True, False),
        # A share of the limit, where that is more: 2 % of 1 s.
        ("search", {"flow.lag_p99_ms": 19.0, "slo.p95_ms": 1000}, "generator_kept_rate", True, False),
        ("search", {"flow.kind": "constant"}, "generator_kept_rate", True, False),
        ("search", {"flow.kind": "constant", "flow.rate_rps": 3000.0}, "generator_kept_rate", False, False),
        # Requests at the edges of the window, two for each of two workers.
        ("search", {"flow.ok": 23482}, "requests_conserved", True, False),
        ("search", {"flow.ok": 23491}, "requests_conserved", False, False),
        ("users", {"proxy.servers.api-1.req_tot": 5027}, "replicas_share_load", True, True),
        ("users", {"proxy.servers.api-1.req_tot": 5028}, "replicas_share_load", False, True),
        # Three processes of two: one died and was replaced.
        (
            "users",
            {"flow.served_by": {f"{A}/1": 90, f"{A}/2": 90, f"{A}/3": 90, f"{B}/1": 90, f"{B}/2": 90}},
            "workers_all_used",
            False,
            True,
        ),
        ("users", {"flow.served_by": {A: 3000, B: 3000}}, "workers_all_used", None, True),
        ("users", {"flow.served_by": {f"{A}/1": 9, f"{B}/1": 9}}, "workers_all_used", None, True),
    ],
)
def test_on_which_side_of_its_limit(of, settings, name, passed, warning):
    found = named(changed(of, **settings))[name]
    assert (found.passed, found.warning) == (passed, warning), found.sentence


def test_a_ratio_just_above_its_limit_is_not_shown_as_the_limit():
    """As of 246.5 and 196.6 requests/s, with a limit of 1.25."""
    offered = [2465, 2465, 2465, 2200, 2200, 1966, 1966, 1966]
    found = named(changed("users", **{"flow.seconds.*.offered": offered}))["steady_state"]
    assert found.passed is False
    assert "by a factor of 1.2538 (limit 1.2500)" in found.sentence


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"unreadable": 60}, "longer than 16 MiB"),
        ({"reset": 60, "unreadable": 6}, "service.log"),
        ({"refused": 60}, "Look at HAProxy"),
        ({"blocked": 60}, "addresses outside the lab"),
        ({"load_host": 60}, "no file, port or memory left"),
    ],
)
def test_a_failure_on_the_way_says_where_to_look(kinds, words):
    assert words in named(changed("users", **{"flow.failure_kinds": kinds}))["errors_explained"].sentence


def test_a_closed_loop_without_think_time_is_bound_to_its_connections():
    probe = {"flow.kind": "closed", "flow.rate_rps": None, "flow.lag_p99_ms": None}
    # 23,486 requests in 8 s at 18.3 ms keep 54 connections busy.
    sound = named(changed("search", **probe, **{"flow.concurrency": 54}))
    assert sound["littles_law"].passed is True
    assert "generator_kept_rate" not in sound
    idle = named(changed("search", **probe, **{"flow.concurrency": 80}))["littles_law"]
    assert (idle.passed, idle.warning) == (False, False)


def test_wrong_responses_at_the_highest_load_fail_the_check_too():
    sound = from_json(record("search"))
    higher = replace(sound.flow, rate_rps=9000.0, different_responses=2)
    found = named(replace(sound, peak=higher))["answers_correct"]
    assert (found.passed, found.value) == (False, 2)
    # Counted once where the highest load is the one that is shown.
    assert named(replace(sound, flow=higher, peak=higher))["answers_correct"].value == 2


def test_a_search_that_the_generator_ended_must_have_proven_something():
    late = replace(from_json(record("search")), generator_limit="at 900 requests/s, requests were sent 40 ms late")
    nothing = named(replace(late, verified_rps=None))["generator_kept_rate"]
    assert (nothing.passed, nothing.warning) == (False, False)
    assert nothing.sentence.endswith("the limit. At 900 requests/s, requests were sent 40 ms late")
    # The capacity is at least the verified rate.
    assert named(replace(late, verified_rps=850.0))["generator_kept_rate"].passed is True


def second_replica(evidence: Evidence, **changes: Any) -> Deployment:
    """The deployment, with other values of its second container."""
    first, second = evidence.deploy.containers
    return msgspec.structs.replace(evidence.deploy, containers=[first, msgspec.structs.replace(second, **changes)])


def test_limits_as_labelled_names_what_differs():
    evidence = from_json(record("users"))
    for key, value, words in (
        ("nano_cpus", 10**9, "nano_cpus 1000000000"),
        ("memory_bytes", 0, "memory_bytes 0"),
        ("env", {"WEB_CONCURRENCY": "4"}, "WEB_CONCURRENCY 4, not 2"),
    ):
        found = named(replace(evidence, deploy=second_replica(evidence, **{key: value})))["limits_as_labelled"]
        assert found.passed is False
        assert words in found.sentence
    # Another image may read the number of workers from another variable.
    assert named(replace(evidence, deploy=second_replica(evidence, env={})))["limits_as_labelled"].passed is True
    alone = msgspec.structs.replace(evidence.deploy, containers=evidence.deploy.containers[:1])
    assert "replicas: 1, not 2" in named(replace(evidence, deploy=alone))["limits_as_labelled"].sentence
