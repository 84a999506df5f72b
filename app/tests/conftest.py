"""Real neighbours on loopback: PostgreSQL, MLflow through its image's entry point, and the service itself."""

import gzip
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

APP = Path(__file__).parents[1]
# The tests run from any directory, and against this tree.
sys.path.insert(0, str(APP))
# An environment without the application's libraries (the controller's) runs none of these tests, and says so.
NEEDED = ("fastapi", "httpx", "hypothesis", "mlflow", "onnxruntime", "schemathesis", "skl2onnx")
MISSING = [name for name in NEEDED if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []

# ':' and '\' have a meaning in libpq's passfile.
PASSWORD = r"p:w\x1"
START_SECONDS = 120


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING:
        terminalreporter.write_line(f"app/tests SKIPPED: no {', '.join(MISSING)} (install app/requirements-test.txt)")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen | None = None, log: Path | None = None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline or (process and process.poll() is not None):
            pytest.fail(f"did not start: {log.read_text()[-3000:] if log else ''}")
        time.sleep(0.05)


def answers(url: str, status: int = 200) -> Callable[[], bool]:
    import httpx

    def ask() -> bool:
        try:
            return httpx.get(url, timeout=5).status_code == status
        except httpx.TransportError:
            return False

    return ask


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path, **options) -> Iterator[subprocess.Popen]:
    """A process with its own log, ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Postgres:
    """A database server that can be stopped and started."""

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

    def account(self) -> dict[str, object]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        name = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
        return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}

    def create(self) -> None:
        (self.directory / "password").write_text(PASSWORD + "\n")
        account = self.account()
        if account:
            os.chown(self.directory, pwd.getpwnam(account["user"]).pw_uid, -1)
        initdb = [str(self.binaries / "initdb"), "-D", str(self.directory / "data"), "-U", "covertype", "--no-sync"]
        initdb += ["-A", "scram-sha-256", "--pwfile", str(self.directory / "password")]
        subprocess.run(initdb, check=True, capture_output=True, cwd=self.directory, **account)

    @contextmanager
    def serve(self) -> Iterator[None]:
        command = [str(self.binaries / "postgres"), "-D", str(self.directory / "data"), "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        log = self.directory / "log"
        with running(command, {"LC_ALL": "C.UTF-8"}, log, cwd=self.directory, **self.account()) as process:
            wait_until(lambda: self.run("SELECT 1", database="postgres") is not None, process, log)
            yield

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


def postgres_binaries() -> Path | None:
    for path in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), shutil.which("initdb")):
        directory = Path(path) if path else None
        if directory and directory.is_file():
            directory = directory.resolve().parent
        if directory and (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed (apt-get install postgresql)")
    # Not pytest's own directory: that is closed to the account that PostgreSQL runs as.
    directory = Path(tempfile.mkdtemp(prefix="covertype-postgres-"))
    server = Postgres(directory, binaries)
    try:
        server.create()
        with server.serve():
            server.run("CREATE DATABASE covertype", database="postgres")
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def base_env() -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    keep["PATH"] = f"{Path(sys.executable).parent}:{keep.get('PATH', '/usr/bin:/bin')}"
    return keep | {"PYTHONPATH": str(APP), "OMP_NUM_THREADS": "1", "HOME": tempfile.gettempdir()}


@dataclass(frozen=True)
class Lab:
    """PostgreSQL with the columns, and an MLflow server; ``env`` leads to both."""

    postgres: Postgres
    mlflow_uri: str
    mlflow_process: subprocess.Popen
    env: dict[str, str]

    def python(self, *arguments: str, **env: str) -> subprocess.CompletedProcess:
        """Run a module of the application to its end."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, env=self.env | env, capture_output=True, text=True, timeout=300)

    def train(self, *arguments: str, **env: str) -> dict:
        """The one line that training prints."""
        done = self.python("covertype_api.train", *arguments, **env)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("\n") == 1, done.stdout
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def lab(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    server_env = {
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_ARTIFACTS_DESTINATION": str(directory / "artifacts"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    uri = f"http://127.0.0.1:{port}"
    env = base_env() | postgres.env
    log = directory / "log"
    command = ["sh", str(APP / "mlflow-entrypoint.sh"), "server"]
    with running(command, env | server_env, log, cwd=directory) as process:
        wait_until(answers(f"{uri}/health"), process, log)
        yield Lab(postgres, uri, process, env | {"MLFLOW_TRACKING_URI": uri})


@pytest.fixture(scope="session")
def trained(lab: Lab) -> dict:
    """The result of the first training, on generated rows; the champion of all tests that serve."""
    assert lab.python("covertype_api.columns").returncode == 0
    return lab.train("--source", "generated", "--rows", "6000")


@dataclass(frozen=True)
class Api:
    """A running service."""

    url: str
    client: "httpx.Client"
    process: subprocess.Popen
    log: Path

    def waiting_for(self) -> dict[str, str]:
        """Whom it waits for, and why; nobody once it is ready."""
        return self.client.get("/ready").json().get("waiting_for", {})

    def wait_for_reason(self, source: str, text: str) -> None:
        """Return when the reason to wait for a source has a text in it."""
        wait_until(lambda: text in self.waiting_for().get(source, ""), self.process, self.log)

    def wait_until_ready(self) -> None:
        """Return when all workers are: each answer may come from another one, so some in a row must agree."""
        ready = answers(f"{self.url}/ready")
        wait_until(lambda: all(ready() for _ in range(10)), self.process, self.log)


@contextmanager
def serving(env: dict[str, str], directory: Path, workers: int = 1) -> Iterator[Api]:
    """The service as its image starts it."""
    import httpx

    port = free_port()
    log = directory / "api.log"
    extra = {
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "prometheus"),
    }
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "covertype_api"]
    with (
        running(command, env | extra, log, cwd=directory) as process,
        httpx.Client(base_url=url, timeout=20) as client,
    ):
        wait_until(answers(f"{url}/health"), process, log)
        yield Api(url, client, process, log)


@pytest.fixture(scope="session")
def api(lab: Lab, trained: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A ready service with two workers."""
    with serving(lab.env, tmp_path_factory.mktemp("api"), workers=2) as running_api:
        running_api.wait_until_ready()
        yield running_api


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[dict[str, str]], AbstractContextManager[Api]]:
    """Starts a service of one worker with an environment of its own."""
    return lambda env: serving(env, tmp_path)


@pytest.fixture
def plain_env() -> dict[str, str]:
    """An environment in which the service can start, but finds no neighbour."""
    return base_env() | {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(free_port()),
    }


@pytest.fixture(scope="session")
def real_rows() -> Path:
    path = Path(os.environ.get("SWARMSWEEP_DATA") or "")
    if not path.is_file():
        path = APP.parents[1] / "shared" / "data" / "covertype.csv.gz"
    if not path.is_file():
        pytest.skip("no real Covertype rows here (set SWARMSWEEP_DATA to a CSV file)")
    with gzip.open(path, "rb") as file:
        assert file.readline().startswith(b"Elevation,")
    return path
