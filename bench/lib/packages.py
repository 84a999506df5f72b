"""Programs of the system that a benchmark needs, installed when they are missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench.lib.paths import CACHE, ROOT
from bench.lib.progress import say
from swarmsweep.errors import LabError

# apt sends its request to a busy server again at once. With a delay, apt of Debian 12 may wait without end (Launchpad
# bug 2003851).
APT_GET = ("apt-get", "-o", "Acquire::Retries::Delay=false")


def install_debian(*names: str) -> None:
    """Packages of the distribution, without what they only recommend.

    Raises:
        LabError: apt-get failed.
    """
    say(f"Installing {', '.join(names)}")
    as_root(*APT_GET, "update", "-qq")
    as_root(*APT_GET, "install", "-y", "-qq", "--no-install-recommends", *names)


def find(name: str, program: str) -> Path | None:
    """A program of the system, or of a package that was unpacked before; None if there is neither.

    Args:
        name: of the package.
        program: path of the program in it, such as usr/sbin/nginx.
    """
    installed = shutil.which(Path(program).name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed:
        return Path(installed)
    before = CACHE / name / program
    return before if before.exists() else None


def unpacked(name: str, program: str) -> Path:
    """A program of the system, or the distribution's package unpacked below .lab: to install the package of a server
    would start it. Libraries that it needs are installed.

    Args:
        name: of the package.
        program: path of the program in it, such as usr/sbin/nginx.

    Raises:
        LabError: apt-get or dpkg-deb failed, or what was unpacked does not run.
    """
    path = find(name, program)
    if path is None:
        path = _unpack(name, program)
    if path.is_relative_to(CACHE):
        _run([str(path), "-v"], CACHE / name)
    return path


def _unpack(name: str, program: str) -> Path:
    folder = CACHE / name
    say(f"Unpacking the package {name} into {folder.relative_to(ROOT)}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _run([*APT_GET, "download", "-qq", name], folder)
    except LabError:
        # A new machine has no list of packages, and an old one lists packages that are no longer offered.
        as_root(*APT_GET, "update", "-qq")
        _run([*APT_GET, "download", "-qq", name], folder)
    (package,) = folder.glob(f"{name}_*.deb")
    depends = _run(["dpkg-deb", "--field", package.name, "Depends"], folder)
    if missing := [library for library in libraries(depends) if not _is_installed(library)]:
        install_debian(*missing)
    # Moved into place last, so that an interrupted step is repeated.
    _run(["dpkg-deb", "--extract", package.name, "whole"], folder)
    (folder / "whole/usr").rename(folder / "usr")
    return folder / program


def libraries(depends: str) -> list[str]:
    """Names of the libraries in the field Depends of a package; of alternatives, the first."""
    names = (re.split(r"[ (|:]", one.strip(), maxsplit=1)[0] for one in depends.split(","))
    return [name for name in names if name.startswith("lib")]


def _is_installed(name: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True)
    return "ok installed" in done.stdout


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(
            f"`{' '.join(command)}` ended with code {done.returncode}: {(done.stderr or done.stdout).strip()[-1000:]}; "
            f"install {folder.name} yourself"
        )
    return done.stdout


def as_root(*command: str, text: str | None = None) -> None:
    full = [*([] if os.geteuid() == 0 else ["sudo"]), *command]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(full, env=env, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(full)}` ended with code {done.returncode}: {done.stderr.strip()[-1000:]}")
