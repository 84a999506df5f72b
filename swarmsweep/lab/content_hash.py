"""Names derived from content: the same files give the same tag, on every machine and at every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from swarmsweep.errors import LabError

# Tests, and files that running or editing leaves behind, are never part of a build. Neither is prose (*.md).
# roles/images/tasks/build.yml leaves the same files out of what it sends.
IGNORED = {"tests", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis", ".venv"}
# Long enough that two contents of a lab never share a tag, short enough to read.
HASH_CHARACTERS = 12


def list_files(path: Path) -> list[Path]:
    """Files at or below a path, sorted by name, without what IGNORED lists.

    Raises:
        LabError: the path does not exist.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise LabError(f"{path}: no such file or folder")
    files = (file for file in path.rglob("*") if file.is_file() and not IGNORED & set(file.relative_to(path).parts))
    return sorted(file for file in files if file.suffix != ".md" and ".egg-info/" not in file.as_posix())


def hash_each(root: Path | str, folders: list[str]) -> dict[str, str]:
    """The hash of each folder below ``root``, by its relative name.

    Raises:
        LabError: a folder does not exist.
    """
    return {name: hash_paths([str(Path(root) / name)], []) for name in folders}


def hash_named(files: Iterable[tuple[str, Path]]) -> str:
    """Hash over these names and the bytes of their files.

    Returns:
        The first HASH_CHARACTERS hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for name, path in files:
        _add(digest, name, path)
    return digest.hexdigest()[:HASH_CHARACTERS]


def hash_paths(paths: list[str], extra: list[str]) -> str:
    """Hash over the relative names and bytes of all files, and over further texts (build arguments).

    Args:
        paths: files or folders; a folder's own name does not count, the names below it do.
        extra: texts that change what is built.

    Returns:
        The first HASH_CHARACTERS hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for root in map(Path, paths):
        for file in list_files(root):
            _add(digest, file.relative_to(root if root.is_dir() else root.parent).as_posix(), file)
    for text in extra:
        digest.update(f"\0{len(text)}\0{text}".encode())
    return digest.hexdigest()[:HASH_CHARACTERS]


def _add(digest: hashlib._Hash, name: str, file: Path) -> None:
    body = file.read_bytes()
    digest.update(f"{name}\0{len(body)}\0".encode() + body)
