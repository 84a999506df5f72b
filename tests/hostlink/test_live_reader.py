"""The lines of a host's file reach the controller, and the reason where none come."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Queue
from types import SimpleNamespace

import pytest

from hostlink import live_reader
from hostlink.live_reader import LiveReader
from tests.hostlink.test_live_program import replace

# For what must come. A busy machine may be slow.
PATIENCE_SECONDS = 60


def local() -> SimpleNamespace:
    return SimpleNamespace(transport="local", become=None, get_option=lambda _: "root")


def through(path: Path) -> SimpleNamespace:
    """A connection by ssh, whose program is another one."""
    options = {"host": "lab-load", "remote_user": "root", "ssh_executable": str(path)}
    return SimpleNamespace(
        transport="ssh",
        become=None,
        get_option=options.__getitem__,
        _build_command=lambda program, _, host, command: [program, host, command],
    )


def test_each_version_is_kept(tmp_path):
    path = tmp_path / "live.json"
    kept: Queue[str] = Queue()
    reader = LiveReader(local(), str(path), 600, kept.put)
    with reader:
        for text in ("one", "two"):
            replace(path, text)
            assert kept.get(timeout=PATIENCE_SECONDS) == text
    assert not reader._thread.is_alive()


def test_an_end_is_reported_and_the_connection_is_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(live_reader, "AGAIN_SECONDS", 0.05)
    (tmp_path / "ssh").write_text('#!/bin/sh\necho one\necho "Connection closed" >&2\nexit 255\n')
    (tmp_path / "ssh").chmod(0o755)
    kept: Queue[str] = Queue()
    lost: Queue[str] = Queue()
    with LiveReader(through(tmp_path / "ssh"), "/none", 600, kept.put, lost.put):
        for _ in range(2):
            assert kept.get(timeout=PATIENCE_SECONDS) == "one"
            reason = lost.get(timeout=PATIENCE_SECONDS)
            assert reason == "the connection to the load host ended with exit code 255: Connection closed"


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        (
            lambda folder: through(folder / "ssh"),
            "the connection to the load host ended with exit code 255: ssh: connect to host lab-load: refused",
        ),
        (lambda folder: through(folder / "missing"), "No such file or directory"),
        (lambda _: SimpleNamespace(transport="docker", become=None, get_option=lambda _: "root"), "is 'docker'"),
    ],
)
def test_why_nothing_can_come(tmp_path, connection, reason):
    (tmp_path / "ssh").write_text('#!/bin/sh\necho noise >&2\necho "ssh: connect to host $1: refused" >&2\nexit 255\n')
    (tmp_path / "ssh").chmod(0o755)
    lost: Queue[str] = Queue()
    with LiveReader(connection(tmp_path), "/none", 600, lambda _: None, lost.put):
        assert reason in lost.get(timeout=PATIENCE_SECONDS)


def test_the_end_of_the_load_is_no_loss(tmp_path):
    lost: Queue[str] = Queue()
    begun = threading.Event()
    path = tmp_path / "live.json"
    path.write_text("one")
    with LiveReader(local(), str(path), 600, lambda _: begun.set(), lost.put):
        assert begun.wait(PATIENCE_SECONDS)
    assert lost.empty()
