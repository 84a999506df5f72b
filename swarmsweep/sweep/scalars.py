"""Scalars of a sweep file: the text as written -> number, memory or text, or YAML's interpretation of it.

Each reader is a validator of pydantic. It raises `PydanticCustomError` with the mistake. The schema has the allowed
values (see `messages`).
"""

import re
from typing import Any

from pydantic import ValidatorFunctionWrapHandler
from pydantic_core import PydanticCustomError

from swarmsweep.errors import InputError
from swarmsweep.sweep.yaml_tree import Entries, Items, Text
from swarmsweep.units import format_plain, parse_memory, quoted

MAX_DECIMALS = 3  # a thousandth of a CPU, of a second or of a percent: no measurement is finer
MAX_DIGITS = 30  # more are a mistake, and would take time to convert
MIN_MEMORY_BYTES = 6 * 1024**2  # Docker refuses a smaller limit
MAX_MEMORY_BYTES = 16 * 1024**4  # beyond any one host

# Names of images and stages are words of commands and parts of file names, so characters with a meaning in a shell,
# YAML or Jinja are refused.
MEMORY_TEXT = r"[0-9]{1,30}(\.[0-9]{1,6})?([bB]|[kKmMgG]([bBiI]|[iI][bB])?)"  # as `units.parse_memory` takes it
MILLICORES_TEXT = "[1-9][0-9]{0,6}m"  # thousandths of a CPU, as Kubernetes writes them
AXIS_TEXT = "[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}"
MAX_VARIABLE_CHARACTERS = 8192  # a longer value would be unreadable in a report; Linux allows 128 KiB

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_NULL = {"", "~", "null", "Null", "NULL"}
_WITH_UNIT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|sec|m|min|h|%)", re.IGNORECASE | re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TRUTH = {"y", "n", "yes", "no", "true", "false", "on", "off"}

