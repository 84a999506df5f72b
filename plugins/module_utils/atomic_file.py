"""Writes files: a file appears complete or not at all. Shared by controller and hosts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Other users of the machine read reports and raw files. Nothing secret is written with this.
MODE = 0o644


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, flush it to the disk and rename it over ``path``; then flush the folder.

    A reader sees the old file or the new one, even after a power loss. Rename alone is not durable (Pillai et al.,
    OSDI 2014), so both are flushed. Missing folders are made.

    Raises:
        OSError: nothing was changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(MODE)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
