"""The docker command with a deadline: a daemon that hangs would hang the whole play without a word."""

from __future__ import annotations

from typing import Any

# None of the questions asked takes more than a few seconds, even of a host under full load.
DEADLINE_SECONDS = 60
# timeout(1): the command was ended, or had to be killed.
TIMED_OUT = (124, 137)


def run_docker(module: Any, arguments: list[str], deadline_seconds: int = DEADLINE_SECONDS) -> tuple[int, str, str]:
    """Exit code, output and errors of a docker command; a code of `TIMED_OUT` when it did not end in time."""
    return module.run_command(["timeout", "--kill-after=5", str(deadline_seconds), "docker", *arguments])


def no_answer(arguments: list[str], deadline_seconds: int = DEADLINE_SECONDS) -> str:
    """The message for a command that was ended at its deadline."""
    return (
        f"docker {' '.join(arguments[:2])} did not respond within {deadline_seconds} s. "
        "Fix: systemctl restart docker, on this host"
    )
