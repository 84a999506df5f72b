"""The folder of the scenarios as the load hosts get it: which files, how many, how large, and a hash of each entry."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmsweep.errors import InputError
from swarmsweep.lab.content_hash import hash_named
from swarmsweep.units import format_bytes, quoted

# Each sweep computes the checksum of every file, here and on each load host. 2,000 files take about a second.
MAX_FILES = 2_000
# One copy to each load host. 256 MiB take about 20 s over a connection of 100 Mbit/s.
MAX_BYTES = 256 * 1024**2
MAX_NAMED = 5  # a longer list of the largest files would hide the first
# Python writes this folder beside each module that it imports.
CACHE = "__pycache__"


@dataclass(frozen=True)
class ScenarioFile:
    """A file to copy: ``name`` is its path below the folder of the scenarios, ``path`` where its content is."""

    name: str
    path: Path
    size_bytes: int


def list_folder(folder: Path | str) -> list[ScenarioFile]:
    """All files of the folder of the scenarios, by name. Hidden entries and Python's caches are left out.

    Raises:
        InputError: a link that leads out of the folder, an entry that is no file, or too many files or bytes.
    """
    folder = Path(folder)
    problems: list[str] = []
    files = sorted(_walk(folder, folder, problems), key=lambda file: file.name)
    if len(files) > MAX_FILES:
        problems.append(_too_many(files))
    elif (total := sum(file.size_bytes for file in files)) > MAX_BYTES:
        problems.append(_too_large(files, total))
    if problems:
        raise InputError("\n".join(problems))
    return files


def hash_folder(folder: Path | str) -> dict[str, str]:
    """The hash of each entry of the folder that is copied, a file or a folder, by its path from the repository.

    Raises:
        InputError: see `list_folder`.
    """
    entries: dict[str, list[tuple[str, Path]]] = {}
    for file in list_folder(folder):
        entry, _, below = file.name.partition("/")
        entries.setdefault(entry, []).append((below or entry, file.path))
    return {f"locustfiles/{entry}": hash_named(files) for entry, files in entries.items()}


def _walk(folder: Path, root: Path, problems: list[str]) -> Iterator[ScenarioFile]:
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name == CACHE or entry.name.endswith(".pyc"):
            continue
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if fault := _fault(path, name, root):
            problems.append(f"locustfiles/{fault}")
        elif path.is_dir():
            yield from _walk(path, root, problems)
        else:
            yield ScenarioFile(name, path, path.stat().st_size)


def _fault(path: Path, name: str, root: Path) -> str | None:
    """Why an entry cannot be copied, with the fix; None if it can."""
    shown = name if name.isprintable() and "\\" not in name else quoted(name)
    if shown != name:
        return f"{shown} has a control character, a backslash or invalid UTF-8 in its name. Rename it"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            return f"{name} is a link to a missing file; allowed: files and folders. Put the file there, or remove it"
        return f"{name} cannot be read: {error.strerror}. Make it readable, or remove it"
    if path.is_symlink():
        if not path.resolve().is_relative_to(root.resolve()):
            return f"{name} is a link to {path.resolve()}, outside locustfiles/. Replace the link by a copy"
        if stat.S_ISDIR(mode):
            return f"{name} is a link to a folder; allowed: files and folders. Replace the link by a copy"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return f"{name} is not a regular file; allowed: files and folders. Remove it"
    if not os.access(path, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
        return f"{name} cannot be read. Make it readable: chmod a+rX locustfiles/{name}"
    return None


def _too_many(files: list[ScenarioFile]) -> str:
    counts = Counter(str(Path(file.name).parent) for file in files)
    largest = ", ".join(
        f"locustfiles/{'' if folder == '.' else folder + '/'} ({count:,} files)"
        for folder, count in counts.most_common(MAX_NAMED)
    )
    return (
        f"locustfiles/ has {len(files):,} files; allowed: {MAX_FILES:,}. All of them are copied to each load host. "
        f"Most are in: {largest}. Move out of locustfiles/ what no scenario reads"
    )


def _too_large(files: list[ScenarioFile], total: int) -> str:
    by_size = sorted(files, key=lambda file: file.size_bytes, reverse=True)[:MAX_NAMED]
    largest = ", ".join(f"locustfiles/{file.name} ({format_bytes(file.size_bytes)})" for file in by_size)
    return (
        f"locustfiles/ has {format_bytes(total)} in {len(files):,} files; allowed: {format_bytes(MAX_BYTES)}. "
        f"All of them are copied to each load host. The largest are: {largest}. "
        "Move out of locustfiles/ what no scenario reads"
    )
