"""Secrets of the API: files of this machine. A value leaves this module only on its way to Swarm.

A Swarm secret cannot be changed, so its name has a hash of the content: another content is another deployment. The hash
is keyed, because a plain one of a short password could be found by trying many. A file is read once for its hash, and
once for Swarm. Swarm gets nothing that does not have the hash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.lab.keyed_environment import keyed_environment
from swarmsweep.units import format_bytes

# The name is a file name, a variable of the container, and a word of a shell script.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
# Files in /run/secrets that the lab's own API has.
RESERVED = ("postgres_password", "redis_password")
# Docker Swarm accepts no larger secret: 500 kB.
MAX_BYTES = 500_000
# Names that sh and the loader of programs use themselves. With another value, the shell that exports the secrets could
# not find cat, could not assign the name, or would run other programs.
OF_THE_SHELL = (
    *("_", "CDPATH", "DIRSTACK", "ENV", "EUID", "FUNCNAME", "GCONV_PATH", "GROUPS", "HOME", "IFS", "LINENO", "LOCPATH"),
    *("OLDPWD", "OPTARG", "OPTERR", "OPTIND", "PATH", "POSIXLY_CORRECT", "PPID", "PS1", "PS2", "PS4", "PWD", "RANDOM"),
    *("SECONDS", "SHELL", "SHELLOPTS", "TMPDIR", "UID"),
)
OF_THE_SHELL_PREFIXES = ("LD_", "BASH", "GLIBC_", "MALLOC_")
# Hexadecimal digits of the keyed hash. A Swarm secret's name has at most 64 characters, and a lab's at most 20.
HASH_CHARACTERS = 16


@dataclass(frozen=True)
class Secret:
    """``name`` is the file in the container, ``path`` that of this machine, ``swarm_name`` the name in Swarm.

    A content with a null character (``has_null``) cannot be the value of a variable.
    """

    name: str
    path: str
    swarm_name: str
    has_null: bool

    def as_input(self) -> dict[str, Any]:
        """The secret as the roles take it."""
        return asdict(self)


def read_secrets(files: Mapping[str, Path], lab_name: str, key_file: Path) -> list[Secret]:
    """The secrets of these files, by name.

    Raises:
        LabError: a file is missing, empty or too large, or the key cannot be used. The text has no content.
    """
    contents = {name: _content(name, path) for name, path in files.items()}
    names = _swarm_names(contents, lab_name, key_file)
    return [Secret(name, str(path), names[name], b"\0" in contents[name]) for name, path in files.items()]


def changed_files(secrets: Iterable[Mapping[str, Any]], lab_name: str, key_file: Path) -> list[str]:
    """The files whose content is no longer that of their names in Swarm. ``secrets`` are as the roles take them."""
    contents = {str(secret["name"]): _content(secret["name"], Path(secret["path"])) for secret in secrets}
    names = _swarm_names(contents, lab_name, key_file)
    return [str(secret["path"]) for secret in secrets if names[secret["name"]] != secret["swarm_name"]]


def content_for_swarm(secret: Mapping[str, Any], lab_name: str, key_file: Path) -> bytes:
    """The content of a secret, which is as the roles take it.

    Raises:
        LabError: the file was changed.
    """
    name = str(secret["name"])
    content = _content(name, Path(secret["path"]))
    if _swarm_names({name: content}, lab_name, key_file)[name] != secret["swarm_name"]:
        raise LabError(f"{secret['path']} was changed while this command ran. Run the same command again")
    return content


def used_by_the_shell(names: Iterable[str]) -> list[str]:
    """The names that no secret may have as a variable."""
    return [name for name in names if name in OF_THE_SHELL or name.startswith(OF_THE_SHELL_PREFIXES)]


def _swarm_names(contents: Mapping[str, bytes], lab_name: str, key_file: Path) -> dict[str, str]:
    """The name in Swarm of each secret. Without secrets, no key is made."""
    if not contents:
        return {}
    values = {name: content.hex() for name, content in contents.items()}
    hashes = keyed_environment(values, key_file)["values"]
    return {name: f"{lab_name}_secret_{hashes[name][:HASH_CHARACTERS]}" for name in contents}


def _content(name: str, path: Path) -> bytes:
    try:
        # A pipe would have no end.
        if not path.is_file():
            path.stat()
            raise LabError(f"{name}: {path}: is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
            size = max(len(content), os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise LabError(f"{name}: {path}: cannot be read: {error.strerror or error}") from error
    if not content or size > MAX_BYTES:
        raise LabError(f"{name}: {path}: has {format_bytes(size)}; allowed: 1 B to {format_bytes(MAX_BYTES)}")
    return content
