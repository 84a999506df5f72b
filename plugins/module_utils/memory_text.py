"""Amounts of memory as Docker writes them. Shared by controller and hosts."""

from __future__ import annotations

# Docker and compose count in powers of 1024. They accept these letters in any case, with or without a trailing b.
BYTES_OF_UNIT = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def format_memory(size_bytes: int) -> str:
    """Bytes -> the shortest exact Docker text: 629145600 -> '600M', 1536 MiB -> '1536M', 100 -> '100b'."""
    for unit in ("g", "m", "k"):
        if size_bytes and size_bytes % BYTES_OF_UNIT[unit] == 0:
            return f"{size_bytes // BYTES_OF_UNIT[unit]}{unit.upper()}"
    return f"{size_bytes}b"


def round_memory(size_bytes: int) -> str:
    """Bytes -> short Docker text for a sentence, rounded where no short one is exact: 1610612736 -> '1.5G'."""
    for unit in ("g", "m", "k"):
        size = BYTES_OF_UNIT[unit]
        if size_bytes >= size and size_bytes * 10 % size == 0:
            return f"{size_bytes / size:g}{unit.upper()}"
    return f"{size_bytes / 1024**2:.1f}M" if size_bytes >= 1024**2 else f"{size_bytes}B"
