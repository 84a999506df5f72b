"""The one writer of files: a file appears whole or not at all. Shared by controller and hosts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Reports and raw files are read by other users of the machine; nothing secret is written with this.
MODE = 0o644


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, flush it to the disk and rename it over ``path``; then flush the folder.

    A reader, or a machine that loses power, sees the old file or the new one. Rename alone is not durable
    (Pillai et al., OSDI 2014), hence both flushes. Missing folders are made. Raises OSError; nothing was changed then.
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
