"""pydantic's errors on a sweep file as text: the value as written, what is allowed, how to write it."""

import difflib
from typing import Any

from pydantic import ValidationError

from swarmsweep.shared.request_record import MAX_NAME_CHARACTERS
from swarmsweep.sweep.json_schema import schema_at
from swarmsweep.sweep.models import TAGS, CapacitySection, FixedSection
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.scalars import describe, text_fault
from swarmsweep.sweep.values import MODES
from swarmsweep.sweep.yaml_tree import Node
from swarmsweep.units import quoted

Location = tuple[str | int, ...]  # as in pydantic: keys, positions, and the tags of variants
Place = tuple[str | int, ...]  # the same without tags

# By the kind of an error: pydantic's kinds, and our own from "scalar" on, which also have our own message.
# {description}, {title} and {maxItems} are of the JSON schema; the others are those of `_words`.
_TEXTS = {
    "model_type": "expected a mapping with {keys}, but this is {kind}",
    "list_type": "expected a list, for example {example}, but this is {kind}",
    "too_short": "is an empty list; write at least one value, for example {example}",
    "too_long": "has {length} {title}; allowed: up to {maxItems}",
    "greater_than_equal": "{text} is out of range; allowed: {description}",
    "less_than_equal": "{text} is out of range; allowed: {description}",
    "int_type": "{text} is not a whole number; allowed: {description}",
    "string_pattern_mismatch": "{quoted} is not valid; allowed: {description}",
    "literal_error": "{quoted} is not valid; allowed: {description}",
    "scalar": "{message}; allowed: {description}",
    "memory": "{message}; {description}",
    "scenario": "{message}",
    "empty": "is empty; {verb} {some}",
}
# By the tag of a mode: the mode, the other one, and the keys that only the other one has.
_FIXED, _CAPACITY = set(FixedSection.model_fields), set(CapacitySection.model_fields)
_OTHER_MODE = {
    "<fixed>": ("fixed", "capacity", _CAPACITY - _FIXED),
    "<capacity>": ("capacity", "fixed", _FIXED - _CAPACITY),
}
# By the last part of a place: the keys of a mapping that has none with a fixed name.
_FURTHER_KEYS: dict[Location, str] = {
    ("env",): "variables, as NAME: value",
    ("secrets",): "variables, as NAME: value",
    ("endpoints",): 'requests, as "POST /predict": {p95_ms: 200}',
}
_KEY_ERRORS = ("missing", "extra_forbidden", "unknown_axis")


def add_errors(error: ValidationError, tree: Node, problems: Problems) -> set[Place]:
    """Note all errors of a validation, and return their places."""
    details = error.errors(include_url=False, include_context=False)
    refused_keys = {each["loc"] for each in details if each["type"] in _KEY_ERRORS}
    for each in details:
        location, kind, message = each["loc"], each["type"], each["msg"]
        if kind in _KEY_ERRORS:
            parent, name = _node_at(tree, location[:-1]), str(location[-1])
            text = "is missing" if kind == "missing" else _unknown_key(name, location)
            problems.add(parent.line_of(name), parent.place(name), text)
            continue
        if any(location[:length] in refused_keys for length in range(1, len(location) + 1)):
            continue
        if kind == "union_tag_not_found":  # the error is on the load, whose tag is the mode
            location = (*location, "<fixed>", "mode")
            fault = text_fault(_node_at(tree, location))
            kind, message = ("scalar", fault) if fault else ("literal_error", "")
        node = _node_at(tree, location)
        problems.add(node.line, node.key, _TEXTS[kind].format_map(_words(node, location, message)))
    # The last part may be a user's key that looks like a tag.
    return {(*(part for part in each["loc"][:-1] if part not in TAGS), each["loc"][-1]) for each in details}


def _node_at(tree: Node, location: Location) -> Any:
    node: Any = tree
    for part in location:
        node = node if part in TAGS else node[part]
    return node


def _words(node: Node, location: Location, message: str) -> dict[str, Any]:
    """The values that a text may quote."""
    schema = schema_at(location)
    named, further = ", ".join(schema.get("properties", ())), _FURTHER_KEYS.get(location[-1:], "")
    return schema | {
        "message": message,
        "kind": describe(node),
        "text": node,
        "quoted": quoted(str(node)),
        "length": len(node),
        "keys": named or further,
        "some": f"at least one of {named}" if named else further,
        "verb": "set" if location[0] == "slo" else "name",
        "example": str(schema.get("examples", [""])[0]).replace("'", ""),  # a list as YAML writes it
    }


def _unknown_key(name: str, location: Location) -> str:
    parent = schema_at(location[:-1])
    keys = list(parent["properties"])
    if (
        location[0] == "load" and "patternProperties" not in parent
    ):  # the load or a case, and not the cells to which a case applies
        here, other, fields = _OTHER_MODE[str(location[1])]
        if name in fields:
            allowed = ", ".join(key for key in keys if key != "when")
            return f"belongs to mode {other} ({MODES[other]}); allowed in mode {here}: {allowed}"
    close = difflib.get_close_matches(name.lower()[:40], keys, n=1, cutoff=0.6)
    nearest = f" (did you mean {close[0]}?)" if close else ""
    if len(location) > 2 and location[-2] in ("env", "secrets"):
        return f"is not a name of a variable{nearest}; allowed: A-Z, 0-9 and _ (2 to 40 characters, the first a letter)"
    if location[:-1] == ("slo", "endpoints"):
        allowed = f"method, a space and the name in Locust, up to {MAX_NAME_CHARACTERS} characters, as POST /predict"
        return f"is not the name of a request; allowed: {allowed}"
    if "patternProperties" in parent:
        keys.append("and environment variables of the API in capitals (A-Z, 0-9 and _, 2 to 40 characters)")
    return f"is unknown{nearest}; allowed: {', '.join(keys)}"
