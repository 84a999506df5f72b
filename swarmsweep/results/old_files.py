"""Files of this machine that `./lab clean` removes, and the images that the newest run and sweep files need."""

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from swarmsweep.errors import LabError
from swarmsweep.files import read_text
from swarmsweep.plan.run_folder import newest_runs
from swarmsweep.results.manifest import read_manifest
from swarmsweep.units import counted, format_bytes

DAY_SECONDS = 86400
# Name and tag of an image, as a sweep file may have it. Too many matches only keep more images.
_IMAGE = re.compile(r"[\w][\w./-]*(?::\d+/[\w./-]+)?:[\w][\w.-]*")


@dataclass(frozen=True)
class OldFile:
    """A folder of a run, or a file. ``what`` is its kind for a person."""

    what: str
    path: Path
    size_bytes: int
    age_days: int

    def line(self) -> str:
        """The line that shows what goes."""
        return f"{self.what} {self.path.name}, {counted(self.age_days, 'day')} old: {format_bytes(self.size_bytes)}"


def old_runs(reports_dir: Path | str, days: int, now: datetime) -> list[OldFile]:
    """Runs that began at least ``days`` days ago, but never the newest run: the page of ``reports_dir`` is its copy."""
    found = []
    for run in newest_runs(reports_dir)[1:]:
        try:
            began = datetime.strptime(run.name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            continue
        age = (now - began).days
        if age >= days:
            found.append(OldFile("run", run, _size_bytes(run), age))
    return found


def old_files(what: str, paths: Iterable[Path], days: int, now: datetime) -> list[OldFile]:
    """Those of these files that were last written at least ``days`` days ago."""
    found = []
    for path in sorted(paths):
        if not path.is_symlink() and path.is_file():
            age = int((now.timestamp() - path.stat().st_mtime) // DAY_SECONDS)
            if age >= days and path.stat().st_size:
                found.append(OldFile(what, path, path.stat().st_size, age))
    return found


def remove(file: OldFile) -> None:
    """Remove a run or a file. Raises `LabError` when it cannot be removed."""
    try:
        if file.path.is_dir():
            shutil.rmtree(file.path)
        else:
            file.path.unlink(missing_ok=True)
    except OSError as error:
        raise LabError(f"{file.path}: cannot be removed: {error.strerror or error}") from error


def needed_images(reports_dir: Path | str, sweeps: Iterable[Path]) -> list[str]:
    """Images that the newest run was measured with, so that it can be resumed, and all that sweep files name."""
    names: set[str] = set()
    for run in newest_runs(reports_dir, 1):
        names.update(_images_of(run))
    for path in sweeps:
        names.update(_IMAGE.findall(read_text(path)))
    return sorted(names)


def _images_of(run: Path) -> Iterator[str]:
    try:
        manifest = read_manifest(run)
    except LabError:
        return
    images, axis_images = manifest.get("images"), manifest.get("axis_images")
    if isinstance(images, dict):
        # A name and an id.
        yield from (str(value).split()[0] for value in images.values() if str(value).strip())
    if isinstance(axis_images, dict):
        yield from map(str, axis_images)


def _size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