# Texts that YAML 1.1, or a habit from elsewhere, would turn into another number, and how to write them.
_NUMBER_TRAPS = (
    (re.compile(r"[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?"), "is a base-60 number in YAML; write a plain number"),
    (re.compile(r"[-+]?[0-9][0-9_.]*_[0-9_.]*"), "has underscores; write the digits alone"),
    (re.compile(r"[-+]?0[0-9oO][0-7]*"), "looks octal; write it without the leading zero"),
    (re.compile(r"[-+]?0[xXbB][0-9a-fA-F]+"), "is not decimal; write decimal digits"),
    (re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+"), "has an exponent; write the number out"),
    (re.compile(r"[-+]?\.?(nan|inf|infinity)", re.IGNORECASE), "is not a finite number"),
    (re.compile(r"\+[0-9.]+"), "has a plus sign; leave it out"),
    (re.compile(r"-?\.[0-9]+"), "begins with a point; write a 0 before it"),
    (re.compile(r"-?[0-9]+\."), "ends with a point; leave it out"),
    (re.compile(r"[0-9]+,[0-9]+"), "has a comma; write a point"),
)


def read_number(node: Any, check: ValidatorFunctionWrapHandler) -> int | float:
    """A plain decimal number that ``check`` accepts; a whole value is returned as int."""
    if fault := _number_fault(node):
        raise refused(fault)
    value: int | float = check(float(node) if "." in node else int(node))
    if len(node.partition(".")[2].rstrip("0")) > MAX_DECIMALS:
        raise refused(f"{node} has more than {MAX_DECIMALS} decimals")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_millicores(node: Any) -> Any:
    """CPUs in Kubernetes' thousandths, as 500m, -> the same text in CPUs, as 0.5. Any other node is unchanged."""
    if not isinstance(node, Text) or node.quoted or not re.fullmatch(MILLICORES_TEXT, node):
        return node
    cpus = Text(f"{int(node[:-1]) / 1000:.3f}".rstrip("0").rstrip("."))
    cpus.key, cpus.line, cpus.quoted = node.key, node.line, node.quoted
    return cpus


def read_text(node: Any) -> str:
    """Text; a plain number, boolean or null is not text."""
    if fault := text_fault(node):
        raise refused(fault)
    return str(node)


def text_fault(node: Any) -> str | None:
    """Why a node is not text; None if it is text."""
    if not isinstance(node, Text):
        return f"expected a single value, but this is {describe(node)}"
    kind = "text" if node.quoted else _plain_kind(node)
    if kind == "null":
        return "is empty"
    return None if kind == "text" else f"{quoted(str(node))} is a {kind} in YAML; put it in quotes"


def read_memory(node: Any) -> int:
    """Docker's memory text -> bytes."""
    if not isinstance(node, Text):
        raise refused(f"expected a single value, but this is {describe(node)}")
    if _is_null(node):
        raise refused("is empty")
    try:
        size_bytes = parse_memory(str(node))
    except InputError as error:
        raise PydanticCustomError("memory", "{fault}", {"fault": str(error)}) from error
    if not MIN_MEMORY_BYTES <= size_bytes <= MAX_MEMORY_BYTES:
        raise refused(f"{quoted(str(node))} is out of range")
    return size_bytes


def read_axis_value(node: Any) -> str | int | float:
    """The name of an image or a stage: a number of at least 0, or a word."""
    if isinstance(node, Text) and not node.quoted and _is_plain_number(node) and node[0] != "-":
        number = float(node)
        return int(number) if number.is_integer() else number
    text = read_text(node)
    if not re.fullmatch(AXIS_TEXT, text):
        raise refused(f"{quoted(text)} is not valid")
    return text


def read_variable(node: Any) -> str:
    """The value of an environment variable: the text as written, also of a number or a boolean."""
    if not isinstance(node, Text):
        raise refused(f"expected a single value, but this is {describe(node)}")
    if _is_null(node):
        raise refused("is empty; write '' for an empty text")
    if len(node) > MAX_VARIABLE_CHARACTERS:
        raise refused(f"has {len(node)} characters")
    return str(node)


def describe(node: Any) -> str:
    """The kind of a node, for an error about it."""
    if isinstance(node, Entries):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    return "empty" if _is_null(node) else f"the single value {quoted(str(node))}"


def refused(fault: str) -> PydanticCustomError:
    """The error for a value; the allowed values follow it."""
    return PydanticCustomError("scalar", "{fault}", {"fault": fault})


def _number_fault(node: Any) -> str | None:
    if not isinstance(node, Text):
        return f"expected a number, but this is {describe(node)}"
    text = str(node)
    if node.quoted:
        hint = f"; write {text} without quotes" if _is_plain_number(text) else ", not a number"
        return f"{quoted(text)} is text in quotes{hint}"
    if _is_plain_number(text):
        return None
    if text in _NULL:
        return "is empty"
    if text.lower() in _TRUTH:
        return f"{quoted(text)} is a boolean in YAML, not a number"
    if written := _without_unit(text, node.key):
        return f"{quoted(text)} has a unit; write {written}, as the key names its unit"
    advice = next((advice for trap, advice in _NUMBER_TRAPS if trap.fullmatch(text)), "is not a number")
    return f"{quoted(text)} {advice}"


def _without_unit(text: str, key: str) -> str | None:
    """The number in the unit of the key, for a text as '30s', '1.5 min' or '1%'. None for any other text."""
    match = _WITH_UNIT.fullmatch(text)
    if match is None:
        return None
    number, unit = float(match[1]), match[2].lower()
    if unit == "%":
        return format_plain(number) if "_percent" in key else None
    key_seconds = 0.001 if re.search(r"_ms\b", key) else 1 if re.search(r"_seconds\b", key) else None
    return None if key_seconds is None else f"{number * _SECONDS[unit] / key_seconds:.12g}"


def _plain_kind(text: str) -> str:
    """The meaning of a scalar without quotes: 'null', 'boolean', 'number' (also in a misleading form) or 'text'."""
    if text in _NULL:
        return "null"
    if text.lower() in _TRUTH:
        return "boolean"
    if _is_plain_number(text) or any(trap.fullmatch(text) for trap, _ in _NUMBER_TRAPS):
        return "number"
    return "text"


def _is_plain_number(text: str) -> bool:
    """Whether the text is a number as this project writes them: decimal digits with at most one point."""
    return len(text) <= MAX_DIGITS and bool(_INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text))


def _is_null(node: Text) -> bool:
    return not node.quoted and node in _NULL
