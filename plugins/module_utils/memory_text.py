"""Amounts of memory as Docker writes them. Shared by controller and hosts."""

from __future__ import annotations

# Docker and compose count in powers of 1024. They accept these letters in any case, with or without a trailing b.
BYTES_OF_UNIT = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


# More decimals than in 1.125G would not be shorter than the next smaller unit.
MAX_DECIMALS = 3


def format_memory(size_bytes: int) -> str:
    """Bytes -> the shortest Docker text that Docker reads as these bytes: 600 MiB -> '600M', 1288490188 -> '1.2G'.

    Of two texts with the same length, the one with the larger unit.
    """
    texts = [text for unit in ("g", "m", "k") if (text := _in_unit(size_bytes, unit))]
    return min([*texts, f"{size_bytes}b"], key=len)


def _in_unit(size_bytes: int, unit: str) -> str | None:
    """The amount in this unit, at least 1. None if three decimals are not exact."""
    size = BYTES_OF_UNIT[unit]
    for decimals in range(MAX_DECIMALS + 1) if size_bytes >= size else ():
        scale = 10**decimals
        # Docker rounds down to whole bytes.
        scaled = -(-size_bytes * scale // size)
        if scaled * size // scale == size_bytes:
            whole, part = divmod(scaled, scale)
            fraction = f".{part:0{decimals}d}" if decimals else ""
            return f"{whole}{fraction}{unit.upper()}"
    return None


def round_memory(size_bytes: int) -> str:
    """Bytes -> short Docker text for a sentence, rounded where no short one is exact: 1610612736 -> '1.5G'."""
    for unit in ("g", "m", "k"):
        size = BYTES_OF_UNIT[unit]
        if size_bytes >= size and size_bytes * 10 % size == 0:
            return f"{size_bytes / size:g}{unit.upper()}"
    return f"{size_bytes / 1024**2:.1f}M" if size_bytes >= 1024**2 else f"{size_bytes}B"
