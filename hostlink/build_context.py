"""The files of a folder that Docker would send to build an image: without those that .dockerignore leaves out."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmsweep.errors import LabError

DOCKERFILE, IGNORE_FILE = "Dockerfile", ".dockerignore"
# How much is read and sent at a time.
PART_BYTES = 1 << 20
# The number of characters of the hash in a tag: 48 bits, as many as in the tags of the lab's own images.
TAG_CHARACTERS = 12


class ContextError(LabError):
    """The folder cannot be built. The text has the cause and the fix."""


@dataclass(frozen=True)
class BuildContext:
    """What is sent. ``paths`` are relative, in order; ``left_out`` is the number of files and whole folders
    that .dockerignore names."""

    folder: Path
    paths: tuple[str, ...]
    size_bytes: int
    left_out: int

    @property
    def files(self) -> int:
        """The number of files, without folders."""
        return sum(not (self.folder / path).is_dir() or (self.folder / path).is_symlink() for path in self.paths)

    def tag(self) -> str:
        """Name and tag of the image: that of the folder, and a hash of all that is sent."""
        name = re.sub(r"[^a-z0-9]+", "-", self.folder.name.lower()).strip("-") or "api"
        digest = hashlib.sha256()
        for path in self.paths:
            file = self.folder / path
            mode = file.lstat().st_mode & 0o170111
            digest.update(f"{path}\0{mode:o}\0".encode(errors="surrogateescape"))
            if file.is_symlink():
                digest.update(str(file.readlink()).encode(errors="surrogateescape"))
            elif file.is_file():
                with file.open("rb") as stream:
                    while part := stream.read(PART_BYTES):
                        digest.update(part)
        return f"{name}:{digest.hexdigest()[:TAG_CHARACTERS]}"

    def largest(self, count: int) -> list[tuple[int, str]]:
        """The largest files: (bytes, path)."""
        sizes = ((self.folder / path).lstat().st_size for path in self.paths)
        pairs = zip(sizes, self.paths, strict=True)
        return sorted((pair for pair in pairs if not (self.folder / pair[1]).is_dir()), reverse=True)[:count]

    def archive(self) -> Iterator[bytes]:
        """The parts of a tar file. All files belong to root, as in a build on this machine.

        Docker takes its input for a Dockerfile unless the first 512 bytes are the header of a plain file. So the
        Dockerfile is first: its short name and its time in whole seconds need no further header.
        """
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self.paths, key=lambda path: (path != DOCKERFILE, path)):
                file = self.folder / path
                member = archive.gettarinfo(file, path)
                if member is None:
                    continue
                # A second name of the same file would be a link within the archive.
                if member.islnk():
                    member.type, member.linkname, member.size = tarfile.REGTYPE, "", file.stat().st_size
                member.uid = member.gid = 0
                member.mtime = int(member.mtime)
                member.uname = member.gname = ""
                archive.addfile(member)
                yield _take(buffer)
                if member.isreg():
                    yield from _content(file, member.size)
        yield _take(buffer)


def _take(buffer: io.BytesIO) -> bytes:
    """What was written since the last call."""
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data


def _content(file: Path, size: int) -> Iterator[bytes]:
    """A file in parts, and zeros up to a whole block. It must not change meanwhile."""
    left = size
    with file.open("rb") as stream:
        while left > 0:
            part = stream.read(min(PART_BYTES, left))
            if not part:
                raise ContextError(f"{file} became shorter while it was sent. Run the command again")
            left -= len(part)
            yield part
    yield bytes(-size % tarfile.BLOCKSIZE)


def context_of(folder: Path) -> BuildContext:
    """The context of a folder with a Dockerfile.

    Raises:
        ContextError: no Dockerfile, or a file that cannot be read.
    """
    folder = folder.resolve()
    if not (folder / DOCKERFILE).is_file():
        raise ContextError(f"{folder} has no file {DOCKERFILE}; allowed: a folder with one, or the name of an image")
    rules = _rules(folder)
    paths, left_out, size = [], 0, 0
    for parent, folders, files in os.walk(folder):
        relative = Path(parent).relative_to(folder)
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path, file = str(relative / name), Path(parent) / name
            if ignored(path, rules) and path not in (DOCKERFILE, IGNORE_FILE):
                left_out += 1
            elif file.is_symlink() or file.is_file():
                if not file.is_symlink() and not os.access(file, os.R_OK):
                    raise ContextError(f"{file} cannot be read. Fix: chmod +r {file}, or name it in {IGNORE_FILE}")
                paths.append(path)
                size += file.lstat().st_size
        # A folder that is left out may hold a file that a later rule takes in.
        for name in [name for name in folders if name not in links and ignored(str(relative / name), rules)]:
            if all(leaves_out for leaves_out, _ in rules):
                folders.remove(name)
                left_out += 1
        folders[:] = sorted(name for name in folders if name not in links)
        if str(relative) != "." and not ignored(str(relative), rules):
            paths.append(str(relative))
    return BuildContext(folder, tuple(sorted(paths)), size, left_out)


# --- .dockerignore ---

# Whether a rule leaves out (or takes in again), and the paths that it names.
Rule = tuple[bool, re.Pattern[str]]


def _rules(folder: Path) -> list[Rule]:
    """The rules of the folder. BuildKit prefers the file that has the Dockerfile's name."""
    for name in (DOCKERFILE + IGNORE_FILE, IGNORE_FILE):
        file = folder / name
        if file.is_file():
            return parse_rules(file.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    return []


def parse_rules(text: str) -> list[Rule]:
    """The rules of a .dockerignore file, in their order. The last one that names a path decides."""
    rules = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        pattern = line.strip()
        takes_in = pattern.startswith("!")
        pattern = os.path.normpath(pattern[takes_in:].strip() or ".").lstrip("/")
        if pattern != ".":
            try:
                rules.append((not takes_in, _pattern(pattern)))
            except re.error as error:
                raise ContextError(f"{IGNORE_FILE}: '{line.strip()}' is not a pattern: {error}. Correct it") from None
    return rules


def ignored(path: str, rules: list[Rule]) -> bool:
    """Whether a path is left out. A rule that names a folder also names all that is in it."""
    result = False
    for leaves_out, pattern in rules:
        if leaves_out != result and pattern.match(path):
            result = leaves_out
    return result


def _pattern(text: str) -> re.Pattern[str]:
    """Go's filepath.Match, with ** for any number of folders, as Docker has it."""
    out, place = "", 0
    while place < len(text):
        sign = text[place]
        if text.startswith("**", place):
            place += 2
            if text.startswith("/", place):
                place += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
            continue
        place += 1
        if sign == "*":
            out += "[^/]*"
        elif sign == "?":
            out += "[^/]"
        elif sign == "\\" and place < len(text):
            out += re.escape(text[place])
            place += 1
        elif sign == "[" and "]" in text[place + 1 :]:
            end = text.index("]", place + 1)
            inner = text[place:end].replace("\\", "\\\\").replace("[", "\\[")
            out += f"[{inner}]"
            place = end + 1
        else:
            out += re.escape(sign)
    return re.compile(f"{out}(?:/.*)?\\Z", re.DOTALL)
