"""The settings of the API's container, before they become parts of a stack file.

Each setting is read by one function, which returns the value in one form. It raises `Refused` with what is allowed, or
a `LabError` about a file of this machine.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.lab import api_secrets
from swarmsweep.lab.api_mounts import read_mount
from swarmsweep.lab.api_services import read_services, taken_names
from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, settings_of
from swarmsweep.lab.inventory_texts import as_written
from swarmsweep.lab.setting_values import Refused, read_command, variables
from swarmsweep.shared.lab_secrets import mask_words
from swarmsweep.units import format_memory, quoted

# A name of the image's /etc/passwd, or a number, each with or without a group. Docker resolves it in the container.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?", re.ASCII)
# Docker gives these to a container by default. The last four are what model servers need: locked memory, NUMA policy,
# limits and profilers. Others, such as SYS_ADMIN, would let the API change the machine that is measured.
CAPABILITIES = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    *("IPC_LOCK", "SYS_NICE", "SYS_PTRACE", "SYS_RESOURCE"),
)
# Folders of the kernel and of Swarm. A container does not start without its own.
RESERVED = ("/proc", "/sys", "/dev", "/run/secrets")
# Docker gives it 64 MB. PyTorch and others need more, and a writable folder there replaces it.
SHARED_MEMORY = "/dev/shm"
# Linux allows a path of 4096 bytes. A longer one is a mistake.
MAX_PATH_CHARACTERS = 4095


@dataclass(frozen=True)
class Place:
    """``root`` is the folder of relative paths of this machine, ``key_file`` has the key for hashes of secrets.

    ``inventory`` is its folder or file, for the messages. ``inventories`` are all that Ansible read, in its order: a
    later one wins. Without them, ``inventory`` is the only one.
    """

    root: Path
    lab_name: str
    key_file: Path
    inventory: str = DEFAULT_INVENTORY
    inventories: tuple[str, ...] = ()

    def path(self, source: str) -> Path:
        """The absolute path of a file or folder that the inventory names. Raises `LabError` for ~ of no user."""
        try:
            return (self.root / Path(source).expanduser()).resolve()
        except (RuntimeError, ValueError) as error:
            raise LabError(f"{quoted(source)} is not a path of this machine: {error}") from error


def read_settings(settings: Mapping[str, Any], place: Place) -> tuple[dict[str, Any], list[str]]:
    """The settings ``lab_api_<name>`` in one form, and their mistakes, one sentence each.

    ``settings`` are as the inventory has them, by their names without ``lab_api_``.
    """
    found: dict[str, Any] = {}
    problems = []
    fix = f"Fix: change it in {settings_of(place.inventory)}"
    readers = READERS | {name: partial(read, place=place) for name, read in PLACED_READERS.items()}
    for name, read in readers.items():
        try:
            found[name] = read(settings.get(name))
        except Refused as refused:
            problems.append(f"lab_api_{name} is {quoted(settings.get(name))}; allowed: {refused}. {fix}")
        except LabError as error:
            problems.append(f"lab_api_{name}: {error}. {fix}")
    given_secrets = settings.get("secrets")
    known_secrets = given_secrets if isinstance(given_secrets, dict) else {}
    has_platform = bool(found.get("platform")) or not settings.get("image")
    problems += [
        f"lab_api_mounts has {mount['target']}, which lab_api_writable has too; allowed: one of them. {fix}"
        for mount in found.get("mounts", ())
        if mount["target"] in found.get("writable", ())
    ]
    problems += [
        f"lab_api_secret_env: {secret['name']}: {secret['path']}: has a null character, which no variable can have. "
        f"{fix}"
        for secret in found.get("secrets", ())
        if secret["has_null"] and secret["name"] in found.get("secret_env", ())
    ]
    problems += [
        f"lab_api_services has {name}, which is a service of the lab on the same network; allowed: another name. {fix}"
        for name in taken_names(found.get("services", []), has_platform)
    ]
    problems += [
        f"lab_api_secret_env has {quoted(name)}; allowed: a name of lab_api_secrets. {fix}"
        for name in found.get("secret_env", ())
        if name not in known_secrets
    ]
    problems += [
        f"lab_api_secret_env has {quoted(name)}, which lab_api_env has too; allowed: one of them. {fix}"
        for name in found.get("secret_env", ())
        if name in found.get("env", {})
    ]
    return found, problems


def recorded(container: Mapping[str, Any]) -> dict[str, Any]:
    """What manifest.json keeps of the settings, by their names in the inventory. The command has no secret words."""
    words = {f"lab_api_mounts {mount['target']}": mount["words"] for mount in container["mounts"]}
    words |= {f"lab_api_services {service['name']}": _service_words(service) for service in container["services"]}
    # The name has a keyed hash of the content.
    words |= {f"lab_api_secrets {secret['name']}": secret["swarm_name"] for secret in container["secrets"]}
    kept = READERS.keys() - {"command", "services"}
    plain = {f"lab_api_{name}": value for name, value in container.items() if name in kept}
    return plain | words | {"lab_api_command": shlex.join(mask_words(container["command"]))}


def hidden(container: Mapping[str, Any]) -> dict[str, str]:
    """The settings that manifest.json keeps as keyed hashes alone, because a secret may be in them."""
    services = {
        f"command and env of lab_api_services {service['name']}": json.dumps([service["command"], service["env"]])
        for service in container["services"]
    }
    return {"lab_api_command": shlex.join(container["command"])} | services


def _service_words(service: Mapping[str, Any]) -> str:
    cpus = f", {service['cpus']} CPU" if service["cpus"] else ""
    return f"{service['image']}{cpus}, {format_memory(service['memory_bytes'])}"


def read_user(value: Any) -> str:
    """A user as Docker's option --user takes it; empty for the user of the image."""
    if value is None or value == "":
        return ""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _USER.fullmatch(text):
        raise Refused("a name or number of a user, with or without :group, for example '1000:1000' (in quotes)")
    return text


