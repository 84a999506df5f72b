"""For any request, the service returns a response, and never an internal error."""

import json

import pytest
import schemathesis
from bodies import ALMOST_ROWS, JSON_VALUES, ROWS, post
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("path", ["/empty", "/normalize", "/predict", "/health", "/ready", "/metrics"])
def test_schema_holds(api, path):
    """Requests made from /openapi.json, right and wrong ones, get the responses that it promises."""
    schema = schemathesis.openapi.from_url(f"{api.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    (operation,) = [operation for operation in operations if operation.path == path]

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case):
        assert case.call_and_validate().status_code != 500

    check()


@BOUNDED
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_good_rows_get_classes(api, rows):
    response = post(api, json.dumps({"rows": rows}).encode())
    assert response.status_code == 200, response.text
    predictions = response.json()["predictions"]
    assert len(predictions) == len(rows)
    assert set(predictions) <= set(range(1, 8))


@BOUNDED
@given(content=st.fixed_dictionaries({"rows": st.lists(ALMOST_ROWS, max_size=3) | JSON_VALUES}) | JSON_VALUES)
def test_any_json_gets_a_response(api, content):
    response = post(api, json.dumps(content).encode())
    assert response.status_code in (200, 422), response.text
    if response.status_code == 422:
        assert response.json()["detail"][0]["loc"][0] == "body"


@BOUNDED
@given(body=st.binary(max_size=400))
def test_any_bytes_are_refused(api, body):
    assert post(api, body).status_code == 422
