"""The requests of an OpenAPI document (Swagger 2.0, OpenAPI 3)."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from swarmsweep.errors import InputError
from swarmsweep.shared.lab_secrets import is_secret_name
from swarmsweep.starter.request import FORM, JSON, NONE, TEXT, Api, Request, Upload, one_line, variable_of
from swarmsweep.starter.sample import Sampler

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
# Values of a document; an alias counts as often as it is used. Large public documents have some hundred thousand.
MAX_NODES = 1_000_000
# Keys of a mapping. A large public document has some hundred paths.
MAX_KEYS = 10_000
# Levels of lists and mappings. Python compiles no literal of more than 200, and documents have about 20.
MAX_LEVELS = 100
# Characters of a URL. Variables of a server that name each other could make it grow without end.
MAX_URL_CHARACTERS = 2000
# Operations that an error names.
MAX_NAMED = 5
# Paths at which an API predicts. Its load is what a sweep is about.
_PREDICTS = re.compile(
    r"predict|infer|invocation|classif|score|embed|generat|complet|rank|detect|translat|recogni|segment|recommend", re.I
)
# Paths that say whether the API runs, the best first.
_READY = ("ready", "readyz", "readiness", "health", "healthz", "healthcheck", "live", "livez", "ping", "status")
# Paths about the API itself.
_ABOUT = re.compile(r"/(docs|redoc|openapi\.json|swagger|metrics|favicon\.ico|version|info)\b", re.I)
_FORM_TYPE, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
# The smallest picture: one black pixel.
PIXEL_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)


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
            "FastAPI has it at /openapi.json. Without one: ./lab new curl http://..."
        )
    _refuse_unusable(document, source)
    return document


def _refuse_unusable(document: Any, source: str) -> None:
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


def api_of(document: dict[str, Any], source: str, operation: str | None = None) -> Api:
    """The API: the operations that predict, else those that post, else those that get.

    Args:
        document: see `read_document`.
        source: for messages.
        operation: the only one to send, as "POST /predict".

    Raises:
        InputError: no operation, or not the one that was named.
    """
    reader = _Reader(document)
    operations = list(reader.operations())
    titles = [f"{method.upper()} {path}" for method, path, _, _ in operations]
    if not operations:
        raise InputError(f"{source}: has no operation; allowed: paths with get, post or another method")
    if operation is not None:
        wanted = " ".join(operation.split())
        chosen = [index for index, title in enumerate(titles) if title.lower() == wanted.lower()]
        if not chosen:
            more = f", and {len(titles) - MAX_NAMED} more" if len(titles) > MAX_NAMED else ""
            named = ", ".join(map(one_line, titles[:MAX_NAMED]))
            raise InputError(f"{source}: has no operation '{operation}'; allowed: {named}{more}")
    else:
        chosen = _chosen([(method, path) for method, path, _, _ in operations])
    requests = tuple(reader.request(*operations[index]) for index in chosen)
    others = tuple(title for index, title in enumerate(titles) if index not in chosen)
    title = document.get("info", {}).get("title") if isinstance(document.get("info"), dict) else None
    return Api(
        name=str(title or "api"),
        source=source,
        requests=requests,
        others=others,
        port=reader.port(),
        ready_path=_ready_path([(method, path) for method, path, _, _ in operations], reader.base),
    )


def _chosen(operations: list[tuple[str, str]]) -> list[int]:
    """Which operations a first scenario sends. Others than POST and GET only if the document has no POST and no GET."""
    kinds = (
        lambda method, path: method == "post" and _PREDICTS.search(path),
        lambda method, path: method == "get" and _PREDICTS.search(path),
        lambda method, path: method == "post",
        lambda method, path: method == "get" and not _ABOUT.search(path) and _rank(path) is None,
        lambda method, path: method == "get",
        lambda method, path: True,
    )
    for fits in kinds:
        if found := [index for index, operation in enumerate(operations) if fits(*operation)]:
            return found
    return []


def _rank(path: str) -> int | None:
    word = path.rstrip("/").rpartition("/")[2].lower()
    return _READY.index(word) if word in _READY else None


def _ready_path(operations: list[tuple[str, str]], base: str) -> str | None:
    ranked = [(rank, path) for method, path in operations if method == "get" and (rank := _rank(path)) is not None]
    return base + min(ranked)[1] if ranked else None


class _Reader:
    """Reads operations. Whatever has another type than the specification says is left out."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._sampler = Sampler(document)
        self._swagger = "swagger" in document
        self._server = self._first_server()
        # Path before all others: of the first server, or basePath.
        self.base = re.sub(r"^https?://[^/]*", "", self._server).rstrip("/")
        if self.base and not self.base.startswith("/"):
            self.base = f"/{self.base}"

    def _first_server(self) -> str:
        if self._swagger:
            return f"http://{self._document.get('host', '')}{self._document.get('basePath') or ''}"
        servers = self._document.get("servers")
        server = self._sampler.resolve(servers[0]) if isinstance(servers, list) and servers else {}
        url = str(server.get("url") or "")
        variables = server.get("variables")
        for name, variable in variables.items() if isinstance(variables, dict) else ():
            url = url.replace(f"{{{name}}}", str(self._sampler.resolve(variable).get("default", "")))
            if len(url) > MAX_URL_CHARACTERS:
                return ""
        return url

    def port(self) -> int | None:
        """The port of a server, if it is written there."""
        found = re.match(r"https?://[^/:]+:(\d{1,5})(?:/|$)", self._server)
        return int(found[1]) if found and 0 < int(found[1]) < 65536 else None

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
        """Method, path, operation, and the path's own entry."""
        for path, entry in self._document["paths"].items():
            item = self._sampler.resolve(entry)
            for method in METHODS:
                if isinstance(path, str) and path.startswith("/") and isinstance(item.get(method), dict):
                    yield method, path, item[method], item

    def request(self, method: str, path: str, operation: dict[str, Any], item: dict[str, Any]) -> Request:
        """The request of an operation, with a value for all that it requires."""
        parameters = {}
        for place in (item, operation):
            listed = place.get("parameters")
            for entry in listed if isinstance(listed, list) else ():
                parameter = self._sampler.resolve(entry)
                parameters[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        filled, query, headers, secrets = path, [], {}, {}
        for (where, name), parameter in parameters.items():
            if where == "path":
                filled = filled.replace(f"{{{name}}}", _quoted(str(self._parameter(parameter))))
            elif where == "query" and parameter.get("required") is True:
                query.append(f"{_quoted(name)}={_quoted(_as_text(self._parameter(parameter)))}")
            elif where == "header" and parameter.get("required") is True:
                if is_secret_name(name):
                    secrets[name] = variable_of(name)
                else:
                    headers[name] = _as_text(self._parameter(parameter))
        kind, body, content_type, notes = self._body(operation, parameters)
        if content_type and kind == TEXT:
            headers["Content-Type"] = content_type
        secrets |= self._security(operation)
        return Request(
            method=method.upper(),
            path=self.base + filled + (f"?{'&'.join(query)}" if query else ""),
            name=self.base + path,
            kind=kind,
            body=body,
            headers=headers,
            secret_headers=secrets,
            notes=tuple(notes),
        )

    def _parameter(self, parameter: dict[str, Any]) -> Any:
        if "example" in parameter:
            return parameter["example"]
        examples = parameter.get("examples")
        if isinstance(examples, dict) and examples:
            return self._sampler.resolve(next(iter(examples.values()))).get("value")
        # Swagger 2.0 has type and format in the parameter itself.
        return self._sampler.value(parameter.get("schema", parameter))

    def _security(self, operation: dict[str, Any]) -> dict[str, str]:
        """The headers of the first way to log in, with the variable for each."""
        wanted = operation.get("security", self._document.get("security"))
        if not isinstance(wanted, list) or not wanted or not isinstance(wanted[0], dict):
            return {}
        components = self._document.get("components")
        known = (
            self._document.get("securityDefinitions") if self._swagger else (components or {}).get("securitySchemes")
        )
        headers = {}
        for name in wanted[0]:
            scheme = self._sampler.resolve(known.get(name) if isinstance(known, dict) else None)
            if scheme.get("type") == "apiKey":
                if scheme.get("in") == "header":
                    headers[str(scheme.get("name"))] = variable_of(str(scheme.get("name")))
            elif scheme:
                headers["Authorization"] = variable_of("Authorization")
        return headers

    def _body(
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
            return FORM, {str(name): _as_text(part) for name, part in value.items()}, None, []
        return TEXT, _as_text(value), content_type, [f"The body has the type {content_type}. Replace it by a real one."]

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
            fields[str(name)] = Upload("pixel.png", "image/png", PIXEL_PNG) if is_file else _as_text(part)
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
                value = None if is_file else _as_text(self._parameter(parameter))
                fields[name] = Upload("pixel.png", "image/png", PIXEL_PNG) if is_file else value
        notes = ["The file is a picture of one pixel. Replace it by a real one."] if _has_upload(fields) else []
        return (FORM, fields, None, notes) if fields else (NONE, None, None, [])


def _has_upload(fields: dict[str, Any]) -> bool:
    return any(isinstance(value, Upload) for value in fields.values())


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _quoted(text: str) -> str:
    """Percent-encoded, as a part of a path or a query."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or chr(byte) in "-._~" else f"%{byte:02X}"
        for byte in text.encode(errors="replace")
    )
