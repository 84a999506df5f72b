"""A Redis server of its own that keeps nothing on disk."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.dependencies.processes import NotInstalledError, base_env, free_port, running, wait_until

# ':', '@' and '/' have a meaning in Redis URLs.
REDIS_PASSWORD = "r:p@w/x 1"


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
        """The reply to a command, or None while the server does not accept connections."""
        import redis

        with redis.Redis("127.0.0.1", self.port, password=REDIS_PASSWORD, decode_responses=True) as client:
            try:
                return client.execute_command(*command)
            except redis.ConnectionError:
                return None
