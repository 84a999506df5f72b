"""Reads an OpenAPI document, and refuses one that cannot become Python or is too large."""

import json
import math
from typing import Any

import yaml

from swarmsweep.errors import InputError

# Values of a document; an alias counts as often as it is used. Large public documents have some hundred thousand.
MAX_NODES = 1_000_000
# Keys of a mapping. A large public document has some hundred paths.
MAX_KEYS = 10_000
# Levels of lists and mappings. Python compiles no literal of more than 200, and documents have about 20.
MAX_LEVELS = 100


class _Loader(yaml.SafeLoader):
    """YAML as JSON has it: a date is text."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Take in merged mappings (<<). Each level of them can multiply the size."""
        super().flatten_mapping(node)
        if len(node.value) > MAX_KEYS:
            raise yaml.constructor.ConstructorError(None, None, f"more than {MAX_KEYS} keys", node.start_mark)


_Loader.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for sign, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_document(data: bytes, source: str) -> dict[str, Any]:
    """The document. Raises `InputError` for anything but an OpenAPI document."""
    try:
        text = data.decode("utf-8-sig")
        try:
            document = json.loads(text)
        except ValueError:
            document = yaml.load(text, Loader=_Loader)
    # PyYAML raises errors of many kinds for a tag whose value does not fit, as !!bool x.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise InputError(
            f"{source}: is not an OpenAPI document; allowed: JSON or YAML with openapi or swagger, and paths. "
            "FastAPI serves its document at /openapi.json. Without a document: ./lab new curl http://..."
        )
    refuse_unusable(document, source)
    return document


def refuse_unusable(document: Any, source: str) -> None:
    """Refuse what cannot become a literal of Python, or is too large.

    Aliases of YAML can make a short text a document of any size, or one that contains itself.
    """
    left, stack = MAX_NODES, [(document, 0)]
    while stack:
        node, level = stack.pop()
        left -= 1
        if left < 0:
            raise InputError(f"{source}: has more than {MAX_NODES} values; allowed: fewer. Write it without aliases")
        if level > MAX_LEVELS:
            raise InputError(f"{source}: is nested more than {MAX_LEVELS} levels deep; allowed: fewer levels")
        if isinstance(node, float) and not math.isfinite(node):
            raise InputError(f"{source}: has the number {node}, which JSON does not have; allowed: finite numbers")
        if not isinstance(node, dict | list | str | int | float | None):
            raise InputError(f"{source}: has a value that JSON does not have ({type(node).__name__}). Write it as text")
        parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        stack.extend((part, level + 1) for part in parts)
