"""What of Docker is on a host before the lab is provisioned: engine, settings of the daemon, containers that run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/docker/daemon.json")
SOCKET = Path("/var/run/docker.sock")
# Packages that bring a daemon, or a command with the name of Docker's.
PACKAGES = ("docker.io", "docker-ce", "moby-engine", "podman-docker")
# The command alone, without a daemon. It stays when docker.io of Debian 13 is removed.
CLIENT = "docker-cli"
# Keys whose values the lab sets too. The values of all others stay on the host, because they may be secret.
SHOWN = ("log-driver", "log-opts")
# Options of log-opts that are no secret. A token for another log driver is one.
SHOWN_OPTIONS = ("max-size", "max-file")
# A package that is not among them, a snap, or a program that somebody copied.
OTHER = "unknown"
# Each question. A daemon that starts containers is slow.
ANSWER_SECONDS = 20
# Swarm sets this label. A service of the lab is started again by Swarm, a container of `docker run` may not be.
SERVICE_LABEL = "com.docker.swarm.service.name"


def describe_docker(settings: Path = SETTINGS) -> dict[str, Any]:
    """Return what is there: a package, versions, settings of the daemon, containers.

    ``package`` is "" without Docker, and ``version`` is "" without an answer of the daemon. ``client`` is the version
    of the command, and ``buildx`` whether it has this plugin. ``settings`` is daemon.json without what may be secret,
    None without the file (see `settings_of`). ``containers`` has those that run and are of no service of Swarm.
    """
    package = _package()
    answers = bool(package) and shutil.which("docker") is not None and SOCKET.exists()
    label = f'{{{{.Label "{SERVICE_LABEL}"}}}}'
    rows = _lines("docker", "ps", "--format", f"{label}|{{{{.Names}}}}") if answers else []
    plugin = _run("docker", "buildx", "version") if answers else None
    return {
        "package": package,
        "version": "".join(_lines("docker", "version", "--format", "{{.Server.Version}}")[:1]) if answers else "",
        "client": "".join(_lines("docker", "version", "--format", "{{.Client.Version}}")[:1]) if answers else "",
        "buildx": plugin is not None and plugin.returncode == 0,
        "settings": settings_of(settings),
        "containers": [name for row in rows for label, _, name in [row.partition("|")] if not label],
    }


def settings_of(path: Path) -> dict[str, Any] | None:
    """Return the keys of a JSON file, or None without it. What is no JSON object counts as one key.

    Values are None, but those of `SHOWN`.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8", errors="replace") or "{}")
    except OSError:
        return None
    except ValueError:
        return {"(not valid JSON)": None}
    if not isinstance(read, dict):
        return {"(not a JSON object)": None}
    return {key: _shown(read[key]) if key in SHOWN else None for key in sorted(read)}


def _shown(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {option: text if option in SHOWN_OPTIONS else "***" for option, text in value.items()}


def _package() -> str:
    installed = _lines("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *PACKAGES, CLIENT)
    for package in PACKAGES:
        if f"{package} installed" in installed:
            return package
    is_client = f"{CLIENT} installed" in installed
    return OTHER if shutil.which("dockerd") or (shutil.which("docker") and not is_client) else ""


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    """Return None if the program is missing or does not answer in time."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _lines(*command: str) -> list[str]:
    done = _run(*command)
    # dpkg-query fails if one of several packages is unknown, and still prints the others.
    return done.stdout.splitlines() if done else []
