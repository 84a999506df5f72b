"""Figures at /metrics: complete over all workers, and true to the parts of a request."""

import os
import signal
import time
from collections import Counter

import httpx
import pytest
from app.dependencies.processes import wait_until
from app.dependencies.service import serving
from bodies import JSON, changed, post
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from covertype_api.metrics import BUCKETS, observe_many

Samples = dict[tuple[str, frozenset], float]
PREFIX = "covertype_api_"


def samples_of(response: httpx.Response) -> Samples:
    """Value of each sample by its name, without the prefix, and its labels."""
    families = text_string_to_metric_families(response.text)
    return {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def scrape(url: str) -> Samples:
    return samples_of(httpx.get(f"{url}/metrics", timeout=20))


def scrape_all(url: str, workers: int) -> Samples:
    """The samples, once each worker has rendered them: each adds first what it has not handed over yet."""
    rendered, samples = set(), {}

    def all_rendered() -> bool:
        nonlocal samples
        response = httpx.get(f"{url}/metrics", timeout=20)
        rendered.add(response.headers["x-served-by"])
        samples = samples_of(response)
        return len(rendered) == workers

    wait_until(all_rendered)
    return samples


def total(samples: Samples, name: str, **labels: str) -> float:
    """Sum over all samples of that name with these labels."""
    return sum(value for (known, having), value in samples.items() if known == name and labels.items() <= having)


def label_values(samples: Samples, name: str, label: str, **labels: str) -> set[str]:
    """Values of a label that were seen at least once, among samples with these labels."""
    return {
        dict(having)[label]
        for (known, having), value in samples.items()
        if known == name and labels.items() <= having and value > 0
    }


def grown(url: str, before: Samples, name: str, count: float, **labels: str) -> Samples:
    """The samples, once a count has grown by so much: what other workers have seen comes a little later."""
    samples = {}

    def enough() -> bool:
        nonlocal samples
        samples = scrape(url)
        return total(samples, name, **labels) - total(before, name, **labels) >= count

    wait_until(enough)
    return samples


def predict_anew(url: str, times: int) -> Counter:
    """How many requests each worker served. Connections stay with their worker, so each request has its own."""
    workers = Counter()
    for _ in range(times):
        response = httpx.post(f"{url}/predict", content=changed(), headers=JSON, timeout=20)
        assert response.status_code == 200, response.text
        workers[response.headers["x-served-by"]] += 1
    return workers


def predict_in_all(url: str, times: int, workers: int) -> Counter:
    """As predict_anew, and on until each worker has served one: the kernel chooses who takes a connection."""
    served = predict_anew(url, times)

    def all_served() -> bool:
        if len(served) < workers:
            served.update(predict_anew(url, 1))
        return len(served) == workers

    wait_until(all_served)
    return served


def parts_of(variant) -> set[str]:
    """The parts that a request of a variant has."""
    parts = {"preparing", "inference"}
    if variant.columns != "memory":
        parts.add("database")
    if variant.model != "once":
        parts.add("mlflow")
    return parts


@pytest.mark.parametrize("values", [[], [0.0], [0.5, 0.5, 0.500001], [1e-6, 0.003, 7.0, 99.0], [0.001] * 1000])
def test_many_observations_count_as_the_library_counts_each(values):
    one_by_one, together = (
        Histogram("seconds", "Seconds.", buckets=BUCKETS, registry=CollectorRegistry()) for _ in range(2)
    )
    for value in values:
        one_by_one.observe(value)
    observe_many(together, values)
    expected, got = (
        {(sample.name, *sample.labels.items()): sample.value for sample in histogram.collect()[0].samples}
        for histogram in (one_by_one, together)
    )
    assert {name: value for name, value in got.items() if "created" not in name[0]} == pytest.approx(
        {name: value for name, value in expected.items() if "created" not in name[0]}
    )


def test_each_request_counts_once_in_each_of_its_parts(stage):
    url = stage.api.url
    before = scrape(url)
    predict_anew(url, 5)
    assert post(stage.api, "{}").status_code == 422
    after = grown(url, before, "request_seconds_count", 6, endpoint="/predict")

    def delta(name: str, **labels: str) -> float:
        return total(after, name, endpoint="/predict", **labels) - total(before, name, endpoint="/predict", **labels)

    assert delta("request_seconds_count", status="200") == 5
    assert delta("request_seconds_count", status="422") == 1
    parts = parts_of(stage.variant)
    assert label_values(after, "part_seconds_count", "part", endpoint="/predict") == parts
    assert {part: delta("part_seconds_count", part=part) for part in parts} == dict.fromkeys(parts, 5)
    # Parts are no more than the whole, and all of them together are most of what happens.
    whole = delta("request_seconds_sum")
    in_parts = {part: delta("part_seconds_sum", part=part) for part in parts}
    assert all(seconds > 0 for seconds in in_parts.values())
    assert sum(in_parts.values()) <= whole


def test_histograms_are_whole(stage):
    predict_anew(stage.api.url, 1)
    samples = scrape(stage.api.url)
    for name in ("request_seconds", "part_seconds"):
        series = {having for known, having in samples if known == f"{name}_count"}
        assert series
        for labels in series:
            buckets = sorted(
                (float(dict(having)["le"]), value)
                for (known, having), value in samples.items()
                if known == f"{name}_bucket" and labels <= having
            )
            counts = [value for _, value in buckets]
            assert counts == sorted(counts)
            assert buckets[-1] == (float("inf"), samples[f"{name}_count", labels])
            # A border where a promise of 500 ms can be judged.
            assert 0.5 in dict(buckets)


def test_the_variant_is_reported(stage):
    samples = scrape(stage.api.url)
    expected = {"variant": stage.name} | stage.variant.choices()
    assert [(dict(having), value) for (name, having), value in samples.items() if name == "variant_info"] == [
        (expected, 1.0)
    ]


def test_counts_add_up_over_all_workers(api):
    # With all requests of the tests before.
    before = scrape_all(api.url, workers=2)
    count = predict_in_all(api.url, 60, workers=2).total()
    api.client.get("/no/such/path")
    grown(api.url, before, "request_seconds_count", count, endpoint="/predict")
    grown(api.url, before, "part_seconds_count", count, endpoint="/predict", part="inference")
    after = grown(api.url, before, "request_seconds_count", 1, endpoint="other")
    for name, labels in (("request_seconds", {}), ("part_seconds", {"part": "inference"})):
        counts = [total(samples, f"{name}_count", endpoint="/predict", **labels) for samples in (before, after)]
        assert counts[1] - counts[0] == count
    # A scanner's paths do not become labels.
    assert "/no/such/path" not in str(after)


def test_counts_survive_the_death_of_a_worker(lab, trained, tmp_path):
    """With every part in each request: single choices of a stage can be overridden."""
    choices = {"API_VARIANT": "onnx", "API_COLUMNS": "each_request", "API_MODEL": "each_request"}
    parts = ("database", "mlflow", "preparing", "inference")
    with serving(lab.env | choices, tmp_path, workers=2) as api:
        api.wait_until_ready()
        workers = predict_in_all(api.url, 20, workers=2)
        samples = grown(api.url, {}, "request_seconds_count", workers.total(), endpoint="/predict")
        for part in parts:
            samples = grown(api.url, {}, "part_seconds_count", workers.total(), endpoint="/predict", part=part)
            assert total(samples, "part_seconds_count", endpoint="/predict", part=part) == workers.total()
        assert total(samples, "request_seconds_count", endpoint="/predict") == workers.total()

        # Like a worker that starves before memory runs out: it has not replied to the supervisor, which checks
        # every half second, when it is killed.
        victim = int(next(iter(workers)).rpartition("/")[2])
        os.kill(victim, signal.SIGSTOP)
        time.sleep(1)
        os.kill(victim, signal.SIGKILL)
        signatures = set()

        def replaced() -> bool:
            try:
                signatures.add(httpx.get(f"{api.url}/ready", timeout=20).headers["x-served-by"])
            except httpx.TransportError:
                return False
            return len(signatures - workers.keys()) == 1

        wait_until(replaced, api.process, api.log)
        api.wait_until_ready()
        more = predict_anew(api.url, 20)
        assert more.keys() <= signatures and not any(name.endswith(f"/{victim}") for name in more)
        count = workers.total() + more.total()
        samples = grown(api.url, {}, "request_seconds_count", count, endpoint="/predict")
        assert total(samples, "request_seconds_count", endpoint="/predict") == count
        for part in parts:
            samples = grown(api.url, {}, "part_seconds_count", count, endpoint="/predict", part=part)
            assert total(samples, "part_seconds_count", endpoint="/predict", part=part) == count
        # Still one variant, whichever worker reported it.
        assert total(samples, "variant_info") == 1
