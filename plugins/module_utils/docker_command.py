"""The docker command with a deadline. Without one, a daemon that hangs would hang the whole play without a message."""

from __future__ import annotations

from typing import Any

# No command takes more than a few seconds, even on a host under full load.
DEADLINE_SECONDS = 60
# Exit codes of timeout(1): the command was ended, or had to be killed.
TIMED_OUT = (124, 137)


def run_docker(module: Any, arguments: list[str], deadline_seconds: int = DEADLINE_SECONDS) -> tuple[int, str, str]:
    """Return exit code, output and errors of a docker command. The code is in `TIMED_OUT` if it did not end in time."""
    return module.run_command(["timeout", "--kill-after=5", str(deadline_seconds), "docker", *arguments])


def no_response(arguments: list[str], deadline_seconds: int = DEADLINE_SECONDS) -> str:
    """Return the message for a command that was ended at its deadline."""
    return (
        f"docker {' '.join(arguments[:2])} did not respond within {deadline_seconds} s. "
        "Fix: systemctl restart docker, on this host"
    )
