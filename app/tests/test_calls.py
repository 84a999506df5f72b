"""What each request of the service needs from its dependencies, as the dependencies count it."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from app.dependencies.lab import Lab
from bodies import changed, post

REQUESTS = 4
COLUMNS_QUERY = "FROM feature_columns"
LOOK_UP = "registered-models/alias"
MODEL_FILE = "/model.skops"
LOADS = {"twice_each_request": 2, "each_request": 1, "once": 0}


@dataclass
class Calls:
    """What came in; a list has one entry for each call: the connection that it came over."""

    queries: list[int] = field(default_factory=list)
    look_ups: list[int] = field(default_factory=list)
    downloads: list[int] = field(default_factory=list)
    redis: Counter = field(default_factory=Counter)


def redis_calls(lab: Lab) -> Counter:
    """Calls of each command so far (GET is `get`), and the connections."""
    statistics = lab.redis.run("INFO", "everything")
    commands = {name: entry["calls"] for name, entry in statistics.items() if name.startswith("cmdstat_")}
    connections = statistics["total_connections_received"]
    return Counter({name.removeprefix("cmdstat_"): calls for name, calls in commands.items()}, connections=connections)


@contextmanager
def counted(lab: Lab) -> Iterator[Calls]:
    """The calls that come in while the block runs; known at its end."""
    calls = Calls()
    queries, look_ups, downloads = (
        len(lab.postgres.queries(COLUMNS_QUERY)),
        len(lab.mlflow.requests(LOOK_UP)),
        len(lab.mlflow.requests(MODEL_FILE)),
    )
    redis = redis_calls(lab)
    yield calls
    calls.queries = lab.postgres.queries(COLUMNS_QUERY)[queries:]
    calls.look_ups = lab.mlflow.requests(LOOK_UP)[look_ups:]
    calls.downloads = lab.mlflow.requests(MODEL_FILE)[downloads:]
    # This count has a connection of its own.
    calls.redis = redis_calls(lab) - redis - Counter(connections=1)


def predict(stage, times: int = REQUESTS) -> None:
    for _ in range(times):
        assert post(stage.api, changed()).status_code == 200


def test_each_request_makes_the_calls_of_its_stage_and_no_other(lab, stage):
    predict(stage, 1)
    with counted(lab) as calls:
        predict(stage)
        for _ in range(3):
            assert stage.api.client.get("/ready").status_code == 200
    assert len(calls.queries) == (REQUESTS if stage.variant.columns == "each_request" else 0)
    assert len(calls.look_ups) == len(calls.downloads) == REQUESTS * LOADS[stage.variant.model]
    assert calls.redis["get"] == (REQUESTS if stage.variant.columns == "redis" else 0)
    assert calls.redis["set"] == 0


def test_connections_are_new_or_kept_as_the_stage_says(lab, stage):
    predict(stage, 1)
    with counted(lab) as calls:
        predict(stage)
    queries, loads = stage.variant.columns == "each_request", LOADS[stage.variant.model] > 0
    if stage.variant.connections == "fresh":
        # MLflow's own client keeps connections for each of its threads, so their number says nothing of the stage.
        assert len(set(calls.queries)) == (REQUESTS if queries else 0)
    else:
        assert len(set(calls.queries)) == int(queries)
        assert len({*calls.look_ups, *calls.downloads}) == int(loads)
    assert calls.redis["connections"] == 0


@pytest.mark.parametrize("stage", ["cached_columns_redis"], indirect=True)
def test_redis_is_filled_from_postgres(lab, stage):
    lab.redis.run("FLUSHALL")
    with counted(lab) as calls:
        predict(stage)
    assert len(calls.queries) == 1
    assert (calls.redis["get"], calls.redis["set"]) == (REQUESTS, 1)
    # A change of the table must take effect after a while.
    (key,) = lab.redis.run("KEYS", "*")
    assert 0 < lab.redis.run("TTL", key) <= 60


@pytest.mark.parametrize("stage", ["cached_columns_redis"], indirect=True)
@pytest.mark.parametrize(
    ("content", "source", "words"),
    [
        ("[]", "model", "lacks 54 columns"),
        ("{", "redis", "JSONDecodeError"),
        (json.dumps(["Elevation"]), "model", "lacks 53 columns"),
        (json.dumps({"a": 1}), "model", "lacks 54 columns"),
        ("\x00", "redis", "JSONDecodeError"),
    ],
)
def test_nonsense_in_redis_is_no_error_of_the_service(lab, stage, content, source, words):
    (key,) = lab.redis.run("KEYS", "*") or ["covertype:feature_columns"]
    lab.redis.run("SET", key, content)
    response = post(stage.api, changed())
    assert response.status_code == 503, response.text
    assert response.json()["waiting_for"].keys() == {source}
    assert words in response.json()["waiting_for"][source]
    lab.redis.run("DEL", key)
    stage.api.wait_until_ready()
    predict(stage)


def test_only_prints_prints(stage):
    predict(stage, 1)
    for _ in range(3):
        before = stage.api.log.stat().st_size
        predict(stage, 1)
        lines = stage.api.log.read_text()[before:].splitlines()
        printed = "\n".join(line for line in lines if not line.startswith("import time:"))
        if stage.variant.logging == "prints":
            # What came in and what went out.
            assert "Wilderness_Area" in printed and "predictions" in printed
        else:
            assert printed == ""
