"""The workers of a load on Locust's master, its beginning and its end, for closed-loop loads and searches.

SWEEP_START_FILE   path: the load begins when this file is there, so that Locust can stand by while an API is deployed.
                   Without it, the load begins when all workers are there.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.rpc import Message
from locust.runners import STATE_MISSING, STATE_STOPPED, STATE_STOPPING, MasterRunner, WorkerRunner

# Locust itself checks only once a second whether its workers are connected.
POLL_SECONDS = 0.02
# Message, worker -> master: this worker has taken its role. Locust counts a worker as ready before `init` fires there.
HAS_ROLE = "worker_has_role"
# Seconds between two of these messages. The master ignores those that come before its own `init`.
ANNOUNCE_SECONDS = 0.2
WATCH_SECONDS = 0.25
# Seconds for workers to disconnect. Locust's own wait is twice as long, three times.
LEAVE_SECONDS = 0.5


def announce_role(runner: Any) -> None:
    """Call this on each worker as its last step when Locust initialises, so that the master may start users there.

    Without it, the worker that connects last can start its users before its listeners are there.
    """
    if not isinstance(runner, WorkerRunner):
        return
    announcing = runner.greenlet.spawn(_announce, runner)
    events.test_start.add_listener(lambda **_: announcing.kill(block=False))


def wait_for_start(environment: Any) -> None:
    """Call this when Locust initialises. It returns when the load may begin and the expected workers have their roles.

    If they are missing, it returns after Locust's own timeout, and Locust stops.
    """
    options, runner = environment.parsed_options, environment.runner
    with_role: set[str] = set()
    if isinstance(runner, MasterRunner):
        runner.register_message(HAS_ROLE, lambda msg, **_: with_role.add(msg.node_id))
    start_file = os.environ.get("SWEEP_START_FILE")
    while start_file and not Path(start_file).exists():
        gevent.sleep(POLL_SECONDS)
    if not isinstance(runner, MasterRunner):
        return
    deadline = time.monotonic() + (options.expect_workers_max_wait or 0)
    while time.monotonic() < deadline:
        if len(with_role & {worker.id for worker in runner.clients.ready}) >= options.expect_workers:
            return
        gevent.sleep(POLL_SECONDS)


class Workers:
    """Which workers take part, and which were lost. Without workers, this process is the only one.

    ``on_lost`` is called once for each worker that stops sending heartbeats; it must not block.
    """

    def __init__(self, environment: Any, on_lost: Callable[[], None] = lambda: None) -> None:
        self._environment = environment
        self._on_lost = on_lost
        self._connected: set[str] = set()
        self._lost: set[str] = set()

    @property
    def _is_distributed(self) -> bool:
        return isinstance(self._environment.runner, MasterRunner)

    @property
    def expected(self) -> int:
        return self._environment.parsed_options.expect_workers if self._is_distributed else 1

    @property
    def connected(self) -> int:
        """All workers that were ever connected, lost ones included."""
        return len(self._connected) if self._is_distributed else 1

    @property
    def lost(self) -> int:
        return len(self._lost)

    @property
    def present(self) -> set[str]:
        """The connected nodes."""
        return self._connected - self._lost

    @property
    def all_lost(self) -> bool:
        return bool(self._connected) and not self.present

    def watch(self) -> None:
        """Check every quarter of a second, until Locust quits."""
        if self._is_distributed:
            self._environment.runner.greenlet.spawn(self._watch)

    def give_up(self, nodes: set[str]) -> None:
        """Count these workers as lost, because they have not done their part."""
        self._lost |= nodes

    def refresh(self) -> None:
        """Update the list of connected workers."""
        if not self._is_distributed:
            return
        runner = self._environment.runner
        known = {worker.id: worker.state for worker in runner.clients.all}
        self._connected |= known.keys()
        gone = {node for node, state in known.items() if state == STATE_MISSING}
        if runner.state not in (STATE_STOPPING, STATE_STOPPED):
            # A worker that disconnects is forgotten. After the test has stopped, this is expected.
            gone |= self._connected - known.keys()
        for node in gone - self._lost:
            self._lost.add(node)
            self._on_lost()

    def _watch(self) -> None:
        while True:
            self.refresh()
            gevent.sleep(WATCH_SECONDS)


def _announce(runner: Any) -> None:
    while True:
        runner.send_message(HAS_ROLE)
        gevent.sleep(ANNOUNCE_SECONDS)


def quit_locust(environment: Any, workers: Workers) -> None:
    """Quit, and let the workers quit. Locust's own method always waits half a second three times."""
    runner = environment.runner
    if not isinstance(runner, MasterRunner):
        runner.quit()
        return
    runner.stop(send_stop_to_client=False)
    # Locust calls it twice while it shuts down, and again when the last worker has disconnected.
    runner.quit = lambda: None
    # Locust does not know a worker that has just stopped until it is ready again.
    nodes = workers.present | {worker.id for worker in runner.clients.all if worker.state != STATE_MISSING}
    for node in nodes:
        runner.server.send_to_client(Message("quit", None, node))
    deadline = time.monotonic() + LEAVE_SECONDS
    while any(node in runner.clients for node in nodes) and time.monotonic() < deadline:
        gevent.sleep(POLL_SECONDS)
    runner.greenlet.kill(block=True)
