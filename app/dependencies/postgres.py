"""A PostgreSQL server of its own, and which connection ran which statement."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.dependencies.processes import NotInstalledError, free_port, running, wait_until

# ':' and '\' have a meaning in libpq's passfile.
PASSWORD = r"p:w\x1"


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres, which Debian keeps out of PATH."""
    for path in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), shutil.which("initdb")):
        directory = Path(path) if path else None
        if directory and directory.is_file():
            directory = directory.resolve().parent
        if directory and (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    return None


@dataclass
class Postgres:
    """A database server that can be stopped and started. Its log has every statement with the pid that ran it."""

    directory: Path
    binaries: Path
    port: int = field(default_factory=free_port)

    @property
    def env(self) -> dict[str, str]:
        return {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(self.port),
            "POSTGRES_DB": "covertype",
            "POSTGRES_USER": "covertype",
            "POSTGRES_PASSWORD_FILE": str(self.directory / "password"),
        }

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def account(self) -> dict[str, object]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        name = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
        return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}

    def create(self) -> None:
        """A cluster with an empty database."""
        (self.directory / "password").write_text(PASSWORD + "\n")
        account = self.account()
        if account:
            os.chown(self.directory, pwd.getpwnam(account["user"]).pw_uid, -1)
        initdb = [str(self.binaries / "initdb"), "-D", str(self.directory / "data"), "-U", "covertype", "--no-sync"]
        initdb += ["-A", "scram-sha-256", "--pwfile", str(self.directory / "password")]
        subprocess.run(initdb, check=True, capture_output=True, cwd=self.directory, **account)
        with self.serve():
            self.run("CREATE DATABASE covertype", database="postgres")

    @contextmanager
    def serve(self) -> Iterator[subprocess.Popen]:
        """The server, for as long as the block lasts."""
        command = [str(self.binaries / "postgres"), "-D", str(self.directory / "data"), "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        command += ["-c", "log_statement=all", "-c", "log_line_prefix=[%p] "]
        env, account = {"LC_ALL": "C.UTF-8"}, self.account()
        with running(command, env, self.log, cwd=self.directory, **account) as process:
            wait_until(lambda: self.run("SELECT 1", database="postgres") is not None, process, self.log)
            yield process

    def queries(self, text: str) -> list[int]:
        """The process, which is the connection, of each statement so far that has a text in it."""
        pattern = re.compile(rf"^\[(\d+)\] LOG:  (?:statement|execute [^:]+): .*{re.escape(text)}", re.MULTILINE)
        return [int(pid) for pid in pattern.findall(self.log.read_text())]

    def run(self, statement: str, database: str = "covertype") -> list[tuple] | None:
        """Rows of a statement, or None while the server does not accept connections."""
        import psycopg2

        try:
            connection = psycopg2.connect(
                host="127.0.0.1", port=self.port, user="covertype", password=PASSWORD, dbname=database
            )
        except psycopg2.OperationalError:
            return None
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows


@contextmanager
def postgres_cluster() -> Iterator[Postgres]:
    """A PostgreSQL of its own that does not run yet, removed with the block.

    Raises:
        NotInstalledError, NotStartedError.
    """
    binaries = postgres_binaries()
    if binaries is None:
        raise NotInstalledError("PostgreSQL's initdb and postgres are not installed (apt-get install postgresql)")
    # A place that is open to the account that PostgreSQL runs as.
    directory = Path(tempfile.mkdtemp(prefix="covertype-postgres-"))
    try:
        server = Postgres(directory, binaries)
        server.create()
        yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)
