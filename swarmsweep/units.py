"""Docker's memory units, and the formats for readers."""

import re
from collections.abc import Sequence

from swarmsweep.errors import InputError
from swarmsweep.shared.memory_text import BYTES_OF_UNIT, format_memory

__all__ = [
    "factor_text",
    "format_bytes",
    "format_figure",
    "format_memory",
    "format_plain",
    "format_seconds",
    "listed",
    "memory_fault",
    "nano_cpus",
    "parse_memory",
    "parse_memory_setting",
    "quoted",
]

# Docker's units count in powers of 1024, as those of Kubernetes (Mi, Gi) and of the IEC (MiB, GiB) do.
_MEMORY = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,6})?)(b|[kmg](b|i|ib)?)", re.IGNORECASE | re.ASCII)
# Without a unit. More digits would take time to convert.
_WHOLE = re.compile(r"[0-9]{1,30}", re.ASCII)
_HOW = "allowed: a number with the unit b, k, m or g, as 600M or 1.5G (M is 1024 x 1024 bytes)"


def parse_memory(text: str) -> int:
    """Memory text ('600M', '1.5g', '512mb', '1Gi') -> whole bytes, rounded down as Docker does.

    Raises `InputError` for anything else; the message says how to write it.
    """
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise InputError(f"{quoted(text)} {_memory_fault(text)}; {_HOW}")
    number, unit = match[1], match[2]
    factor = BYTES_OF_UNIT[unit[0].lower()]
    whole, _, fraction = number.partition(".")
    scale: int = 10 ** len(fraction)
    return int(whole) * factor + int(fraction or 0) * factor // scale


def parse_memory_setting(value: object) -> int:
    """The same for `lab_api_memory` of an inventory, where a whole number of at least a MiB may be bytes.

    A smaller number without a unit is a mistake, as 512 for 512M.
    """
    text = str(value)
    if _WHOLE.fullmatch(text) and int(text) >= BYTES_OF_UNIT["m"]:
        return int(text)
    return parse_memory(text)


def memory_fault(value: object) -> str | None:
    """What is wrong with a `lab_api_memory`, as 'has no unit: write 512M or 512G'. None: it is an amount of memory."""
    try:
        parse_memory_setting(value)
    except InputError:
        return _memory_fault(str(value))
    return None


def nano_cpus(cpus: float) -> int:
    """Cores -> Docker's NanoCpus: 0.5 -> 500000000."""
    return round(cpus * 1e9)


def _memory_fault(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,30})?", text, re.ASCII):
        return f"has no unit: write {text}M or {text}G"
    if match := re.fullmatch(r"([0-9.]+)\s+([kmg]?i?b?)", text, re.IGNORECASE | re.ASCII):
        return f"has a space: write {match[1]}{match[2][:1].upper() or 'M'}"
    if match := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?t(b|i|ib)?", text, re.IGNORECASE | re.ASCII):
        return f"is in a unit that is not allowed here: write {float(match[1]) * 1024:g}G"
    if text.startswith(".") and _MEMORY.fullmatch(f"0{text}"):
        return f"has no digit before the point: write 0{text}"
    if text.startswith("-"):
        return "is negative"
    return "is not an amount of memory"


def format_bytes(size_bytes: float) -> str:
    """Bytes -> text for a reader, rounded: 310000000 -> '296 MiB'."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size_bytes >= factor:
            value = size_bytes / factor
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{size_bytes:.0f} B"


def counted(count: float, noun: str) -> str:
    """As '1 CPU', '0.5 CPUs', '1,200 users'."""
    number = f"{count:,}" if isinstance(count, int) else format_plain(count)
    return f"{number} {noun}{'' if count == 1 else 's'}"


def listed(texts: Sequence[str]) -> str:
    """Texts as a person lists them: 'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def format_seconds(seconds: float) -> str:
    """Seconds -> text for a reader, rounded: 250 -> '4 min 10 s', 7260 -> '2 h 1 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_figure(value: float) -> str:
    """A measured figure -> text: two decimals below 10, one decimal from 10 on; '0' only for exactly zero."""
    if value == 0:
        return "0"
    if abs(value) < 0.01:
        return f"{value:.1g}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def factor_text(factor: float) -> str:
    """A factor as text: 'x1', 'x1.07', 'x12.3', 'x1234'."""
    digits = 0 if factor >= 100 else 1 if factor >= 10 else 2
    text = f"{factor:.{digits}f}"
    return f"x{text.rstrip('0').rstrip('.')}" if "." in text else f"x{text}"


def format_plain(value: float) -> str:
    """A number of the plan -> text without a needless '.0': 2.0 -> '2', 0.25 -> '0.25'."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def quoted(value: object, limit: int = 60) -> str:
    """A value as an error quotes it: in quotes, on one line, without control characters, shortened when long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}...'"
