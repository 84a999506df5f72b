"""Reading and writing files without loss: a file appears whole or not at all."""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from math import isinf
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.shared import atomic_file
from swarmsweep.units import quoted

WRITERS = 8  # files that are flushed to the disk at once; more would only wait for the processor
MAX_NUMBER = 1e18  # above any count of bytes, periods or seconds that a lab can see
# The escape of half a surrogate pair. It also finds whole pairs, which the repair leaves as they are.
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


def write_atomically(
    path: Path | str, content: str | bytes, like: os.stat_result | None = None, *, durable: bool = True
) -> None:
    """Write ``content`` so that it appears whole or not at all, with mode and owner of ``like`` if it is given.

    A file that is not ``durable`` is soon replaced, and not flushed. Raises `LabError` when the write fails.
    """
    # JSON of an API may contain half of a surrogate pair, which cannot be encoded: it becomes a question mark.
    data = content.encode(errors="replace") if isinstance(content, str) else content
    try:
        atomic_file.write_atomically(Path(path), data, like, durable=durable)
    except OSError as error:
        raise LabError(f"{path}: cannot be written: {error.strerror or error}; nothing was changed") from error


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinity are refused: they are a defect of the caller."""
    write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_many_json(values: Mapping[Path, Any]) -> None:
    """`write_json` for each path, several at once: a disk flushes many files in little more time than one."""
    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        for _ in pool.map(write_json, values.keys(), values.values()):
            pass


def read_text(path: Path | str) -> str:
    """Text of a UTF-8 file. Invalid bytes (as in an incomplete log line) become the replacement character."""
    return read_bytes(path).decode(errors="replace")


def read_bytes(path: Path | str) -> bytes:
    """Bytes of a file. Raises `LabError` when it is missing or cannot be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        link = next(
            (part for part in (Path(path), *Path(path).parents) if part.is_symlink() and not part.exists()), None
        )
        if link is not None:
            raise LabError(f"{path}: is damaged: {link} is a link to a missing file or folder") from error
        raise LabError(f"{path}: is missing") from error
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_json(path: Path | str) -> dict[str, Any]:
    """Object of a JSON file. Raises `LabError` when it is missing, incomplete, not JSON or not an object."""
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> dict[str, Any]:
    """Parse a JSON object. ``where`` (file, or file:line) begins the `LabError` when it is not an object.

    A duplicate key and a number beyond a float are refused. Half of a surrogate pair becomes a question mark.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite_float, object_pairs_hook=_without_twice
        )
        if _HALF_PAIR.search(text):
            # UTF-8 cannot encode it. `write_atomically` also writes it as a question mark.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise LabError(f"{where}: is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise LabError(f"{where}: holds {type(value).__name__}; expected: an object")
    return value


def as_number(value: Any) -> float | None:
    """A value from JSON as a number that is safe in arithmetic; None for anything else (true, text, 1e400)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and -MAX_NUMBER < value < MAX_NUMBER:
        return value
    return None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError(f"{text[:40]} is too large for a number")
    return value


def _without_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"key {quoted(name)} occurs twice")
    return entries
