"""Whether the lab may use, install or change the Docker Engine of a host: what is there already must not be lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, settings_of

# What the role docker_engine writes into daemon.json. A test compares the two.
OWN_SETTINGS: dict[str, Any] = {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
# The package that each value of lab_docker_engine installs.
INSTALLED = {"distribution": "docker.io", "docker-ce": "docker-ce"}
# The oldest one with jobs of Swarm, which train the model.
MIN_VERSION = (20, 10)
# From this one on, the docker command builds with its plugin buildx alone. Before, BuildKit was part of the command.
BUILDX_VERSION = (23, 0)
# The package of this plugin, by that of the engine.
BUILDX = {"docker.io": "docker-buildx", "docker-ce": "docker-buildx-plugin"}
USE_IT = "set lab_docker_engine: present in {file}, which uses the installed engine and does not change it"
# Names of a list that a message has.
_MAX_NAMES = 5


def engine_problem(
    engine: str, found: Mapping[str, Any], inventory: str = DEFAULT_INVENTORY, *, is_builder: bool = True
) -> str | None:
    """Why `./lab site` must not begin on an API host, or None.

    Args:
        engine: the setting lab_docker_engine.
        found: what `describe_docker` reported of the host.
        inventory: its folder or file, for the message.
        is_builder: whether images are built on this host. With the registry of the lab, the first API host builds all.
    """
    if found["package"] == "podman-docker":
        return "has podman-docker, and Podman has no Swarm. Fix: apt-get remove podman-docker"
    file = settings_of(inventory)
    if engine == "present":
        return _present_problem(found, file, is_builder=is_builder)
    return _installed_problem(engine, found, file)


def _present_problem(found: Mapping[str, Any], file: str, *, is_builder: bool) -> str | None:
    fix = f"install Docker Engine there, or set lab_docker_engine: distribution in {file}, which installs it"
    if not found["package"]:
        return f"has no Docker Engine, and lab_docker_engine is 'present'. Fix: {fix}"
    if not found["version"]:
        return "has a Docker Engine that does not respond. To see why, run there: systemctl status docker"
    if _version(found["version"]) < MIN_VERSION:
        least = ".".join(map(str, MIN_VERSION))
        return f"has Docker Engine {found['version']} ({found['package']}); needed: {least} or newer. Fix: {fix}"
    if is_builder and not found["buildx"] and _version(found["client"]) >= BUILDX_VERSION:
        package = BUILDX.get(found["package"])
        how = f"apt-get install --yes {package}" if package else "install it, see https://docs.docker.com/go/buildx/"
        return (
            f"has the docker command {found['client']} without its plugin buildx, which the lab needs to build images. "
            f"Fix: {how}"
        )
    return None


def _installed_problem(engine: str, found: Mapping[str, Any], file: str) -> str | None:
    wanted, use_it = INSTALLED.get(engine), USE_IT.format(file=file)
    # Another value is refused by the role.
    if wanted is None:
        return None
    if found["package"] not in ("", wanted):
        there = "a Docker Engine" if found["package"] == "unknown" else f"the package {found['package']}"
        return (
            f"has {there}, and lab_docker_engine is '{engine}', which would install {wanted} in its place. "
            f"Fix: {use_it}"
        )
    settings = found["settings"] or {}
    foreign = sorted(settings.keys() - OWN_SETTINGS.keys())
    if foreign:
        return (
            f"has settings in /etc/docker/daemon.json that the lab would remove: {_names(foreign)}. "
            f"Fix: {use_it}. Or rename the file, if they are not needed"
        )
    changed = [
        f"{key} from {json.dumps(settings[key])} to {json.dumps(own)}"
        for key, own in OWN_SETTINGS.items()
        if key in settings and settings[key] != own
    ]
    if changed:
        return (
            f"has settings in /etc/docker/daemon.json that the lab would change: {'; '.join(changed)}. "
            f"Fix: {use_it}. Or rename the file, if they are not needed"
        )
    if found["containers"] and settings != OWN_SETTINGS:
        return (
            f"runs containers that the lab would end, because it restarts Docker once: {_names(found['containers'])}. "
            f"Fix: {use_it}. Or stop them"
        )
    return None


def _names(names: list[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _version(text: str) -> tuple[int, ...]:
    """20.10.24+dfsg1 is (20, 10)."""
    digits = [part for part in text.split(".")[:2] if part.isdigit()]
    return tuple(int(part) for part in digits)
