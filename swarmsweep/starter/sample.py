"""A value that fits a JSON schema, as OpenAPI uses it: examples first, else the simplest value of the type."""

from collections.abc import Mapping
from typing import Any

# A document may refer to itself, and may be written by anyone.
MAX_DEPTH = 12
MAX_VALUES = 5000
# Items of an array for which the schema wants more than this are not written.
MAX_ITEMS = 20
# An example of each format that has a name in the specification.
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "byte": "dGV4dA==",
    "password": "text",
}


class Sampler:
    """Makes values for the schemas of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._left = MAX_VALUES

    def resolve(self, node: Any) -> dict[str, Any]:
        """The object to which a reference leads; empty for one that leads nowhere, or out of the document."""
        for _ in range(MAX_DEPTH):
            if not isinstance(node, dict):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self._document if reference.startswith("#/") else None
            for part in reference[2:].split("/"):
                part = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
                node = node.get(part) if isinstance(node, dict) else None
        return {}

    def value(self, schema: Any, depth: int = 0) -> Any:
        """A value of the schema; None where the limits are reached."""
        self._left -= 1
        schema = self.resolve(schema)
        if self._left < 0 or depth > MAX_DEPTH:
            return None
        for key in ("example", "default", "const"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        if isinstance(schema.get("allOf"), list):
            return self.value(self._merged(schema, depth), depth + 1)
        for key in ("oneOf", "anyOf"):
            choices = [choice for choice in _list(schema.get(key)) if self.resolve(choice).get("type") != "null"]
            if choices:
                return self.value(choices[0], depth + 1)
        return self._of_type(schema, depth)

    def _merged(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """A schema with the keys of all parts of allOf."""
        merged: dict[str, Any] = {"properties": {}, "required": []}
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return merged
        for part in [*_list(schema["allOf"]), {key: value for key, value in schema.items() if key != "allOf"}]:
            part = self.resolve(part)
            if isinstance(part.get("allOf"), list):
                part = self._merged(part, depth + 1)
            merged["properties"] |= _dict(part.get("properties"))
            merged["required"] += _list(part.get("required"))
            merged |= {key: value for key, value in part.items() if key not in ("properties", "required")}
        if not merged["properties"]:
            del merged["properties"]
        return merged

    def _of_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, depth)
        if kind == "array" or (kind is None and "items" in schema):
            least = schema.get("minItems")
            count = min(least, MAX_ITEMS) if isinstance(least, int) and least > 0 else 1
            return [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]
        if kind in ("integer", "number"):
            return _number(schema, whole=kind == "integer")
        if kind == "boolean":
            return True
        if kind == "null":
            return None
        return _text(schema)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """The required properties, or all if none is required. A property with an example is useful too."""
        properties = {name: self.resolve(part) for name, part in _dict(schema.get("properties")).items()}
        required = set(map(str, _list(schema.get("required"))))
        return {
            name: self.value(part, depth + 1)
            for name, part in properties.items()
            if part.get("readOnly") is not True and (not required or name in required or "example" in part)
        }


def _number(schema: dict[str, Any], *, whole: bool) -> int | float:
    """1, or the nearest number that the schema allows."""
    low: Any = schema.get("minimum")
    high: Any = schema.get("maximum")
    step: Any = schema.get("multipleOf")
    above: Any = schema.get("exclusiveMinimum")
    below: Any = schema.get("exclusiveMaximum")
    # In OpenAPI 3.0, the two are booleans that belong to minimum and maximum.
    if above is True:
        above = low
    if below is True:
        below = high
    value: int | float = 1
    if _is_number(low) and value < low:
        value = low
    if _is_number(above) and value <= above:
        value = above + 1 if whole or not _is_number(high) else (above + high) / 2
    if _is_number(high) and value > high:
        value = high
    if _is_number(below) and value >= below:
        value = below - 1 if whole or not _is_number(low) else (below + low) / 2
    if _is_number(step) and step > 0 and value % step:
        value = (value // step + 1) * step
    return int(value) if whole and value == int(value) else value


def _text(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "text")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < least <= 1000:
        text = (text * least)[:least]
    return text[:most] if isinstance(most, int) and 0 <= most < len(text) else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