def read_only(value: Any) -> bool:
    """Whether the file system of the image is read-only; it is unless the setting says otherwise."""
    return True if value is None else _truth(value)


def read_platform(value: Any) -> bool:
    """Whether an image of the user gets the variables, passwords and network of the lab's own dependencies."""
    return False if value is None else _truth(value)


def _truth(value: Any) -> bool:
    """A boolean, which is text from -e."""
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise Refused("true or false")


def read_writable(value: Any) -> list[str]:
    """Folders of the container that are writable, each a file system in memory."""
    return _each_once(container_path(path) for path in _list(value, "a list of folders, for example [/var/cache/api]"))


def read_capabilities(value: Any) -> list[str]:
    """Linux capabilities of the container, without CAP_."""
    names = [
        str(name).upper().removeprefix("CAP_") for name in _list(value, "a list of names, for example [SETUID, SETGID]")
    ]
    if unknown := [name for name in names if name not in CAPABILITIES]:
        raise Refused(f"a list of {', '.join(CAPABILITIES)}; {', '.join(unknown)} is not one of them")
    return _each_once(names)


def read_env(value: Any, place: Place) -> dict[str, str]:
    """Environment variables of the API. Each value is the text that the inventory has."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("names with values, for example {MODEL_PATH: /models/a}")
    return variables(as_written(value, "lab_api_env", *(place.inventories or [place.inventory])))


def read_secret_env(value: Any) -> list[str]:
    """Names of secrets that are variables of the API too."""
    allowed = "a list of names of lab_api_secrets, for example [API_TOKEN]"
    names = _list(value, allowed)
    if not all(isinstance(name, str) for name in names):
        raise Refused(allowed)
    if taken := api_secrets.used_by_the_shell(names):
        raise Refused(
            f"{allowed}; a shell in the container exports the secrets, and uses {', '.join(taken)} itself. "
            "Give the secret another name"
        )
    return _each_once(names)


def read_secrets(value: Any, place: Place) -> list[dict[str, Any]]:
    """Secrets of the API, each a file of this machine, as the roles take them."""
    if value is None:
        return []
    allowed = "a name with a file of this machine, for example {API_TOKEN: ~/token.txt}"
    if not isinstance(value, dict) or not all(isinstance(source, str) and source for source in value.values()):
        raise Refused(allowed)
    for name in value:
        if not isinstance(name, str) or not api_secrets.NAME.fullmatch(name) or name in api_secrets.RESERVED:
            raise Refused(
                f"{allowed}; a name has letters, digits and _, and is not {' or '.join(api_secrets.RESERVED)}"
            )
    files = {name: place.path(source) for name, source in value.items()}
    return [secret.as_input() for secret in api_secrets.read_secrets(files, place.lab_name, place.key_file)]


def read_mounts(value: Any, place: Place) -> list[dict[str, Any]]:
    """Files and folders of this machine, each at its path in the container, as the role api_mounts takes them."""
    if value is None:
        return []
    if not isinstance(value, dict) or not all(isinstance(source, str) and source for source in value.values()):
        raise Refused("a path in the container with a path of this machine, for example {/model: ./model}")
    sources: dict[str, Path] = {}
    for target, source in value.items():
        path = container_path(target)
        # /model and /model/ are the same, and Docker refuses two.
        if path in sources:
            raise Refused(f"each path in the container once; {path} is there twice")
        sources[path] = place.path(source)
    return [read_mount(target, source).as_input() for target, source in sources.items()]


def container_path(path: Any) -> str:
    """A path in a container at which something may be mounted."""
    if (
        not isinstance(path, str)
        or not path.startswith("/")
        or len(path) > MAX_PATH_CHARACTERS
        or re.search(r"[\0-\x1f]", path)
        or ".." in path.split("/")
    ):
        raise Refused("paths in the container that begin with / and have no ..")
    normal = posixpath.normpath("/" + path.strip("/"))
    reserved = any(f"{normal}/".startswith(f"{folder}/") for folder in RESERVED)
    if normal == "/" or (reserved and normal != SHARED_MEMORY):
        raise Refused(f"paths other than / and {', '.join(RESERVED)}; {normal} is one of these, or below it")
    return normal


READERS: dict[str, Callable[[Any], Any]] = {
    "command": read_command,
    "user": read_user,
    "read_only": read_only,
    "writable": read_writable,
    "capabilities": read_capabilities,
    "platform": read_platform,
    "secret_env": read_secret_env,
    "services": read_services,
}
# Those that name files of this machine, or keep the text of the inventory.
PLACED_READERS: dict[str, Callable[..., Any]] = {"mounts": read_mounts, "secrets": read_secrets, "env": read_env}


def _list(value: Any, allowed: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(allowed)
    return value


def _each_once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
