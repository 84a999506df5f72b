"""The body of a request by an OpenAPI document, and the value of a parameter."""

import json
from typing import Any

from swarmsweep.starter.request import FORM, JSON, NONE, TEXT, Upload
from swarmsweep.starter.sample import Sampler

_FORM_TYPE, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
# The smallest picture: one black pixel.
PIXEL_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)


class BodyReader:
    """Reads bodies. Whatever has another type than the specification says is left out."""

    def __init__(self, sampler: Sampler, *, is_swagger: bool) -> None:
        self._sampler = sampler
        self._swagger = is_swagger

    def parameter(self, parameter: dict[str, Any]) -> Any:
        """A value of a parameter."""
        if "example" in parameter:
            return parameter["example"]
        examples = parameter.get("examples")
        if isinstance(examples, dict) and examples:
            return self._sampler.resolve(next(iter(examples.values()))).get("value")
        # Swagger 2.0 has type and format in the parameter itself.
        return self._sampler.value(parameter.get("schema", parameter))

    def body(
        self, operation: dict[str, Any], parameters: dict[tuple[str, str], dict[str, Any]]
    ) -> tuple[str, Any, str | None, list[str]]:
        """Kind, value, content type and notes."""
        if self._swagger:
            return self._swagger_body(operation, parameters)
        content = self._sampler.resolve(operation.get("requestBody")).get("content")
        if not isinstance(content, dict) or not content:
            return NONE, None, None, []
        content = {str(kind): media for kind, media in content.items()}
        content_type = next((kind for kind in content if "json" in kind), next(iter(content)))
        media = self._sampler.resolve(content[content_type])
        value = self._media_value(media)
        if "json" in content_type:
            return JSON, value, None, []
        if content_type == _MULTIPART:
            return self._form(self._sampler.resolve(media.get("schema")), value)
        if content_type == _FORM_TYPE and isinstance(value, dict):
            return FORM, {str(name): as_text(part) for name, part in value.items()}, None, []
        return TEXT, as_text(value), content_type, [f"The body has the type {content_type}. Replace it by a real one."]

    def _media_value(self, media: dict[str, Any]) -> Any:
        if "example" in media:
            return media["example"]
        examples = media.get("examples")
        if isinstance(examples, dict) and examples:
            return self._sampler.resolve(next(iter(examples.values()))).get("value")
        return self._sampler.value(media.get("schema", {}))

    def _form(self, schema: dict[str, Any], value: Any) -> tuple[str, Any, str | None, list[str]]:
        """A form with files: a property of binary text is a file."""
        properties = schema.get("properties") if isinstance(schema.get("properties"), dict) else {}
        fields: dict[str, Any] = {}
        for name, part in (value if isinstance(value, dict) else {}).items():
            of = self._sampler.resolve((properties or {}).get(name))
            of = self._sampler.resolve(of.get("items")) if of.get("type") == "array" else of
            is_file = of.get("format") == "binary" or "contentMediaType" in of
            fields[str(name)] = Upload("pixel.png", "image/png", PIXEL_PNG) if is_file else as_text(part)
        notes = ["The file is a picture of one pixel. Replace it by a real one."] if _has_upload(fields) else []
        return FORM, fields, None, notes

    def _swagger_body(
        self, operation: dict[str, Any], parameters: dict[tuple[str, str], dict[str, Any]]
    ) -> tuple[str, Any, str | None, list[str]]:
        for (where, _), parameter in parameters.items():
            if where == "body":
                return JSON, self._media_value(parameter), None, []
        fields: dict[str, Any] = {}
        for (where, name), parameter in parameters.items():
            if where == "formData":
                is_file = parameter.get("type") == "file"
                value = None if is_file else as_text(self.parameter(parameter))
                fields[name] = Upload("pixel.png", "image/png", PIXEL_PNG) if is_file else value
        notes = ["The file is a picture of one pixel. Replace it by a real one."] if _has_upload(fields) else []
        return (FORM, fields, None, notes) if fields else (NONE, None, None, [])


def as_text(value: Any) -> str:
    """A value as a part of a path, a header or a form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _has_upload(fields: dict[str, Any]) -> bool:
    return any(isinstance(value, Upload) for value in fields.values())
