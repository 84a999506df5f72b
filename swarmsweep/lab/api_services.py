"""Services of the user that run beside the API, such as a cache or a database: what each is started with."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from swarmsweep.errors import InputError, LabError
from swarmsweep.lab.setting_values import Refused, read_command, variables
from swarmsweep.units import format_memory, parse_memory, quoted

# The API reaches the service by this name, and a sample of resource use has it behind an underscore.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
# Names of the network on which every service is, and those of the lab's own services.
TAKEN = ("api", "proxy")
OF_THE_PLATFORM = ("postgres", "redis", "mlflow")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}", re.ASCII)
_KEYS = ("image", "command", "env", "cpus", "memory")
# Enough for a cache or a small database. Without a limit, a service could take the memory that a replica needs.
DEFAULT_MEMORY = "512M"
# Docker's minimum, and more than any host has.
_CPUS = (0.01, 512)
# The same of memory. For Docker, 0 means no limit.
_MEMORY_BYTES = (6 * 1024**2, 16 * 1024**4)
_EXAMPLE = "a name with settings, for example {cache: {image: 'redis:7', memory: 256M}}"


def read_services(value: Any) -> list[dict[str, Any]]:
    """The services as the role api_services takes them.

    Raises:
        Refused: the form is not that of the setting.
        LabError: the service and the value, and what is allowed.
    """
    if value is None:
        return []
    if not isinstance(value, dict):
        raise Refused(_EXAMPLE)
    return [_service(name, given) for name, given in value.items()]


def taken_names(services: list[dict[str, Any]], has_platform: bool) -> list[str]:
    """The services whose names the lab's own services have on the same network."""
    return [service["name"] for service in services if has_platform and service["name"] in OF_THE_PLATFORM]


def _service(name: Any, given: Any) -> dict[str, Any]:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in TAKEN:
        raise LabError(
            f"{quoted(name)} is not a name of a service; allowed: a letter, then up to 30 letters, digits and dashes, "
            f"all lower case, and not {' or '.join(TAKEN)}"
        )
    if not isinstance(given, dict):
        raise Refused(_EXAMPLE)
    if unknown := [str(key) for key in given if key not in _KEYS]:
        raise LabError(f"{name} has the unknown key {', '.join(unknown)}; allowed: {', '.join(_KEYS)}")
    image = given.get("image")
    if not isinstance(image, str) or not _IMAGE.fullmatch(image):
        raise LabError(f"{name}: image is {quoted(image)}; allowed: the name of an image, for example redis:7")
    try:
        return {
            "name": name,
            "image": image,
            "command": read_command(given.get("command")),
            "env": _env(given.get("env") or {}),
            "cpus": _cpus(given.get("cpus")),
            "memory_bytes": _memory_bytes(given.get("memory", DEFAULT_MEMORY)),
        }
    except Refused as refused:
        raise LabError(f"{name}: command is {quoted(given.get('command'))}; allowed: {refused}") from refused
    except InputError as error:
        raise LabError(f"{name}: memory: {error}") from error
    except LabError as error:
        raise LabError(f"{name}: {error}") from error


def _env(env: Any) -> dict[str, str]:
    if not isinstance(env, dict):
        raise LabError(f"env is {quoted(env)}; allowed: names with values")
    # YAML has made another text of 1.10, yes and a date.
    if unquoted := [str(key) for key, value in env.items() if isinstance(value, (bool, float, date))]:
        raise LabError(f"env: {', '.join(unquoted)} must be in quotes")
    return variables(env)


def _memory_bytes(memory: Any) -> int:
    size_bytes = parse_memory(str(memory))
    low, high = _MEMORY_BYTES
    if not low <= size_bytes <= high:
        raise LabError(f"memory is {quoted(memory)}; allowed: {format_memory(low)} to {format_memory(high)}")
    return size_bytes


def _cpus(cpus: Any) -> str:
    if cpus is None:
        return ""
    low, high = _CPUS
    if isinstance(cpus, bool) or not isinstance(cpus, (int, float)) or not low <= cpus <= high:
        raise LabError(f"cpus is {quoted(cpus)}; allowed: a number from {low} to {high}")
    return str(cpus)
