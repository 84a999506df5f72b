"""The contract of each endpoint, requested from a running service with two workers."""

import json
import re
import socket

import httpx
import pytest
from bodies import BAD_BODIES, changed, post

from covertype_api.decoder import MAX_BODY_BYTES, MAX_ROWS
from covertype_api.schema import SAMPLE_ROW, SOIL_TYPES, WILDERNESS_AREAS


def test_predict_returns_every_row_in_order(api):
    rows = [SAMPLE_ROW, SAMPLE_ROW | {"Elevation": 3500, "Soil_Type": "C8776"}, SAMPLE_ROW]
    response = post(api, json.dumps({"rows": rows}))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    content = response.json()
    assert set(content) == {"predictions", "model_version"}
    assert content["model_version"] == "1"
    first, second, third = content["predictions"]
    assert first == third != second
    assert {first, second} <= set(range(1, 8))
    alone = [post(api, json.dumps({"rows": [row]})).json()["predictions"][0] for row in rows]
    assert alone == content["predictions"]


@pytest.mark.parametrize(("column", "values"), [("Wilderness_Area", WILDERNESS_AREAS), ("Soil_Type", SOIL_TYPES)])
def test_every_category_is_known(api, column, values):
    rows = [SAMPLE_ROW | {column: value} for value in values]
    assert len(post(api, json.dumps({"rows": rows})).json()["predictions"]) == len(values)


def test_constant_and_parsing_endpoints(api):
    assert api.client.get("/empty").json() == api.client.get("/empty").json()
    assert post(api, changed(), "/normalize").json() == {"rows": 1, "features": 54}
    assert api.client.get("/health").status_code == 200
    ready = api.client.get("/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "model_version": "1"})


@pytest.mark.parametrize("path", ["/predict", "/normalize"])
@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_rows_are_refused_with_the_field(api, case, path):
    body, field = BAD_BODIES[case]
    response = post(api, body, path)
    assert response.status_code == 422, response.text
    (problem,) = response.json()["detail"]
    assert problem["msg"]
    if field is not None:
        assert problem["field"] == field
        assert problem["loc"][:2] == ["body", "rows"]


def test_the_place_of_a_bad_value_is_named(api):
    body = json.dumps({"rows": [SAMPLE_ROW, SAMPLE_ROW | {"Soil_Type": "C1"}]})
    (problem,) = post(api, body).json()["detail"]
    assert problem["loc"] == ["body", "rows", 1, "Soil_Type"]
    assert "C1" in problem["msg"] and "C7745" in problem["msg"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_only_json_is_read(api, content_type):
    assert post(api, changed(), headers={"content-type": content_type}).status_code == 415


def test_json_with_parameters_is_json(api):
    assert post(api, changed(), headers={"content-type": "Application/JSON; charset=utf-8"}).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_refused(api, chunked):
    body = b" " * (MAX_BODY_BYTES + 1)
    content = iter([body[: MAX_BODY_BYTES // 2], body[MAX_BODY_BYTES // 2 :]]) if chunked else body
    response = post(api, content)
    assert response.status_code == 413
    assert "x-served-by" in response.headers


def test_the_largest_allowed_request_succeeds(api):
    body = json.dumps({"rows": [SAMPLE_ROW] * MAX_ROWS})
    response = post(api, body + " " * (MAX_BODY_BYTES - len(body)))
    assert len(response.json()["predictions"]) == MAX_ROWS


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/empty", 405), ("GET", "/nowhere", 404)]
)
def test_wrong_method_and_path(api, method, path, status):
    response = api.client.request(method, path)
    assert response.status_code == status
    assert "x-served-by" in response.headers


def test_every_worker_signs_its_responses(api):
    signatures = set()
    for _ in range(200):
        # A connection stays with its worker.
        response = httpx.get(f"{api.url}/empty")
        assert re.fullmatch(rf"{re.escape(socket.gethostname())}/\d+", response.headers["x-served-by"])
        assert "server" not in response.headers
        signatures.add(response.headers["x-served-by"])
        if len(signatures) == 2:
            break
    assert len(signatures) == 2
