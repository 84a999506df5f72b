"""Prometheus text as prometheus_client writes it -> where the time of a request goes."""

import pytest
from run_folder import METRICS

from swarmsweep.errors import LabError
from swarmsweep.raw.api_metrics import ApiMetrics, EndpointTimes, parse_metrics, pool, request_parts

FIRST, SECOND = (METRICS / f"metrics-{letter * 12}.prom" for letter in "ab")
SINGLE = METRICS / "single.prom"
NONE = {"database": None, "mlflow": None, "preparing": None, "inference": None}


def parsed(*paths):
    """Metrics of each file."""
    return [parse_metrics(path.read_text(), path.name) for path in paths]


def test_a_replica_is_the_sum_of_its_workers():
    (replica,) = parsed(FIRST)
    predict = replica.times["/predict"]
    # Workers with 3 and 5 good answers of 0.5 s, and one bad one each.
    assert (predict.requests, predict.seconds) == (10, 4.5)
    assert predict.parts_seconds == {"database": 0.5, "mlflow": 2.0, "inference": 0.25}
    assert set(replica.times) == {"/predict", "/ready", "/health", "/metrics"}


def test_choices_are_the_labels_of_the_variant():
    choices = parsed(FIRST)[0].choices
    assert choices == {
        "variant": "no_redundant_mlflow",
        "model": "each_request",
        "columns": "each_request",
        "note": 'a "quote", a \\ and {}',
    }


def test_request_parts_of_several_replicas_are_pooled_by_counts():
    parts = request_parts(pool(parsed(FIRST, SECOND)))
    assert (parts.endpoint, parts.requests) == ("/predict", 20)
    assert parts.mean_ms == pytest.approx(1000 * 9.0 / 20)
    # Each good request called MLflow twice. The time of preparing is unknown, which is not zero.
    expected = {"database": 50.0, "mlflow": 200.0, "preparing": None, "inference": 25.0, "rest": 175.0}
    assert parts.parts_ms == pytest.approx(expected)
    assert list(parts.parts_ms) == list(expected)


def test_a_replica_of_one_process_says_the_same_among_much_else():
    (replica,) = parsed(SINGLE)
    assert (replica.times["/predict"].requests, replica.choices["variant"]) == (5, "native")
    assert request_parts(replica).parts_ms["database"] == pytest.approx(50.0)


def times(**endpoints):
    """Metrics of endpoints, each (requests, seconds, parts)."""
    return ApiMetrics({f"/{name}": EndpointTimes(*values) for name, values in endpoints.items()})


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (times(), None),
        (times(ready=(900, 9.0), health=(10, 1.0), metrics=(1, 1.0)), None),
        (times(predict=(0, 0.0)), None),
        (times(ready=(900, 9.0), empty=(10, 0.01)), ("/empty", 10, 1.0, NONE | {"rest": 1.0})),
        (times(normalize=(9, 9.0), predict=(10, 0.01)), ("/predict", 10, 1.0, NONE | {"rest": 1.0})),
        (times(b=(5, 0.005), a=(5, 0.01)), ("/a", 5, 2.0, NONE | {"rest": 2.0})),  # equal numbers: ordered by name
        (
            times(predict=(10, 0.1, {"inference": 0.06, "preparing": 0.07})),  # side by side: more than the whole
            ("/predict", 10, 10.0, NONE | {"inference": 6.0, "preparing": 7.0, "rest": 0.0}),
        ),
        (
            times(predict=(10, 0.1, {"database": 0.0})),  # measured, and nothing
            ("/predict", 10, 10.0, NONE | {"database": 0.0, "rest": 10.0}),
        ),
    ],
)
def test_the_endpoint_that_was_loaded(metrics, expected):
    parts = request_parts(metrics)
    if expected is None:
        assert parts is None
    else:
        endpoint, requests, mean_ms, parts_ms = expected
        assert (parts.endpoint, parts.requests) == (endpoint, requests)
        assert parts.mean_ms == pytest.approx(mean_ms)
        assert parts.parts_ms == pytest.approx(parts_ms)


TEXTS = [
    ("", {}, None),
    ("# only a comment\n", {}, None),
    ("up 1\n", {}, None),
    ("shop_request_seconds_count 5\n", {}, None),  # no endpoint
    ('shop_request_seconds_count{endpoint="/x"} NaN\n', {}, None),
    ('shop_request_seconds_count{endpoint="/x"} -1\n', {}, None),
    ('shop_request_seconds_count{endpoint="/x"} +Inf\n', {}, None),
    ('shop_part_seconds_sum{endpoint="/x",part="coffee"} 5\n', {}, None),  # a part that only another API has
    ('shop_request_seconds_count{endpoint="/x"} 5\n', {"/x": EndpointTimes(5)}, None),
    # An API behind a middleware that counts, too: never both.
    (
        'http_request_seconds_count{endpoint="/x"} 5\nshop_request_seconds_count{endpoint="/x"} 6\n',
        {"/x": EndpointTimes(6)},
        None,
    ),
    ('shop_variant_info{variant="a",pid="7"} 1\n', {}, {"variant": "a"}),
    ('shop_variant_info{pid="7"} 1\n', {}, None),
]


@pytest.mark.parametrize(("text", "endpoints", "choices"), TEXTS)
def test_texts_of_other_apis(text, endpoints, choices):
    assert parse_metrics(text) == ApiMetrics(endpoints, choices)


@pytest.mark.parametrize(
    "text", ["<!doctype html><p>Not here</p>", '{"error": 1}', "a{b=} c", 'x{y="z} 1', "a b c d e"]
)
def test_what_is_no_prometheus_text_is_refused_with_the_file(text):
    with pytest.raises(LabError, match=r"^metrics-1\.prom: is not Prometheus' text format"):
        parse_metrics(text, "metrics-1.prom")


def test_replicas_that_disagree_have_no_choices():
    same = [ApiMetrics({}, {"variant": "a"}), ApiMetrics({}, {"variant": "a"})]
    assert pool(same).choices == {"variant": "a"}
    assert pool([*same, ApiMetrics({}, {"variant": "b"})]).choices is None
    assert pool([*same, ApiMetrics({})]).choices is None
    assert pool([]) == ApiMetrics({}, None)
