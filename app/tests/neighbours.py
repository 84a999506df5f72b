"""Real servers on loopback, started and stopped as processes: PostgreSQL, Redis, MLflow and the service itself.

Knows nothing of the framework that tests with it, so that benchmarks start the same servers.
"""

import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

APP = Path(__file__).parents[1]

# ':' and '\' have a meaning in libpq's passfile.
PASSWORD = r"p:w\x1"
# ':', '@' and '/' have a meaning in Redis URLs.
REDIS_PASSWORD = "r:p@w/x 1"
# On a busy machine MLflow takes half of it.
START_SECONDS = 120
# Below what the kernel gives to outgoing connections: while a server is stopped, none may take its port.
PORTS = range(20_000, 32_000)


class NotInstalledError(RuntimeError):
    """A program that a server needs is absent; the message says how to get it."""


class NotStartedError(RuntimeError):
    """A server ended, or was not ready in time; the message has the end of its log."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def wait_until(condition: Callable[[], bool], process: subprocess.Popen | None = None, log: Path | None = None) -> None:
    """Return once the condition holds.

    Raises:
        NotStartedError: it did not within START_SECONDS, or the process has ended.
    """
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline or (process and process.poll() is not None):
            raise NotStartedError(f"did not come true: {log.read_text()[-3000:] if log else ''}")
        time.sleep(0.05)


def answers(url: str, status: int = 200) -> Callable[[], bool]:
    """A condition: the URL answers with that status."""
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
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                # Workers outlive a supervisor that is killed.
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                process.kill()
                process.wait()
                for child in children:
                    with suppress(ProcessLookupError):
                        os.kill(int(child), signal.SIGKILL)


def base_env() -> dict[str, str]:
    """What every program of the application needs, and nothing else of this process's environment."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    keep["PATH"] = f"{Path(sys.executable).parent}:{keep.get('PATH', '/usr/bin:/bin')}"
    return keep | {"PYTHONPATH": str(APP), "OMP_NUM_THREADS": "1", "HOME": tempfile.gettempdir()}


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


def redis_binary() -> str:
    """Redis's program: it is a server by the name it is called by, and Debian's redis-tools has it under another.

    Raises:
        NotInstalledError.
    """
    binary = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if binary is None:
        raise NotInstalledError("Redis is not installed (apt-get install redis-tools)")
    return binary


@dataclass
class Redis:
    """A Redis that keeps nothing on disk and can be stopped and started."""

    directory: Path
    binary: str = field(default_factory=redis_binary)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        (self.directory / "password").write_text(REDIS_PASSWORD + "\n")

    @property
    def env(self) -> dict[str, str]:
        return {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "REDIS_PASSWORD_FILE": str(self.directory / "password"),
        }

    @contextmanager
    def serve(self) -> Iterator[subprocess.Popen]:
        """The server, for as long as the block lasts."""
        config = f'bind 127.0.0.1\nport {self.port}\nrequirepass "{REDIS_PASSWORD}"\nsave ""\n'
        options = {"executable": self.binary, "stdin": subprocess.PIPE, "cwd": self.directory}
        log = self.directory / "log"
        with running(["redis-server", "-"], base_env(), log, **options) as process:
            process.stdin.write(config.encode())
            process.stdin.close()
            wait_until(lambda: self.run("PING") is not None, process, log)
            yield process

    def run(self, *command: str) -> object:
        """The answer to a command, or None while the server does not accept connections."""
        import redis

        with redis.Redis("127.0.0.1", self.port, password=REDIS_PASSWORD, decode_responses=True) as client:
            try:
                return client.execute_command(*command)
            except redis.ConnectionError:
                return None


@dataclass(frozen=True)
class Mlflow:
    """A running MLflow server, whose log has every request."""

    uri: str
    process: subprocess.Popen
    log: Path

    def requests(self, text: str) -> list[int]:
        """The client's port, which is the connection, of each request so far that has a text in its path."""
        pattern = re.compile(rf'127\.0\.0\.1:(\d+) - "GET [^"]*{re.escape(text)}')
        return [int(port) for port in pattern.findall(self.log.read_text())]


@contextmanager
def mlflow_server(env: dict[str, str], directory: Path) -> Iterator[Mlflow]:
    """MLflow as its image starts it, on the PostgreSQL that ``env`` leads to.

    Raises:
        NotStartedError.
    """
    port = free_port()
    server_env = {
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_ARTIFACTS_DESTINATION": str(directory / "artifacts"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    uri = f"http://127.0.0.1:{port}"
    log = directory / "log"
    # The last of repeated options wins: the log of requests, which the application switches off, is evidence here.
    options = ["--uvicorn-opts", "--timeout-keep-alive 75 --log-level info"]
    command = ["sh", str(APP / "mlflow-entrypoint.sh"), "server", *options]
    with running(command, env | server_env, log, cwd=directory) as process:
        wait_until(answers(f"{uri}/health"), process, log)
        yield Mlflow(uri, process, log)


@dataclass
class Relay:
    """A way to a server of loopback that can be cut: to whoever comes by it, the server is then gone."""

    target_port: int
    port: int = field(default_factory=free_port)

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Both ways, for as long as the block lasts; its end cuts every connection."""
        ends: list[socket.socket] = []
        listener = socket.create_server(("127.0.0.1", self.port))
        accepting = threading.Thread(target=self._accept, args=(listener, ends), daemon=True)
        accepting.start()
        try:
            yield
        finally:
            # Closing alone would not wake the thread that accepts.
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            listener.close()
            for end in ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, ends: list[socket.socket]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target_port))
            ends += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class Switch:
    """A server that is switched on and off. ``server`` has a port and a context manager ``serve``."""

    def __init__(self, server: Postgres | Redis | Relay) -> None:
        self.server = server
        self.process: subprocess.Popen | None = None
        self._running = ExitStack()

    def on(self) -> None:
        self.process = self._running.enter_context(self.server.serve())

    def off(self) -> None:
        self._running.close()


@dataclass(frozen=True)
class Lab:
    """PostgreSQL, Redis and an MLflow server; ``env`` leads to all three."""

    postgres: Postgres
    redis: Redis
    mlflow: Mlflow
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


@contextmanager
def neighbours(directory: Path) -> Iterator[Lab]:
    """All three servers, empty.

    Raises:
        NotInstalledError, NotStartedError.
    """
    for name in ("redis", "mlflow"):
        (directory / name).mkdir()
    redis = Redis(directory / "redis")
    with postgres_cluster() as postgres, postgres.serve(), redis.serve():
        env = base_env() | postgres.env | redis.env
        with mlflow_server(env, directory / "mlflow") as mlflow:
            yield Lab(postgres, redis, mlflow, env | {"MLFLOW_TRACKING_URI": mlflow.uri})


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
    """The service as its image starts it: alive, maybe not yet ready.

    Raises:
        NotStartedError.
    """
    import httpx

    port = free_port()
    log = directory / "api.log"
    extra = {
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "PYTHONUNBUFFERED": "1",
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
