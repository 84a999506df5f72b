"""The packages of locustfiles/requirements.txt: the files that name them, and their versions on the load hosts.

The versions must be the same on all load hosts.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from swarmsweep.errors import InputError
from swarmsweep.files import read_text
from swarmsweep.lab.content_hash import hash_named
from swarmsweep.shared.lab_secrets import mask_text

REQUIREMENTS = "locustfiles/requirements.txt"
MAX_NAMED = 5  # the first differences show what to pin
# A line that names another file, and the name, which may be in quotes.
_NAMES_A_FILE = re.compile(
    r"\s*(?:-r|-c|--requirements?|--constraints?)[\s=]*(?P<quote>[\"']?)(?P<name>.+?)(?P=quote)\s*(?:\s#.*)?"
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def packages_hash(folder: Path | str) -> str:
    """A hash of all that decides which packages are installed: the requirements file, the files that it names, wheels.

    ``folder`` is that of the scenarios. A file that is missing counts as such, and the installation names it.

    Raises:
        InputError: a file that is named by an address. It could change without any change of the folder.
    """
    root = Path(folder).resolve()
    files = {file.relative_to(root).as_posix(): file for file in sorted(root.rglob("*.whl")) if file.is_file()}
    left = [root / Path(REQUIREMENTS).name]
    while left:
        file = left.pop().resolve()
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
        if name not in files and file.is_file():
            files[name] = file
            left += _named_files(file)
    return hash_named(sorted(files.items()))


def _named_files(file: Path) -> list[Path]:
    """The files that lines of a requirements file name. Their paths begin at its folder."""
    found = []
    for line in read_text(file).replace("\\\n", "").splitlines():
        if match := _NAMES_A_FILE.fullmatch(line):
            if _URL.match(match["name"]):
                raise InputError(
                    f"{REQUIREMENTS}: names the file {mask_text(match['name'])}, which may change at any time; "
                    "allowed: a file in locustfiles/. Copy it there, and name the copy"
                )
            found.append(file.parent / match["name"])
    return found


def common_packages(printed: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The version of each package by its name. ``printed`` has the lines of `uv pip freeze` of each load host.

    Raises:
        InputError: hosts with different versions. Each host installed them at another time, so a range may give others.
    """
    versions = {host: dict(map(_version, filter(_is_package, lines))) for host, lines in printed.items()}
    names = sorted({name for found in versions.values() for name in found})
    different = [name for name in names if len({found.get(name) for found in versions.values()}) > 1]
    if different:
        missing = "none"
        places = [
            f"{name} ({', '.join(f'{host} has {found.get(name, missing)}' for host, found in versions.items())})"
            for name in different[:MAX_NAMED]
        ]
        raise InputError(
            f"The load hosts have different versions of packages: {', '.join(places)}. "
            f"Write one version of each into {REQUIREMENTS}, as {different[0]}==1.0, then run the same command again"
        )
    # An address in the file may have a password or a token.
    return {name: mask_text(next(iter(versions.values()))[name]) for name in names}


def _is_package(line: str) -> bool:
    return "==" in line or " @ " in line


def _version(line: str) -> tuple[str, str]:
    """As 'numpy==2.1.0', or 'rows @ file:///opt/rows.whl' for one that was named by its file."""
    separator = "==" if "==" in line else " @ "
    name, _, version = line.partition(separator)
    return name.strip(), version.strip()
