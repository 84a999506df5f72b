"""Writes files: a file appears complete or not at all. Shared by controller and hosts."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

# Other users of the machine read reports and raw files. Nothing secret is written with this.
MODE = 0o644


def write_atomically(path: Path, data: bytes, like: os.stat_result | None = None, *, durable: bool = True) -> None:
    """Write ``data`` beside ``path``, flush it to the disk and rename it over ``path``; then flush the folder.

    A reader sees the old file or the new one, even after a power loss. Rename alone is not durable (Pillai et al.,
    OSDI 2014), so both are flushed. Missing folders are made.

    ``like`` is the status of a file whose mode and owner the new one gets. It has them before it has its name, so a
    private file is never readable for others. Only root can give a file to another user.

    A file that is not ``durable`` is not flushed, because it is soon replaced: a flush a second would slow the disk.

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
            if durable:
                os.fsync(stream.fileno())
        if like is not None and os.geteuid() == 0:
            os.chown(temporary, like.st_uid, like.st_gid)
        temporary.chmod(MODE if like is None else stat.S_IMODE(like.st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
