"""Files of an attempt: written completely or not at all, and without secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.atomic_file import write_atomically
from ansible.module_utils.lab_secrets import mask_entry, mask_text, mask_words

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def strip_colours(text: str) -> str:
    """Return text without the escape sequences of a terminal."""
    return COLOUR.sub("", text)


def write_text(path: str, text: str) -> None:
    """Write a file that appears complete or not at all. Raises OSError."""
    write_atomically(Path(path), text.encode())


def write_json(path: str, value: Any) -> None:
    """Write a value as indented JSON, atomically. Raises OSError."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_environment(entries: list[str] | None) -> dict[str, str]:
    """Return Docker's list of `NAME=value` as a dict. An entry without `=` unsets a variable and is left out."""
    pairs = (entry.partition("=") for entry in entries or [])
    return {name: value for name, separator, value in pairs if separator}


def mask_inspect(container: dict[str, Any]) -> dict[str, Any]:
    """Return a `docker inspect` document with the secrets of users' texts masked. The argument is not changed."""
    config = dict(container.get("Config") or {})
    environment = read_environment(config.get("Env"))
    config["Env"] = [f"{name}={mask_entry(name, value)}" for name, value in environment.items()]
    for key in ("Cmd", "Entrypoint"):
        if isinstance(config.get(key), list):
            config[key] = mask_words(config[key])
    if config.get("Labels"):
        config["Labels"] = {name: mask_entry(name, value) for name, value in config["Labels"].items()}
    masked = {**container, "Config": config}
    if config.get("Healthcheck"):
        test = config["Healthcheck"].get("Test")
        config["Healthcheck"] = {**config["Healthcheck"], "Test": mask_words(test or [])}
    if isinstance(container.get("Args"), list):
        masked["Args"] = mask_words(container["Args"])
    health = (container.get("State") or {}).get("Health")
    if health:
        log = [{**entry, "Output": mask_text(entry.get("Output") or "")} for entry in health.get("Log") or []]
        masked["State"] = {**container["State"], "Health": {**health, "Log": log}}
    return masked
