"""One operation of an OpenAPI document as a request: path, query, headers. The body is in body.py."""

import re
from collections.abc import Iterator
from typing import Any

from swarmsweep.shared.lab_secrets import is_secret_name
from swarmsweep.starter.body import BodyReader, as_text
from swarmsweep.starter.request import TEXT, Request, variable_of
from swarmsweep.starter.sample import Sampler

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
# Characters of a URL. Variables of a server that name each other could make it grow without end.
MAX_URL_CHARACTERS = 2000


class OperationReader:
    """Reads operations. Whatever has another type than the specification says is left out."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._sampler = Sampler(document)
        self._bodies = BodyReader(self._sampler, is_swagger="swagger" in document)
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
                filled = filled.replace(f"{{{name}}}", _quoted(str(self._bodies.parameter(parameter))))
            elif where == "query" and parameter.get("required") is True:
                query.append(f"{_quoted(name)}={_quoted(as_text(self._bodies.parameter(parameter)))}")
            elif where == "header" and parameter.get("required") is True:
                if is_secret_name(name):
                    secrets[name] = variable_of(name)
                else:
                    headers[name] = as_text(self._bodies.parameter(parameter))
        kind, body, content_type, notes = self._bodies.body(operation, parameters)
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


def _quoted(text: str) -> str:
    """Percent-encoded, as a part of a path or a query."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or chr(byte) in "-._~" else f"%{byte:02X}"
        for byte in text.encode(errors="replace")
    )
