"""A value of each schema, within bounds."""

import pytest

from swarmsweep.starter.sample import MAX_VALUES, Sampler

CASES = [
    ({"type": "string"}, "text"),
    ({"type": "string", "minLength": 6}, "textte"),
    ({"type": "string", "maxLength": 2}, "te"),
    ({"type": "string", "format": "date"}, "2026-01-31"),
    ({"type": "integer"}, 1),
    ({"type": "integer", "minimum": 18}, 18),
    ({"type": "integer", "exclusiveMinimum": 4, "multipleOf": 3}, 6),
    ({"type": "integer", "maximum": -2}, -2),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.5),
    ({"type": "number", "minimum": 2, "exclusiveMinimum": True, "maximum": 3}, 2.5),
    ({"type": "boolean"}, True),
    ({"type": ["null", "integer"]}, 1),
    ({"type": "null"}, None),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
    ({"enum": ["a", "b"]}, "a"),
    ({"const": 7}, 7),
    ({"type": "string", "examples": ["x"]}, "x"),
    ({"example": {"a": 1}, "type": "object"}, {"a": 1}),
    ({"default": False}, False),
    ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, 1),
    ({"allOf": [{"$ref": "#/a"}, {"properties": {"y": {"const": 1}}, "required": ["y"]}]}, {"x": "text", "y": 1}),
    ({"properties": {"a": {"type": "integer"}, "b": {"readOnly": True}}}, {"a": 1}),
    ({"properties": {"a": {"type": "integer"}, "b": {}, "c": {"example": 3}}, "required": ["a"]}, {"a": 1, "c": 3}),
    ({"$ref": "#/a~1b"}, 5),
    ({"$ref": "https://example.com/x.json#/a"}, "text"),
    ({"$ref": "#/nowhere"}, "text"),
]  # fmt: skip
DOCUMENT = {"a": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}, "a/b": {"const": 5}}


@pytest.mark.parametrize(("schema", "expected"), CASES)
def test_values(schema, expected):
    value = Sampler(DOCUMENT).value(schema)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#/s"}, "b": {"$ref": "#/s"}}},
        {"type": "array", "items": {"$ref": "#/s"}, "minItems": 20},
        {"allOf": [{"$ref": "#/s"}, {"$ref": "#/s"}]},
        {"allOf": 8 * [{"$ref": "#/s"}]},
        {"anyOf": [{"$ref": "#/s"}]},
        {"$ref": "#/s"},
    ],
)
def test_a_schema_of_itself_ends(schema):
    sampler = Sampler({"s": schema})
    sampler.value(schema)
    assert sampler._left > -100 * MAX_VALUES
