"""A server that is switched on and off."""

import subprocess
from contextlib import ExitStack

from app.dependencies.postgres import Postgres
from app.dependencies.redis_server import Redis
from app.dependencies.relay import Relay


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
