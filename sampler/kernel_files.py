"""Small readers of the kernel's text files: /proc and the cgroups. A missing value is None."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str | None:
    """Text of a kernel file, or None when it does not exist, has gone, or cannot be read."""
    # Unbuffered and decoded at once: half the cost of Path.read_text, with about fifty files per tick.
    try:
        with path.open("rb", buffering=0) as file:
            return file.read().decode()
    except (OSError, UnicodeDecodeError):
        return None


def parse_number(text: str | None) -> int | None:
    """Whole number of a one-value file; None for a missing file and for words such as `max`."""
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def parse_pairs(text: str | None) -> dict[str, int]:
    """Flat `key value` file (cpu.stat, memory.events, memory.oom_control, memory.stat) as a dict."""
    pairs = {}
    for line in (text or "").splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[1].isdigit():
            pairs[fields[0]] = int(fields[1])
    return pairs


def scaled(value: int | None, factor: float) -> float | None:
    """Value times factor, rounded to a microsecond, the resolution of the counters; None stays None."""
    return None if value is None else round(value * factor, 6)
