"""Secrets of the API: files of this machine. No value ever leaves this module; Swarm gets the files themselves.

A Swarm secret cannot be changed, so its name has a hash of the content: another content is another deployment. The hash
is keyed, because a plain one of a short password could be found by trying many.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from swarmsweep.errors import LabError
from swarmsweep.lab.keyed_environment import keyed_environment
from swarmsweep.units import format_bytes

# The name is a file name, a variable of the container, and a word of a shell script.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
# Files in /run/secrets that the lab's own API has.
RESERVED = ("postgres_password", "redis_password")
# Docker Swarm accepts no larger secret: 500 kB.
MAX_BYTES = 500_000
# Hexadecimal digits of the keyed hash. A Swarm secret's name has at most 64 characters, and a lab's at most 20.
HASH_CHARACTERS = 16


@dataclass(frozen=True)
class Secret:
    """``name`` is the file in the container, ``path`` that of this machine, ``swarm_name`` the name in Swarm."""

    name: str
    path: str
    swarm_name: str

    def as_input(self) -> dict[str, str]:
        """The secret as the roles take it."""
        return asdict(self)


def read_secrets(files: Mapping[str, Path], lab_name: str, key_file: Path) -> list[Secret]:
    """The secrets of these files, by name.

    Raises:
        LabError: a file is missing, empty or too large, or the key cannot be used. The text has no content.
    """
    contents = {name: _content(name, path) for name, path in files.items()}
    if not contents:
        return []
    values = {name: content.hex() for name, content in contents.items()}
    hashes = keyed_environment(values, key_file)["values"]
    return [
        Secret(name, str(path), f"{lab_name}_secret_{hashes[name][:HASH_CHARACTERS]}") for name, path in files.items()
    ]


def refuse_unexportable(files: Mapping[str, Path]) -> None:
    """Refuse a content that cannot be the value of a variable.

    Raises:
        LabError: the name and the file.
    """
    for name, path in files.items():
        if b"\0" in _content(name, path):
            raise LabError(f"{name}: {path}: has a null character, which no variable can have")


def _content(name: str, path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise LabError(f"{name}: {path}: is not a file")
        if not 0 < size <= MAX_BYTES:
            raise LabError(f"{name}: {path}: has {format_bytes(size)}; allowed: 1 B to {format_bytes(MAX_BYTES)}")
        return path.read_bytes()
    except OSError as error:
        raise LabError(f"{name}: {path}: cannot be read: {error.strerror or error}") from error
