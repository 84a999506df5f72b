"""The requests of OpenAPI documents, and what no document may do to the reader."""

import copy
import json

import pytest

from swarmsweep.errors import InputError
from swarmsweep.starter.files import scenario_text
from swarmsweep.starter.openapi import PIXEL_PNG, api_of, read_document
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


MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join(12 * [f'*{before}'])}]}}\n"
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"<html>", b"{", b'{"openapi": "3.0.0"}', b'{"paths": []}', b"\xff", b"a: &a [*a]"),
        *(b"paths: {/a: !!bool x}", b"paths: {/a: !!int ''}", b"paths: {/a: !!timestamp x}"),
        b"paths: {/a: " + b"9" * 5000 + b"}",
        MERGED.encode(),
    ],
)
def test_another_document_is_refused(data):
    with pytest.raises(InputError, match=r"is not an OpenAPI document; allowed: JSON or YAML .* ./lab new curl"):
        read_document(data, "x.json")


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(10 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{LAUGHS}paths: {{/predict: {{post: {{example: *i}}}}}}", "has more than 1000000 values"),
        ("paths: &p {/a: *p}", "is nested more than 100 levels deep"),
        ("paths: {/a: {post: {example: %s}}}" % ("[" * 150 + "]" * 150), "is nested more than 100 levels deep"),
        ("paths: {/a: {post: {example: .nan}}}", "has the number nan, which JSON does not have"),
        ("paths: {/a: {post: {example: !!binary aGk=}}}", r"has a value that JSON does not have \(bytes\)"),
    ],
)
def test_what_cannot_become_a_literal_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read_document(text.encode(), "x")


def test_a_date_is_text():
    document = read_document(b"paths: {/a: {post: {requestBody: {content: {json: {example: 2026-02-30}}}}}}", "x")
    assert api_of(document, "x").requests[0].body == "2026-02-30"


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


def test_yaml_is_read_too():
    data = b"openapi: 3.0.0\npaths:\n  /predict:\n    post: {}\n"
    assert api_of(read_document(data, "x"), "x").requests[0].title == "POST /predict"


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
