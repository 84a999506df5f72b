"""The files of a first scenario: locustfiles/NAME.py and sweeps/NAME.yml. No file is overwritten."""

import keyword
import pprint
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.files import write_atomically
from swarmsweep.shared.lab_secrets import mask_text
from swarmsweep.starter.request import FORM, JSON, NONE, Api, Request, Upload, one_line
from swarmsweep.sweep.scenarios import PACKAGES, PROGRAMS
from swarmsweep.sweep.sweep_file import parse_sweep

# As many characters as the name of a sweep may have, with my_ or api_ before it.
MAX_NAME = 28
# A scenario of more requests is hard to read, and its percentiles say little of each.
MAX_REQUESTS = 10
# A longer body belongs into a file beside the scenario.
MAX_BODY_CHARACTERS = 100_000
WIDTH = 110

# What to do with the variables. A value in a file of the repository would become public.
SECRETS_HELP = "No secret was written. Name a file for each in load.secrets of the sweep file."
_SECRETS = "  # Each file holds the whole value of a header, for example: Bearer abc\n  # secrets:\n"

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._~%-]{0,200}")
# Locust loads a file by its path, so a name may have a hyphen, which no module can have.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")

_SWEEP = Path(__file__).with_name("first_sweep.yml")


def scenario_name(text: str) -> str:
    """A name for the two files: 'Iris API' -> 'iris_api'. It hides no module of the load host."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:MAX_NAME].strip("_") or "api"
    if not name[0].isalpha():
        name = f"api_{name}"
    return f"my_{name}" if _is_taken(name) else name


def _second(name: str) -> str:
    """Another name, which is not too long."""
    return f"{name[: MAX_NAME - 2].rstrip('_-')}_2"


def _is_taken(name: str) -> bool:
    return name in sys.stdlib_module_names or name in PACKAGES or name in PROGRAMS or keyword.iskeyword(name)


def write_files(api: Api, root: Path, name: str | None = None) -> list[str]:
    """Write both files below ``root``, and return the lines that say what to do next.

    Raises:
        InputError: a file exists, the name is not valid, or a body is too long. Nothing was written.
    """
    if name is not None and (not _NAME.fullmatch(name) or len(name) > MAX_NAME or _is_taken(name)):
        raise InputError(
            f"--name is '{name}'; allowed: small letters and digits, with single _ or - between them, up to "
            f"{MAX_NAME}, and no name of a module. For example: --name {scenario_name(name)}"
        )
    name = name or scenario_name(api.name)
    scenario, sweep = root / f"locustfiles/{name}.py", root / f"sweeps/{name}.yml"
    for path in (scenario, sweep):
        if path.exists() or path.is_symlink():
            shown = path.relative_to(root)
            raise InputError(f"{shown} exists, and is not overwritten. Choose another name: --name {_second(name)}")
    text, plan = scenario_text(api, name), _sweep_text(name, _variables(api))
    # A defect of this program must not become a file.
    compile(text, scenario.name, "exec")
    parse_sweep(plan.encode(), str(sweep))
    write_atomically(scenario, text)
    write_atomically(sweep, plan)
    return next_lines(api, name)


def next_lines(api: Api, name: str) -> list[str]:
    """What was written, which lines the inventory needs, and the next commands."""
    requests = api.requests[:MAX_REQUESTS]
    lines = [f"locustfiles/{name}.py sends: {', '.join(one_line(request.title) for request in requests)}"]
    lines += [f"  {one_line(request.title)}: {one_line(note)}" for request in requests for note in request.notes]
    if variables := _variables(api):
        lines.append(f"  It reads from its environment: {', '.join(variables)}. {SECRETS_HELP}")
    if len(api.requests) + len(api.others) > len(requests):
        lines.append('  Others are left out. To send another one: --operation "POST /path"')
    lines += [f"sweeps/{name}.yml measures 4 cells.", "", "Lines for the inventory (group_vars/all/lab.yml):"]
    port = "8000" if api.port is None else str(api.port)
    unsure = "  # " + ("a guess" if api.port is None else "of the URL") + ": the API must listen there in its container"
    lines.append(f"  lab_api_port: {port}{unsure}")
    # People copy the line. Ansible would run a template in it, and YAML would end it at " #".
    if api.ready_path is None or not _PLAIN_PATH.fullmatch(api.ready_path):
        lines.append("  lab_api_ready_path: /ready  # a guess: write a path that returns 200 when the API can predict")
    else:
        lines.append(f"  lab_api_ready_path: {api.ready_path}")
    return [
        *lines,
        "",
        f"Next: ./lab image NAME|FOLDER, ./lab check sweeps/{name}.yml, ./lab sweep sweeps/{name}.yml",
    ]


def _sweep_text(name: str, variables: Sequence[str]) -> str:
    """The sweep file. A sweep's name has dashes. ``variables`` are those of secret headers."""
    text = _SWEEP.read_text().replace("NAME.py", f"{name}.py").replace("NAME", name.replace("_", "-"))
    secrets = "".join(f"  #   {variable}: /path/of/a/file\n" for variable in variables)
    if secrets:
        text = text.replace("\nmatrix:", f"{_SECRETS}{secrets}\nmatrix:")
    return text


