"""Files that are sent to a host as one archive: their listing on both sides, and the archive.

A transfer for each file would cost half a second for each file.
"""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath

FILE_MODE, FOLDER_MODE = 0o644, 0o755
# The lines of a listing. All others are of a shell's start-up file, of sudo or of ssh, which share the terminal.
_LINE = re.compile(r"[a-z] [0-7]{3,4} \S.*|[0-9a-f]{64}  \S.*")
_CLOSED = re.compile(r"(Shared connection|Connection) to .* closed\.?")


def folders_of(names: Iterable[str]) -> list[str]:
    """All folders that contain a file, below the top. ``names`` are paths below the folder of the host."""
    return sorted({str(folder) for name in names for folder in PurePosixPath(name).parents if folder.name})


def listing(files: Mapping[str, Path]) -> set[str]:
    """The lines that a host prints that has exactly these files: kind, mode and path, and the checksum of each file.

    Args:
        files: paths of this machine, by the path below the folder of the host.
    """
    lines = {f"d {FOLDER_MODE:o} {folder}" for folder in folders_of(files)}
    for name, path in files.items():
        lines.add(f"f {FILE_MODE:o} {name}")
        lines.add(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}")
    return lines


def listed_lines(output: str) -> set[str]:
    """The lines of a listing, from all that a host printed."""
    return {line for line in output.splitlines() if _LINE.fullmatch(line)}


def failure_text(stdout: str, stderr: str) -> str:
    """The cause that a failed command printed. With a terminal, it is on stdout, and ssh says that it ended."""
    said = [line for line in stderr.splitlines() if not _CLOSED.fullmatch(line.strip())]
    return "\n".join(said).strip() or stdout.strip()


def pack(files: Mapping[str, Path], archive: Path) -> None:
    """Write the archive of these files, with the modes that they have on the host.

    Args:
        files: see `listing`.
        archive: the file to write.
    """
    with tarfile.open(archive, "w") as members:
        for folder in folders_of(files):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, FOLDER_MODE
            members.addfile(member)
        for name, path in files.items():
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), FILE_MODE, int(path.stat().st_mtime)
            members.addfile(member, io.BytesIO(content))


def list_programs(dest: str, folders: Collection[str]) -> str:
    """A shell command that prints the lines of `listing` for the programs (``*.py``) of some folders, and an empty one.

    Args:
        dest: folder of the host. Without it, nothing is printed.
        folders: folders below it, or "" for itself. Other files, and folders below these, are left out.
    """
    places = " ".join(shlex.quote(folder or ".") for folder in sorted(folders))
    below = " ".join(shlex.quote(folder) for folder in sorted(folders) if folder)
    # The first line may continue what something else printed.
    steps = ["echo", f"cd {shlex.quote(dest)} 2> /dev/null || exit 0"]
    if below:
        steps.append(f"find {below} -maxdepth 0 -printf '%y %m %p\\n' 2> /dev/null")
    programs = f"find {places} -mindepth 1 -maxdepth 1 -name '*.py'"
    steps.append(f"{programs} -printf '%y %m %p\\n' 2> /dev/null | sed 's, \\./, ,'")
    steps.append(f"{programs} -type f -print0 2> /dev/null | sed -z 's,^\\./,,' | xargs -0 -r sha256sum")
    return "; ".join(steps)


def stale_programs(lines: Iterable[str], files: Collection[str], folders: Collection[str]) -> list[str]:
    """The paths of a host's listing that are neither one of these files nor a folder of them.

    Only a program in one of the folders, or something in the place of a folder, can be among them.

    Args:
        lines: those of `listed_lines`.
        files: the paths that belong there.
        folders: see `list_programs`.
    """
    kept = {("f", name) for name in files} | {("d", folder) for folder in folders_of(files)}
    # A line with a checksum has two spaces, so its second field is empty.
    named = [(kind, name) for kind, mode, name in (line.split(" ", 2) for line in lines) if mode]
    return sorted({name for kind, name in named if (kind, name) not in kept and _is_removable(name, folders)})


def _is_removable(name: str, folders: Collection[str]) -> bool:
    folder, _, program = name.rpartition("/")
    return name in folders or (folder in folders and program.endswith(".py"))


def put_programs(archive: str, dest: str, stale: Collection[str]) -> str:
    """A shell command that removes stale programs of a folder, and unpacks the archive there."""
    steps = ["umask 022", f"mkdir -p {shlex.quote(dest)}", f"cd {shlex.quote(dest)}"]
    if stale:
        steps.append("rm -rf -- " + " ".join(shlex.quote(name) for name in stale))
    # tar replaces each old file by a new one, so that a process keeps the file that it has open.
    steps.append(f"tar -xpf {shlex.quote(archive)} --no-same-owner")
    return " && ".join(steps)
