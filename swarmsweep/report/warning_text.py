"""Which of Ansible's warnings the user sees."""

from __future__ import annotations

SHOWN_WARNINGS = 5
WARNING_CHARACTERS = 300


class Warnings:
    """The warnings of a playbook: the first line of each, once; only the first of many; no deprecations."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def shown(self, message: str) -> str | None:
        """The line to print for a warning; None when the log alone gets it.

        Args:
            message: as Ansible prints it, with "[WARNING]: " or "[DEPRECATION WARNING]: ".
        """
        first = message.partition("\n")[0]
        # Deprecations are for the developers of the lab. Each comes with a warning that explains how to hide it.
        if "DEPRECATION WARNING" in first.upper() or first in self._seen:
            return None
        self._seen.append(first)
        if len(self._seen) > SHOWN_WARNINGS:
            return None
        return first if len(first) <= WARNING_CHARACTERS else f"{first[:WARNING_CHARACTERS]} ..."

    @property
    def hidden(self) -> int:
        """The number of different warnings that only the log has."""
        return max(0, len(self._seen) - SHOWN_WARNINGS)
