"""The requests of OpenAPI documents, and what no document may do to the reader."""

import copy
import json

import pytest

from swarmsweep.errors import InputError
from swarmsweep.starter.body import PIXEL_PNG
from swarmsweep.starter.document import read_document
from swarmsweep.starter.files import scenario_text
from swarmsweep.starter.openapi import api_of
from swarmsweep.starter.request import FORM, JSON, NONE, Upload
from tests.swarmsweep.starter.documents import FASTAPI, SWAGGER


def test_what_fastapi_describes():
    api = api_of(FASTAPI, "openapi.json")
    assert (api.name, api.port, api.ready_path) == ("Iris API", None, "/ready")
    assert [request.title for request in api.requests] == ["POST /predict/", "POST /classify"]
    predict, classify = api.requests
    assert (predict.kind, predict.body) == (
        JSON,
        {"rows": [{"sepal": 5, "kind": "setosa"}, {"sepal": 5, "kind": "setosa"}]},
    )
    assert (classify.kind, classify.body) == (
        FORM,
        {"file": Upload("pixel.png", "image/png", PIXEL_PNG), "size": "224"},
    )
    assert api.others == ("GET /predict/{model_id}", "DELETE /predict/{model_id}", "GET /health", "GET /ready")


def test_path_and_query_are_filled():
    (request,) = api_of(FASTAPI, "x", "get  /predict/{model_id}").requests
    assert (request.method, request.kind) == ("GET", NONE)
    assert (request.path, request.name) == ("/predict/a%2Fb?top=3", "/predict/{model_id}")


def test_what_swagger_describes():
    api = api_of(SWAGGER, "swagger.json")
    (request,) = api.requests
    assert api.port == 5000
    assert (request.path, request.body) == ("/v1/score", {"text": 'it\'s "good"'})
    assert request.headers == {"X-Client": "shop"}
    # A key is never in the file.
    assert request.secret_headers == {"X-API-Key": "API_X_API_KEY"}
    (upload,) = api_of(SWAGGER, "x", "POST /upload").requests
    assert isinstance(upload.body["picture"], Upload)


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        ({"/a": {"get": {}, "post": {}}, "/b": {"delete": {}}}, ["POST /a"]),
        ({"/infer": {"get": {}}, "/a": {"post": {}}}, ["GET /infer"]),
        ({"/metrics": {"get": {}}, "/health": {"get": {}}, "/items": {"get": {}}}, ["GET /items"]),
        ({"/health": {"get": {}}}, ["GET /health"]),
        ({"/a": {"delete": {}}}, ["DELETE /a"]),
    ],
)
def test_which_operations_are_sent(paths, chosen):
    assert [request.title for request in api_of({"paths": paths}, "x").requests] == chosen


@pytest.mark.parametrize(
    ("servers", "path", "port"),
    [
        ([{"url": "http://localhost:9000/api/"}], "/api/predict", 9000),
        ([{"url": "/api"}], "/api/predict", None),
        ([{"url": "https://{host}/v2", "variables": {"host": {"default": "h"}}}], "/v2/predict", None),
        ([], "/predict", None),
    ],
)
def test_the_servers_path_comes_first(servers, path, port):
    api = api_of({"openapi": "3.0.0", "servers": servers, "paths": {"/predict": {"post": {}}}}, "x")
    assert (api.requests[0].path, api.port) == (path, port)


def test_variables_of_a_server_that_name_each_other_end():
    variables = {f"a{number}": {"default": f"{{a{number + 1}}}" * 4} for number in range(40)}
    document = {"servers": [{"url": "http://x/{a0}", "variables": variables}], "paths": {"/a": {"post": {}}}}
    assert api_of(document, "x").requests[0].path == "/a"


def test_titles_in_an_error_are_safe_for_a_terminal():
    with pytest.raises(InputError) as refused:
        api_of({"paths": {f"/\x1b[2J{number}": {"get": {}} for number in range(50)}}, "x", "GET /a")
    assert str(refused.value).isprintable()
    assert str(refused.value).endswith(", and 45 more")


def test_an_operation_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InputError, match="has no operation 'POST /x'; allowed: POST /predict/, POST /classify, GET"):
        api_of(FASTAPI, "x", "POST /x")
    with pytest.raises(InputError, match="has no operation; allowed: paths with get"):
        api_of({"paths": {"/a": {}}}, "x")


ODD = [None, 0, -1, 1.5, True, "", "x", [], {}, [None], ["x"], {"$ref": "#/paths"}, {"$ref": 3}, {"a": {"b": []}}]


def nodes(value, place=()):
    """Each place in a document."""
    yield place
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in entries:
        yield from nodes(part, (*place, key))


@pytest.mark.parametrize("document", [FASTAPI, SWAGGER], ids=["fastapi", "swagger"])
def test_any_damage_is_read_or_refused(document):
    """Each node is replaced by values of other types: the result is a scenario that compiles, or an InputError."""
    for place in nodes(document):
        if not place:
            continue
        for odd in ODD:
            damaged = copy.deepcopy(document)
            parent = damaged
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = odd
            try:
                api = api_of(read_document(json.dumps(damaged).encode(), "x"), "x")
            except InputError:
                continue
            compile(scenario_text(api, "x"), f"{place}={odd}", "exec")
