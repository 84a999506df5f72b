"""A recorded JSON file -> its type.

The types of recorded files are structs. A key without a field is ignored. A default stands for a key that older files
lack. A value of another type is refused, and the error gives its place in the file.
"""

import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from swarmsweep.errors import LabError
from swarmsweep.files import MAX_NUMBER, read_json

# Bounded, so that arithmetic is safe: a sum of larger numbers, from a damaged file, could become infinite.
_BOUND = int(MAX_NUMBER)
Whole = Annotated[int, Meta(gt=-_BOUND, lt=_BOUND)]
Count = Annotated[int, Meta(ge=0, lt=_BOUND)]
Positive = Annotated[int, Meta(gt=0, lt=_BOUND)]
Real = Annotated[float, Meta(gt=-MAX_NUMBER, lt=MAX_NUMBER)]
Amount = Annotated[float, Meta(ge=0, lt=MAX_NUMBER)]
# The same, for numbers that are written to other files unchanged: 5 stays 5.
WrittenAmount = Count | Amount
Number = Whole | Real

T = TypeVar("T")


def read_record(path: Path, kind: type[T]) -> T:
    """The object of a JSON file as ``kind``.

    Raises `LabError` with the file when it is missing or not JSON. When a value is not of its type, the error has its
    place in the file.
    """
    return as_record(read_json(path), kind, str(path))


def as_record(document: dict[str, Any], kind: type[T], where: str) -> T:
    """A JSON object as ``kind``; ``where`` begins the `LabError` when a value is not of its type."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise LabError(f"{where}: is damaged: {_reason(document, str(error))}") from error


def _reason(document: Any, text: str) -> str:
    """msgspec's message on a value, as 'Expected `int` >= 0 - at `$.trials[6].connections`', with the value."""
    expected, _, place = text.partition(" - at `$")
    place = place.removesuffix("`")
    value = document
    for step in re.findall(r"[^.\[\]]+", place):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit():
            value = value[int(step)]
    name = place.lstrip(".")
    is_one = name and not isinstance(value, dict | list)
    return f"{name} is {str(value)[:40]!r}: {expected}" if is_one else f"{name}: {expected}".removeprefix(": ")