def _variables(api: Api) -> list[str]:
    """The variables of secret headers that the scenario reads."""
    return sorted({name for request in api.requests[:MAX_REQUESTS] for name in request.secret_headers.values()})


def scenario_text(api: Api, name: str) -> str:
    """The locustfile. All that comes from the document is a literal of Python, or a comment on one line."""
    requests = api.requests[:MAX_REQUESTS]
    uploads = any(isinstance(part, Upload) for request in requests for part in _fields(request))
    user = "HttpUser" if uploads else "FastHttpUser"
    has_secrets = any(request.secret_headers for request in requests)
    class_name = "".join(part.capitalize() for part in re.split("[_-]", name)) + "User"
    names = _function_names(requests)
    out = [f'"""Requests to {name}. Made from {_docstring(api.source)}; change it as you like."""', ""]
    out += ["import os", ""] if has_secrets else []
    out += [f"from locust import {user}, constant, task", ""]
    for request, function in zip(requests, names, strict=True):
        out += _constants(request, function)
    out += ["", "", f"class {class_name}({user}):"] if out[-1] else ["", f"class {class_name}({user}):"]
    out += ["    # Seconds between two requests of a user. load.wait_seconds in the sweep file replaces it."]
    out += ["    wait_time = constant(1)"]
    for request, function in zip(requests, names, strict=True):
        out += ["", "    @task", f"    def {function}(self):", *_task(request, function)]
    left = [*(request.title for request in api.requests[MAX_REQUESTS:]), *api.others]
    if left:
        out += ["", "", "# Operations that are not sent:", *(f"# - {one_line(title)}" for title in left[:100])]
    return "\n".join(out) + "\n"


def _constants(request: Request, function: str) -> list[str]:
    """Bodies and headers, which are made once and not for each request."""
    out = [f"# {one_line(note)}" for note in request.notes]
    prefix = function.upper()
    if request.kind != NONE:
        out += _assigned(f"{prefix}_BODY", _plain_body(request))
    files = {name: part for name, part in _items(request) if isinstance(part, Upload)}
    if files:
        value = {name: (part.filename, part.data, part.content_type) for name, part in files.items()}
        out += _assigned(f"{prefix}_FILES", value)
    if request.headers or request.secret_headers:
        entries = [f"    {_literal(name)}: {_literal(text)}," for name, text in request.headers.items()]
        entries += [
            f"    {_literal(name)}: os.environ[{_literal(variable)}],"
            for name, variable in request.secret_headers.items()
        ]
        out += [f"{prefix}_HEADERS = {{", *entries, "}"]
    return out


def _assigned(name: str, value: Any) -> list[str]:
    text = pprint.pformat(value, width=WIDTH, sort_dicts=False)
    if len(text) > MAX_BODY_CHARACTERS:
        raise InputError(
            f"the body has {len(text)} characters; allowed: {MAX_BODY_CHARACTERS}. "
            "Put a shorter example into the document"
        )
    first, *rest = text.splitlines()
    # pprint aligns with the first sign of the value.
    return [f"{name} = {first}", *(" " * (len(name) + 3) + line for line in rest)]


def _plain_body(request: Request) -> Any:
    if request.kind == FORM:
        return {name: part for name, part in _items(request) if not isinstance(part, Upload)}
    return request.body


def _task(request: Request, function: str) -> list[str]:
    prefix = function.upper()
    words = [_literal(request.method), _literal(request.path)]
    if request.name != request.path:
        words.append(f"name={_literal(request.name)}")
    if request.kind == JSON:
        words.append(f"json={prefix}_BODY")
    elif request.kind != NONE:
        words.append(f"data={prefix}_BODY")
    if any(isinstance(part, Upload) for part in _fields(request)):
        words.append(f"files={prefix}_FILES")
    if request.headers or request.secret_headers:
        words.append(f"headers={prefix}_HEADERS")
    call = f"        self.client.request({', '.join(words)})"
    if len(call) <= WIDTH:
        return [call]
    return ["        self.client.request(", *(f"            {word}," for word in words), "        )"]


def _function_names(requests: Sequence[Request]) -> list[str]:
    """A name for each request, each once: post_predict."""
    names: list[str] = []
    for request in requests:
        stem = re.sub(r"[^a-z0-9]+", "_", f"{request.method} {request.name}".lower()).strip("_")[:50].strip("_")
        name, number = stem, 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.append(name)
    return names


def _fields(request: Request) -> list[Any]:
    return [part for _, part in _items(request)]


def _items(request: Request) -> list[tuple[str, Any]]:
    return list(request.body.items()) if request.kind == FORM and isinstance(request.body, dict) else []


def _literal(text: str) -> str:
    """A text as a literal with double quotes, where it has none itself."""
    word = repr(text)
    return f'"{word[1:-1]}"' if word.startswith("'") and '"' not in word else word


def _docstring(text: str) -> str:
    # A URL may have a password or a token in it, and a path the name of a user.
    shown = mask_text(text) if "://" in text else text.rpartition("/")[2]
    return one_line(shown).replace("\\", "/").replace('"', "'")
