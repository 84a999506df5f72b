"""Each check passes on a sound trial and fails on the one thing that it looks for."""

import pytest

from swarmsweep import checks
from swarmsweep.haproxy import ProxyDelta

CONFIG = {"replicas": 2, "cpus": 0.5, "memory_bytes": 629145600, "workers": 2}


def container(name="a", nano_cpus=500_000_000, memory_bytes=629145600, env=None):
    """One container as deploy.json lists it."""
    env = {"API_WORKERS": "2"} if env is None else env
    return {"id": name, "nano_cpus": nano_cpus, "memory_bytes": memory_bytes, "env": env}


PAIR = [container("a"), container("b")]


def after(**changes):
    """after.json of a trial in which nothing happened."""
    return {"restarts": 0, "changed": False} | changes


def proxy(requests=1000, shares=(500, 500), restarted=False):
    """HAProxy's counters over a trial."""
    servers = {f"api-{i}": {"req_tot": share, "stot": share} for i, share in enumerate(shares, start=1)}
    return ProxyDelta(requests, {}, servers, restarted)


@pytest.mark.parametrize(
    ("check", "passed", "words"),
    [
        (checks.generator_cpu([30.0, 89.9]), True, "had room"),
        (checks.generator_cpu([30.0, 90.0]), False, "the load generator itself was the limit"),
        (checks.generator_cpu([]), False, "no CPU sample"),
        (checks.workers_present(2, 2, 0, 2), True, "2 of 2"),
        (checks.workers_present(2, 1, 0, 2), False, "1 of 2"),
        (checks.workers_present(2, 2, 1, 2), False, "1 lost"),
        (checks.workers_present(2, 2, 0, 1), False, "1 left their records"),
        (checks.workers_present(2, None, None, 2), False, "None of 2"),
        (checks.load_as_planned(50, 50, 12.4, 12), True, "50 of 50 users"),
        (checks.load_as_planned(49, 50, 12, 12), False, "49 of 50 users"),
        (checks.load_as_planned(50, 50, 9, 12), False, "9.00 of 12 seconds"),
        (checks.some_requests(1), True, "1 requests"),
        (checks.some_requests(0), False, "no request"),
        (checks.counted_by_locust(1332, 1332), True, "1332"),
        (checks.counted_by_locust(1331, 1332), False, "1331"),
        (checks.counted_by_haproxy(1000, 40, proxy(1045)), True, "45 more"),
        (checks.counted_by_haproxy(1000, 40, proxy(1046)), False, "46 more"),
        (checks.counted_by_haproxy(1000, 40, proxy(954)), False, "46 fewer"),
        (checks.counted_by_haproxy(1000, 40, proxy(restarted=True)), False, "restarted"),
        (checks.counted_by_haproxy(1000, 40, proxy(None)), None, "not recorded"),
        (checks.counted_by_haproxy(1000, 40, None), None, "not recorded"),
        (checks.replicas_unchanged(PAIR, PAIR, after()), True, "0 of 2"),
        (checks.replicas_unchanged(PAIR, PAIR[:1], after()), False, "1 of 2"),
        (checks.replicas_unchanged(PAIR, PAIR, after(restarts=1)), False, "1 restarts"),
        (checks.replicas_unchanged(PAIR, PAIR, after(changed=True)), False, "0 of 2"),
        (checks.replicas_unchanged(PAIR, [], None), False, "not recorded"),
        (checks.limits_as_labelled(PAIR, CONFIG), True, "as the matrix says"),
        (checks.limits_as_labelled(PAIR[:1], CONFIG), False, "1 replicas, not 2"),
        (checks.limits_as_labelled([PAIR[0], container(nano_cpus=10**9)], CONFIG), False, "nano_cpus 1000000000"),
        (checks.limits_as_labelled([PAIR[0], container(memory_bytes=0)], CONFIG), False, "memory_bytes 0"),
        (checks.limits_as_labelled([PAIR[0], container(env={"API_WORKERS": "4"})], CONFIG), False, "API_WORKERS 4"),
        (checks.limits_as_labelled([PAIR[0], container(env={})], CONFIG), True, "as the matrix says"),  # another image
        (checks.requests_recorded_whole(True), True, "whole"),
        (checks.requests_recorded_whole(False), False, "broke off"),
        (checks.window_sampled(0.5), True, "cover"),
        (checks.window_sampled(None), None, "do not cover"),
        (checks.replicas_share_load(proxy(shares=(100, 125))), True, "1.25 times"),
        (checks.replicas_share_load(proxy(shares=(100, 126))), False, "1.26 times"),
        (checks.replicas_share_load(proxy(shares=(100, 0))), False, "another none"),
        (checks.replicas_share_load(proxy(shares=(100,))), None, "only one replica"),
    ],
)
def test_check(check, passed, words):
    assert check.passed is passed
    assert words in check.sentence
    assert set(check.as_json()) == {"name", "value", "limit", "passed", "sentence", "warning"}
