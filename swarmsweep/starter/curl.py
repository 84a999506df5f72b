"""The request of a curl command line."""

import json
import re
from collections.abc import Sequence

from swarmsweep.errors import InputError
from swarmsweep.shared.lab_secrets import is_secret_name
from swarmsweep.starter.document import refuse_unusable
from swarmsweep.starter.request import FORM, JSON, NONE, TEXT, Api, Request, Upload, variable_of
from swarmsweep.units import quoted

_DATA = {"-d", "--data", "--data-raw", "--data-binary", "--data-ascii"}
_FORMS = {"-F", "--form"}
# Options without a value, and those with a value that says nothing about the request.
_FLAGS = frozenset(
    {
        "-s", "-S", "-i", "-k", "-L", "-v", "-f", "-g", "-N", "-#", "-4", "-6", "--silent", "--show-error",
        "--include", "--insecure", "--location", "--verbose", "--fail", "--fail-with-body", "--compressed",
        "--globoff", "--no-buffer", "--progress-bar", "--http1.1", "--http2", "--ipv4", "--ipv6",
    }
)  # fmt: skip
_IGNORED = frozenset(
    {
        "-o", "--output", "-m", "--max-time", "--connect-timeout", "-w", "--write-out", "--retry",
        "--retry-delay", "-x", "--proxy", "--cacert", "-E", "--cert", "--key", "--resolve", "-c",
        "--cookie-jar", "--limit-rate",
    }
)  # fmt: skip
_SINGLE = set("XHdFubAeomwxEc")  # one letter with a value, which may follow without a space
_URL = re.compile(r"(?:https?://)?([^/?#@]+@)?(\[[^\]]+\]|[^/?#:\s]+)(?::(\d{1,5}))?(/[^?#]*)?(\?[^#]*)?(?:#.*)?", re.I)
_ALLOWED = "the words of a curl command with an address, for example curl -d '{...}' http://localhost:8000/predict"


