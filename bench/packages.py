"""Programs of the system that a benchmark needs, installed when they are absent."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.progress import say
from swarmsweep.errors import LabError

ROOT = Path(__file__).parents[1]
APP_TESTS = ROOT / "app/tests"
UNPACKED = ROOT / ".lab/bench"
# Asks a busy server again at once: with a delay, apt of Debian 12 may wait for ever (Launchpad bug 2003851).
APT_GET = ("apt-get", "-o", "Acquire::Retries::Delay=false")
# PostgreSQL's package would otherwise make a cluster and start it; the bench starts one of its own on a free port.
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/no-cluster.conf")


def install() -> None:
    """wrk, and the programs of PostgreSQL.

    Raises:
        LabError: apt-get failed.
    """
    sys.path.append(str(APP_TESTS))
    from neighbours import postgres_binaries

    missing = [] if shutil.which("wrk") else ["wrk"]
    if postgres_binaries() is None:
        as_root("mkdir", "-p", str(NO_CLUSTER.parent))
        as_root("tee", str(NO_CLUSTER), text="create_main_cluster = false\n")
        missing.append("postgresql")
    if missing:
        install_debian(*missing)


def install_debian(*names: str) -> None:
    """Packages of the distribution, without what they only recommend.

    Raises:
        LabError: apt-get failed.
    """
    say(f"Installing {', '.join(names)}")
    as_root(*APT_GET, "update", "-qq")
    as_root(*APT_GET, "install", "-y", "-qq", "--no-install-recommends", *names)


def unpacked(name: str, program: str) -> Path:
    """A program of the system, or the distribution's package unpacked below .lab: to install the package of a server
    would start it, which nobody has asked for. Libraries that it needs are installed.

    Args:
        name: of the package.
        program: path of the program in it, such as usr/sbin/nginx.

    Raises:
        LabError: apt-get or dpkg-deb failed, or what was unpacked does not run.
    """
    installed = shutil.which(Path(program).name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed:
        return Path(installed)
    folder = UNPACKED / name
    found = folder / program
    if not found.exists():
        say(f"Unpacking the package {name} into {folder.relative_to(ROOT)}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            _run([*APT_GET, "download", "-qq", name], folder)
        except LabError:
            # A fresh machine knows no packages yet, an old one those that are no longer offered.
            as_root(*APT_GET, "update", "-qq")
            _run([*APT_GET, "download", "-qq", name], folder)
        (package,) = folder.glob(f"{name}_*.deb")
        depends = _run(["dpkg-deb", "--field", package.name, "Depends"], folder)
        if missing := [library for library in libraries(depends) if not _is_installed(library)]:
            install_debian(*missing)
        # Moved into place last, so that an interrupted step is made again.
        _run(["dpkg-deb", "--extract", package.name, "whole"], folder)
        (folder / "whole/usr").rename(folder / "usr")
    _run([str(found), "-v"], folder)
    return found


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
            f"mend it by installing {folder.name} yourself"
        )
    return done.stdout


def as_root(*command: str, text: str | None = None) -> None:
    full = [*([] if os.geteuid() == 0 else ["sudo"]), *command]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(full, env=env, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(full)}` ended with code {done.returncode}: {done.stderr.strip()[-1000:]}")
