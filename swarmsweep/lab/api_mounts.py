"""Files and folders of this machine that the API reads in its container: what they are, and a hash of their content.

A folder on a host is named after the hash. So the same content is copied once, and other content is another deployment.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.units import format_bytes

# Each file is copied by itself, which takes about half a second for each host.
MAX_FILES = 1_000
# A model of this size takes minutes to copy over a fast network. A larger one is better in the image.
MAX_BYTES = 32 * 1024**3
# Hexadecimal digits of a SHA-256; enough that two contents of a lab never share a folder.
HASH_CHARACTERS = 16
_BLOCK_BYTES = 1024**2
_MAX_NAMED_FILES = 3  # a longer list would hide the limit


@dataclass(frozen=True)
class Mount:
    """``source`` is an absolute path of this machine, ``target`` a path in the container.

    ``name`` is that of its folder on the hosts.
    """

    target: str
    source: str
    is_folder: bool
    files: int
    size_bytes: int
    name: str

    def words(self) -> str:
        """Size and content for a person, and to compare two: '512M in 3 files, 0123456789abcdef'."""
        files = "1 file" if self.files == 1 else f"{self.files} files"
        return f"{format_bytes(self.size_bytes)} in {files}, {self.name}"

    def as_input(self) -> dict[str, Any]:
        """The mount as the roles take it."""
        return asdict(self) | {"words": self.words()}


def read_mount(target: str, source: Path) -> Mount:
    """The mount of a file or folder.

    Raises:
        LabError: it is missing, empty, too large, cannot be read, or has a link that leads out of it.
    """
    try:
        files = dict(_files(source))
        sizes = {name: path.stat().st_size for name, path in files.items()}
        _refuse_size(source, sizes)
        digest = hashlib.sha256()
        for name, path in sorted(files.items()):
            digest.update(f"{name}\0{sizes[name]}\0".encode(errors="surrogateescape"))
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK_BYTES):
                    digest.update(block)
    except OSError as error:
        raise LabError(f"{error.filename or source}: cannot be read: {error.strerror or error}") from error
    total = sum(sizes.values())
    name = digest.hexdigest()[:HASH_CHARACTERS]
    return Mount(target, str(source), source.is_dir(), len(files), total, name)


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of each file; links to files within the folder are followed."""
    if source.is_file():
        # The name of a file is not a part of its content: the container has another one.
        yield "", source
        return
    if not source.is_dir():
        raise LabError(f"{source}: is not a file or folder")
    root = source.resolve()
    for folder, folders, names in os.walk(source):
        for name in sorted(folders + names):
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise LabError(f"{path}: is a link to {path.resolve()}, which is outside of {source}")
            if path.is_symlink() and path.is_dir():
                raise LabError(f"{path}: is a link to a folder, which is not copied; use the folder itself")
            if not path.is_dir() and not path.is_file():
                raise LabError(f"{path}: is neither a file nor a folder")
        yield from ((os.path.relpath(Path(folder, name), source), Path(folder, name)) for name in names)


def _refuse_size(source: Path, sizes: dict[str, int]) -> None:
    if not sizes:
        raise LabError(f"{source}: has no file")
    if len(sizes) > MAX_FILES:
        raise LabError(f"{source}: has {len(sizes)} files; allowed: up to {MAX_FILES}. Put the folder into the image")
    total = sum(sizes.values())
    if total > MAX_BYTES:
        largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:_MAX_NAMED_FILES]
        named = ", ".join(f"{name or source.name} ({format_bytes(sizes[name])})" for name in largest)
        raise LabError(
            f"{source}: has {format_bytes(total)}; allowed: up to {format_bytes(MAX_BYTES)}. The largest: {named}. "
            "Put them into the image"
        )
