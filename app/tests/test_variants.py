"""The ladder: its stages, what they agree on, and choices that cannot be."""

import functools
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import httpx
import pandas as pd
import pytest
from bodies import ALMOST_ROWS, BAD_BODIES, JSON, JSON_VALUES, ROWS, changed, post
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covertype_api.decoder import MAX_BODY_BYTES, MAX_ROWS
from covertype_api.schema import NUMBERS, SAMPLE_ROW
from covertype_api.variants import PRESETS

LADDER = """
                     | connections | columns      | model              | predictor | decoder  | logging | batching
prints               | fresh       | each_request | twice_each_request | pyfunc    | pydantic | prints  | none
no_prints            | fresh       | each_request | twice_each_request | pyfunc    | pydantic | logging | none
no_redundant_mlflow  | pooled      | each_request | each_request       | pyfunc    | pydantic | logging | none
cached_columns       | pooled      | memory       | each_request       | pyfunc    | pydantic | logging | none
cached_columns_redis | pooled      | redis        | each_request       | pyfunc    | pydantic | logging | none
cached_model         | pooled      | memory       | once               | pyfunc    | pydantic | logging | none
native               | pooled      | memory       | once               | sklearn   | msgspec  | logging | none
onnx                 | pooled      | memory       | once               | onnx      | msgspec  | logging | none
onnx_batched         | pooled      | memory       | once               | onnx      | msgspec  | logging | micro
"""


def test_stages_are_those_of_the_ladder_in_order():
    header, *lines = ([cell.strip() for cell in line.split("|")] for line in LADDER.strip("\n").splitlines())
    expected = {name: dict(zip(header[1:], cells, strict=True)) for name, *cells in lines}
    assert {name: asdict(variant) for name, variant in PRESETS.items()} == expected
    assert list(PRESETS) == list(expected)


