"""OpenAPI documents that are read, and what no document may do to the reader."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.starter.document import read_document
from swarmsweep.starter.openapi import api_of

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


def test_yaml_is_read_too():
    data = b"openapi: 3.0.0\npaths:\n  /predict:\n    post: {}\n"
    assert api_of(read_document(data, "x"), "x").requests[0].title == "POST /predict"
