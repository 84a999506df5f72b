"""Compresses a file of records when its load is over."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

from loadgen.shared.request_record import COMPRESSED

COMPRESS_CHUNK_BYTES = 1 << 20


def compressed(path: Path) -> Path:
    """Where `compress` puts the file."""
    return path.with_name(path.name + COMPRESSED)


def compress(path: Path, between_chunks: Callable[[], None] = lambda: None) -> None:
    """Replace a file by its compressed one, which appears whole or not at all.

    Args:
        between_chunks: called after each MiB, so that a caller's event loop can go on.
    """
    temporary = path.with_name(f".{path.name}{COMPRESSED}.tmp")
    with path.open("rb") as source, temporary.open("wb") as target:
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=target, mtime=0) as packed:
            while chunk := source.read(COMPRESS_CHUNK_BYTES):
                packed.write(chunk)
                between_chunks()
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(compressed(path))
    path.unlink()
