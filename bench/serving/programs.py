"""Programs of the system that this benchmark needs, installed when they are absent."""

from pathlib import Path

from app.dependencies.postgres import postgres_binaries
from bench.lib import packages, wrk

# PostgreSQL's package would otherwise make a cluster and start it; the bench starts one of its own on a free port.
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/no-cluster.conf")


def install() -> None:
    """wrk, and the programs of PostgreSQL.

    Raises:
        LabError: apt-get failed.
    """
    wrk.install()
    if postgres_binaries() is None:
        packages.as_root("mkdir", "-p", str(NO_CLUSTER.parent))
        packages.as_root("tee", str(NO_CLUSTER), text="create_main_cluster = false\n")
        packages.install_debian("postgresql")