REFUSED = {
    **{
        f"unknown {choice}": ({f"API_{choice.upper()}": "nonsense"}, f"API_{choice.upper()} is 'nonsense'", allowed)
        for choice, allowed in {
            "variant": list(PRESETS),
            "connections": ["fresh", "pooled"],
            "columns": ["each_request", "redis", "memory"],
            "model": ["twice_each_request", "each_request", "once"],
            "predictor": ["pyfunc", "sklearn", "onnx"],
            "decoder": ["pydantic", "msgspec"],
            "logging": ["prints", "logging"],
            "batching": ["none", "micro"],
        }.items()
    },
    **{
        f"a batch cannot share {value} of {name}": ({"API_BATCHING": "micro", name: value}, "API_BATCHING", [name])
        for name, value in (
            ("API_MODEL", "each_request"),
            ("API_MODEL", "twice_each_request"),
            ("API_COLUMNS", "each_request"),
            ("API_COLUMNS", "redis"),
        )
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_impossible_choices_end_the_start(plain_env, tmp_path, case):
    env, message, allowed = REFUSED[case]
    command = [sys.executable, "-m", "covertype_api"]
    done = subprocess.run(command, env=plain_env | env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
    for word in allowed:
        assert word in line


@pytest.fixture(scope="session")
def pipeline(lab, trained):
    """The champion, loaded and run without the service."""
    import mlflow

    mlflow.set_tracking_uri(lab.mlflow.uri)
    return mlflow.sklearn.load_model("models:/covertype@champion")


@pytest.fixture(scope="session")
def tables():
    """Makes a thousand rows in the raw columns, of the requested kind."""
    from covertype_api.training import data

    @functools.cache
    def make(kind: str, path: Path | None) -> pd.DataFrame:
        if path is not None:
            return data.load(str(path), None, seed=1, rows_limit=MAX_ROWS).rows
        rows = data.generate(MAX_ROWS, seed=11).rows
        if kind == "with fractions":
            chance = random.Random(11)
            for name in NUMBERS:
                rows[name] = [round(value + chance.uniform(-1, 1), 3) for value in rows[name]]
        return rows

    return make


@pytest.mark.parametrize("kind", ["generated", "real", "with fractions"])
def test_every_stage_agrees_class_for_class(request, stage, pipeline, tables, kind):
    table = tables(kind, request.getfixturevalue("real_rows") if kind == "real" else None)
    response = post(stage.api, json.dumps({"rows": table.to_dict("records")}))
    assert response.status_code == 200, response.text
    expected = pipeline.predict(table).tolist()
    assert len(set(expected)) > 3
    assert response.json() == {"predictions": expected, "model_version": "1"}


def test_one_row_gets_what_it_gets_among_others(stage, pipeline):
    from covertype_api.training import data

    rows = data.generate(5, seed=12).rows
    alone = [post(stage.api, json.dumps({"rows": [row]})).json()["predictions"] for row in rows.to_dict("records")]
    assert [label for (label,) in alone] == pipeline.predict(rows).tolist()


def test_requests_at_the_same_time_get_their_own_responses(stage, pipeline):
    from covertype_api.training import data

    slow = stage.variant.model != "once"
    sizes = [1, 3, 1, 7, 64, 1, 100, 2] * (1 if slow else 10)
    rows = data.generate(sum(sizes), seed=13).rows
    expected, records = pipeline.predict(rows).tolist(), rows.to_dict("records")
    starts = [sum(sizes[:index]) for index in range(len(sizes))]

    def predict(start: int, size: int) -> list[int]:
        body = json.dumps({"rows": records[start : start + size]})
        response = httpx.post(f"{stage.api.url}/predict", content=body, headers=JSON, timeout=60)
        assert response.status_code == 200, response.text
        return response.json()["predictions"]

    with ThreadPoolExecutor(16) as pool:
        predicted = list(pool.map(predict, starts, sizes))
    assert predicted == [expected[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def test_ready_returns_the_version_and_normalize_the_shape(stage):
    assert stage.api.client.get("/ready").json() == {"ready": True, "model_version": "1"}
    shape = post(stage.api, json.dumps({"rows": [SAMPLE_ROW] * 3}), "/normalize").json()
    # A pipeline takes the raw columns, everything else the features.
    assert shape == {"rows": 3, "features": 12 if stage.variant.predictor == "pyfunc" else 54}


def place(response: httpx.Response) -> tuple[int, str | None]:
    """Status of a refusal and the field that it names."""
    (problem,) = response.json()["detail"]
    assert problem["msg"] and problem["loc"][0] == "body"
    return response.status_code, problem["field"]


def test_every_stage_refuses_the_same(stage, api):
    different = {}
    for case, (body, field) in BAD_BODIES.items():
        for path in ("/predict", "/normalize"):
            here, there = place(post(stage.api, body, path)), place(post(api, body, path))
            if not here[0] == there[0] == 422 or (field is not None and not here[1] == there[1] == field):
                different[case, path] = here, there
    assert not different


def test_every_stage_names_the_place(stage):
    body = json.dumps({"rows": [SAMPLE_ROW, SAMPLE_ROW | {"Soil_Type": "C1"}]})
    (problem,) = post(stage.api, body).json()["detail"]
    assert problem["loc"] == ["body", "rows", 1, "Soil_Type"]
    assert "C7745" in problem["msg"]


def test_every_stage_reads_json_of_bounded_size_only(stage):
    large = b" " * (MAX_BODY_BYTES + 1)
    assert post(stage.api, changed(), headers={"content-type": "text/csv"}).status_code == 415
    assert post(stage.api, changed(), headers={}).status_code == 415
    assert post(stage.api, large).status_code == 413
    assert post(stage.api, iter([large[:-5], large[-5:]])).status_code == 413
    assert post(stage.api, changed()).status_code == 200


def test_every_stage_describes_itself_alike(stage, api):
    assert stage.api.client.get("/openapi.json").json() == api.client.get("/openapi.json").json()


def test_every_stage_responds_to_any_body(stage):
    @settings(
        max_examples=10 if stage.variant.model != "once" else 60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(
        body=st.builds(
            lambda content: json.dumps(content).encode(),
            st.fixed_dictionaries({"rows": st.lists(ROWS | ALMOST_ROWS, max_size=3) | JSON_VALUES}) | JSON_VALUES,
        )
        | st.binary(max_size=200)
    )
    def check(body):
        response = post(stage.api, body)
        assert response.status_code in (200, 422), response.text
        if response.status_code == 422:
            assert response.json()["detail"][0]["loc"][0] == "body"

    check()
