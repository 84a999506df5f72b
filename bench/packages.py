"""Programs of the system that a benchmark needs, installed when they are absent."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.progress import say
from swarmsweep.errors import LabError

APP_TESTS = Path(__file__).parents[1] / "app/tests"
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
    as_root("apt-get", "update", "-qq")
    as_root("apt-get", "install", "-y", "-qq", "--no-install-recommends", *names)


def as_root(*command: str, text: str | None = None) -> None:
    full = [*([] if os.geteuid() == 0 else ["sudo"]), *command]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(full, env=env, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(full)}` ended with code {done.returncode}: {done.stderr.strip()[-1000:]}")
