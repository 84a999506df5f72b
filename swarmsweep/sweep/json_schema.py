"""The JSON schema of a sweep file, made from the models, for editors and for the texts of messages."""

import functools
import json
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from swarmsweep.sweep.models import TAGS, SweepFile

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """None means a missing key. So null is allowed nowhere, and is never a default."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        inner: Schema = (
            self.generate_inner(schema["schema"]) if schema.get("default") is None else super().default_schema(schema)
        )
        return inner

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        return value  # unchanged, as in the models

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # it would repeat the key


@functools.cache
def sweep_schema() -> Schema:
    """The whole schema."""
    schema = SweepFile.model_json_schema(schema_generator=_Generator)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as docs/sweep.schema.json holds it."""
    return json.dumps(sweep_schema(), indent=2) + "\n"


def schema_at(location: Sequence[str | int]) -> Schema:
    """The schema of a place. pydantic names the place in an error by keys, positions and the tags of variants."""
    place = sweep_schema()
    for part in location:
        if isinstance(part, int):
            place = place["items"]
        elif part in TAGS:
            place = place["oneOf"][TAGS[part]]
        else:
            further = next(iter(place.get("patternProperties", {}).values()), None)
            place = place["properties"].get(part, further)
        if "$ref" in place:
            place = sweep_schema()["$defs"][place["$ref"].rpartition("/")[2]] | place
    return place
