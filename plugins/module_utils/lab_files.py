"""Files of a trial: whole or not at all, and without secrets."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

MASK = "***"
SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)KEY($|_)", re.IGNORECASE)
URL_WITH_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def strip_colours(text: str) -> str:
    """Text without the escape sequences of a terminal."""
    return COLOUR.sub("", text)


def write_text(path: str, text: str) -> None:
    """Write a file atomically: a reader sees the old file or the whole new one. Raises OSError."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: str, value: Any) -> None:
    """Write a value as indented JSON, atomically. Raises OSError."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def mask_entry(name: str, value: str) -> str:
    """Value of an environment variable as it may be stored: secrets by name, and passwords inside URLs, are masked."""
    if value and SECRET_NAME.search(name):
        return MASK
    return URL_WITH_PASSWORD.sub(rf"\1{MASK}@", value)


def read_environment(entries: list[str] | None) -> dict[str, str]:
    """Docker's list of `NAME=value` as a dict, secrets masked. An entry without `=` unsets a variable: left out."""
    pairs = (entry.partition("=") for entry in entries or [])
    return {name: mask_entry(name, value) for name, separator, value in pairs if separator}


def mask_inspect(container: dict[str, Any]) -> dict[str, Any]:
    """A `docker inspect` document with the secrets of its environment masked; the argument stays as it is."""
    config = container.get("Config") or {}
    environment = read_environment(config.get("Env"))
    return {**container, "Config": {**config, "Env": [f"{name}={value}" for name, value in environment.items()]}}
