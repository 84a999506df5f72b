"""Registries of images: what `./lab publish` may push to, their credentials, and why one refuses."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmsweep.errors import InputError, LabError
from swarmsweep.shared.image_reference import REGISTRY as DOCKER_HUB
from swarmsweep.shared.image_reference import registry_of
from swarmsweep.units import format_bytes

# Docker Hub has this name in the files of the docker command.
HUB_KEY = "https://index.docker.io/v1/"
# The parts of a name, by distribution/reference (reference.go).
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?", re.ASCII)
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_TARGET = "REGISTRY/NAME:TAG, for example registry.example:5000/my-api:1"
# A file with a name, a password or a token is far smaller. A larger one is likely another file.
MAX_BYTES = 65_536
_CREDENTIALS = "one line NAME:PASSWORD, or a config.json of docker login with the key auths"
# What an entry of config.json may have that the docker command reads without another program.
_ENTRY = ("auth", "username", "password", "identitytoken", "registrytoken")


@dataclass(frozen=True)
class Target:
    """Where an image goes: ``name`` is REGISTRY/NAME:TAG."""

    registry: str
    name: str


def read_target(text: str) -> Target:
    """Read what the user gave as the name in a registry.

    Raises:
        InputError: it is no such name.
    """
    registry = registry_of(text)
    if registry is None:
        raise InputError(f"the target '{text}' names no registry; allowed: {_TARGET}")
    path, colon, tag = text.partition("/")[2].partition(":")
    if not colon:
        raise InputError(f"the target '{text}' has no tag; allowed: {_TARGET}")
    if not (_HOST.fullmatch(text.partition("/")[0]) and _PATH.fullmatch(path) and _TAG.fullmatch(tag)):
        raise InputError(f"the target '{text}' is not the name of an image; allowed: {_TARGET}")
    return Target(registry, f"{registry}/{path}:{tag}")


def docker_config(registry: str, credentials: str, user: str = "") -> str:
    """The text of a config.json with which the docker command logs in to one registry.

    Args:
        registry: host and port.
        credentials: path of a file of this machine. Empty: no login.
        user: of this file, if it has the password alone.

    Raises:
        LabError: the file cannot be used. The text has no content of it.
    """
    if not credentials:
        return "{}"
    content = _read(credentials)
    key = HUB_KEY if registry == DOCKER_HUB else registry
    if content.lstrip().startswith("{"):
        entry = _entry(content, registry, key, credentials)
    else:
        line = f"{user}:{content.rstrip()}" if user else content.rstrip("\r\n")
        name, colon, password = line.partition(":")
        if not (name and colon and password) or "\n" in line:
            raise LabError(f"{credentials}: has neither of the two forms; allowed: {_CREDENTIALS}")
        entry = {"auth": base64.b64encode(line.encode()).decode()}
    return json.dumps({"auths": {key: entry}})


def _read(credentials: str) -> str:
    try:
        path = Path(credentials).expanduser()
        # A pipe would have no end.
        if not path.is_file():
            path.stat()
            raise LabError(f"{credentials}: is not a file; allowed: a file with {_CREDENTIALS}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or ("it is not text" if isinstance(error, ValueError) else error)
        raise LabError(f"{credentials}: cannot be read: {reason}; allowed: a file with {_CREDENTIALS}") from None
    if not text.strip() or len(content) > MAX_BYTES:
        size = format_bytes(path.stat().st_size)
        raise LabError(f"{credentials}: has {size}; allowed: 1 B to {format_bytes(MAX_BYTES)}, {_CREDENTIALS}")
    return text


def _entry(content: str, registry: str, key: str, credentials: str) -> dict[str, Any]:
    """The entry of a registry in a config.json."""
    try:
        auths = json.loads(content).get("auths") or {}
        entries = {str(name): dict(entry) for name, entry in auths.items()}
    except (ValueError, AttributeError, TypeError):
        raise LabError(f"{credentials}: cannot be read as JSON; allowed: {_CREDENTIALS}") from None
    names = (key, registry, f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/")
    entry = next((entries[name] for name in names if name in entries), None)
    if entry is None:
        has = ", ".join(sorted(entries)) or "none"
        raise LabError(f"{credentials}: has no entry for {registry} in auths (it has: {has}); allowed: {_CREDENTIALS}")
    kept = {name: value for name, value in entry.items() if name in _ENTRY and value}
    if not kept:
        # `docker login` writes an empty entry where another program keeps the password.
        raise LabError(
            f"{credentials}: its entry for {registry} has no password, because another program keeps it (credsStore); "
            f"allowed: {_CREDENTIALS}"
        )
    return kept


# What Docker prints when a registry refuses, and what helps. {fix} names the option or setting of the credentials.
_REASONS = (
    (r"x509|certificate", "set lab_ca_bundle to a PEM file with the certificate of the registry's authority"),
    (
        r"unauthorized|no basic auth|denied|authentication required|incorrect username",
        "give credentials that may do this: {setting}",
    ),
    (r"server gave HTTP response", "the registry must speak TLS (https)"),
    (r"manifest unknown|not found|name unknown", "check the name and the tag"),
    (r"no such host|connection refused|timeout|unreachable|deadline", "make {registry} reachable from {host}"),
)


def explain(said: str, registry: str, host: str, setting: str) -> str:
    """What helps after Docker could not push or pull."""
    for pattern, fix in _REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return f"Fix: {fix.format(setting=setting, registry=registry, host=host)}"
    return f"To see more, run on {host}: journalctl -u docker"


# Lines of a push that name no cause: the first one, and those of a layer, which Docker names by twelve digits.
_PROGRESS = re.compile(r"The push refers to repository \[|[0-9a-f]{12}: ")
_NOT_BEGUN = re.compile(r"[0-9a-f]{12}: (?:Preparing|Waiting)$")


def is_progress(line: str) -> bool:
    """Whether a line of Docker says how far a transfer is, and not why it ended."""
    return _PROGRESS.match(line) is not None


def is_before_transfer(line: str) -> bool:
    """Whether a line of Docker says that nothing of a layer was sent yet. An image has some ten layers."""
    return _NOT_BEGUN.match(line) is not None