def api_of(words: Sequence[str]) -> Api:
    """The API that a curl line requests; ``words`` come after ``curl``.

    Values of headers that may be secret are not kept: the scenario takes them from its environment.

    Raises:
        InputError: no URL, or an option that changes the request in a way that is not known here.
    """
    method, url, data, form = None, None, [], {}
    headers: dict[str, str] = {}
    is_json = is_get = False
    rest = _split(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            url = word
            continue
        if word in _FLAGS:
            continue
        if word in ("-G", "--get"):
            is_get = True
            continue
        if word in ("-I", "--head"):
            method = "HEAD"
            continue
        if not rest:
            raise InputError(f"curl: the option {word} has no value; allowed: {_ALLOWED}")
        value = rest.pop(0)
        if word in ("-X", "--request"):
            method = value.upper()
        elif word == "--url":
            url = value
        elif word in ("-H", "--header"):
            name, _, text = value.partition(":")
            headers[name.strip()] = text.strip()
        elif word in _DATA or word in ("--json", "--data-urlencode"):
            data.append(_encoded(value) if word == "--data-urlencode" else _literal(word, value))
            is_json = is_json or word == "--json"
        elif word in _FORMS:
            name, _, text = value.partition("=")
            form[name] = _field(text)
        elif word in ("-u", "--user"):
            headers["Authorization"] = ""
        elif word in ("-b", "--cookie"):
            headers["Cookie"] = ""
        elif word in ("-A", "--user-agent"):
            headers["User-Agent"] = value
        elif word in ("-e", "--referer"):
            headers["Referer"] = value
        elif word not in _IGNORED:
            raise InputError(f"curl: the option {word} is not known here. Leave it out, and add it to the scenario")
    if url is None:
        raise InputError(f"curl: the URL is missing; allowed: {_ALLOWED}")
    return _api(url, method, headers, data, form, is_json=is_json, is_get=is_get)


def _split(words: Sequence[str]) -> list[str]:
    """Words with each option apart: -XPOST -> -X POST, --data=x -> --data x, -sS -> -s -S."""
    out: list[str] = []
    for word in words:
        if word.startswith("--") and "=" in word:
            out += word.split("=", 1)
        elif re.match(r"-[A-Za-z#]..*|-[A-Za-z#][^-]", word) and not word.startswith("--"):
            letter, rest = word[:2], word[2:]
            if letter[1] in _SINGLE:
                out += [letter, rest]
            else:
                out += [letter, *_split([f"-{rest}"])]
        else:
            out.append(word)
    return out


def _api(
    url: str,
    method: str | None,
    headers: dict[str, str],
    data: list[str],
    form: dict[str, str | Upload],
    *,
    is_json: bool,
    is_get: bool,
) -> Api:
    found = _URL.fullmatch(url)
    if not found or re.match(r"(?!https?://)[a-z]+://", url, re.I) or (found[3] and not 0 < int(found[3]) < 65536):
        raise InputError(f"curl: '{url}' is not a URL of an API; allowed: {_ALLOWED}")
    if method is not None and not re.fullmatch(r"[A-Z]{1,20}", method):
        raise InputError(f"curl: the method is {quoted(method)}; allowed: letters, for example -X POST")
    path, query = found[4] or "/", found[5] or ""
    notes = []
    names = [part.partition("=")[0] for part in query.lstrip("?").split("&")]
    if shown := [name for name in names if is_secret_name(name)]:
        notes.append(f"The query has {', '.join(shown)}, which may be secret. Read it from os.environ instead.")
    if found[1]:
        headers.setdefault("Authorization", "")
    body = "&".join(data) if not is_json else "".join(data)
    if is_get and body:
        query, body = f"{query}{'&' if query else '?'}{body}", ""
    content_type = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), None)
    if is_json and content_type is None:
        content_type = "application/json"
    for name in [name for name in headers if name.lower() in ("host", "content-length", "accept-encoding")]:
        del headers[name]
    kind: str = NONE
    value: object = None
    if form:
        kind, value = FORM, dict(form)
        if any(isinstance(part, Upload) for part in form.values()):
            notes.append("The content of the file is not here. Replace it by that of your file.")
    elif body:
        kind, value = _body(body, content_type)
        if kind == TEXT:
            headers["Content-Type"] = content_type or "application/x-www-form-urlencoded"
    fields = dict(part.partition("=")[::2] for part in str(value).split("&")) if kind == TEXT else value
    if written := _secret_fields(fields):
        notes.append(f"The body has {', '.join(written)}, which may be secret. Read it from os.environ instead.")
    secret = {name: variable_of(name) for name in headers if is_secret_name(name) or name.lower() == "cookie"}
    return Api(
        name=path.strip("/").rpartition("/")[2] or "api",
        source="a curl line",
        requests=(
            Request(
                method=method or ("POST" if kind != NONE else "GET"),
                path=path + query,
                name=path,
                kind=kind,
                body=value,
                headers={name: text for name, text in headers.items() if name not in secret},
                secret_headers=secret,
                notes=tuple(notes),
            ),
        ),
        port=int(found[3]) if found[3] else None,
    )


def _body(text: str, content_type: str | None) -> tuple[str, object]:
    """JSON if it is JSON, whatever its type says: most lines have the header only because curl needs it."""
    if content_type is None or "json" in content_type:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return TEXT, text
        refuse_unusable(value, "curl: the body")
        return JSON, value
    return TEXT, text


def _secret_fields(value: object) -> list[str]:
    """Names in a body that a secret may have, also in lists and mappings within it."""
    found, stack = [], [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            found += [name for name, part in node.items() if is_secret_name(name) and part not in ("", None)]
        stack += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return list(dict.fromkeys(found))


def _literal(word: str, value: str) -> str:
    if value.startswith("@") and word != "--data-raw":
        raise InputError(
            f'curl: {word} names the file {value[1:]}; allowed: the body itself. Write it: -d "$(cat {value[1:]})"'
        )
    return value


def _field(text: str) -> str | Upload:
    """A field of a form. Of a file, only the name is kept."""
    if not text.startswith("@"):
        return text
    path, _, options = text[1:].partition(";")
    kind = re.search(r"type=([\w.+-]+/[\w.+-]+)", options)
    return Upload(path.rpartition("/")[2], kind[1] if kind else "application/octet-stream", b"")


def _encoded(value: str) -> str:
    """As --data-urlencode has it: name=content, of which the content is encoded."""
    name, equals, content = value.partition("=")
    content = content if equals else name
    quoted = "".join(
        chr(byte) if (byte < 128 and chr(byte).isalnum()) or chr(byte) in "-._~" else f"%{byte:02X}"
        for byte in content.encode()
    )
    return f"{name}={quoted}" if equals and name else quoted
