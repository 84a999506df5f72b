"""A file of float64 records that a Locust worker appends to, and compresses when the load is over."""

import gzip
import os
import sys
from array import array
from pathlib import Path

import gevent

COMPRESS_CHUNK_BYTES = 1 << 20


class RawFile:
    """Records of ``fields`` little-endian float64 each, in ``path``, which becomes ``path``.gz by `close`.

    `add` is cheap: records reach the file with `flush`, which is to be called once a second.
    """

    def __init__(self, path: Path, fields: int) -> None:
        self._path, self._fields = path, fields
        self._buffer = array("d")
        self._written = 0
        # Files of an earlier attempt must not be taken for this one's.
        path.unlink(missing_ok=True)
        self.compressed.unlink(missing_ok=True)
        path.touch()

    @property
    def compressed(self) -> Path:
        """The whole file; it exists only after `close`."""
        return self._path.with_name(f"{self._path.name}.gz")

    def __len__(self) -> int:
        """Records so far."""
        return self._written + len(self._buffer) // self._fields

    def add(self, record: tuple[float, ...]) -> None:
        """Append one record."""
        self._buffer.extend(record)

    def flush(self) -> None:
        """Append what has been added to the file."""
        full, self._buffer = self._buffer, array("d")
        self._written += len(full) // self._fields
        if sys.byteorder == "big":
            full.byteswap()
        with self._path.open("ab") as file:
            full.tofile(file)

    def close(self) -> None:
        """Write the rest and compress; heartbeats go on meanwhile, or the master takes this worker for lost."""
        self.flush()
        temporary = self._path.with_name(f".{self._path.name}.gz.tmp")
        with self._path.open("rb") as source, temporary.open("wb") as target:
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=target, mtime=0) as packed:
                while chunk := source.read(COMPRESS_CHUNK_BYTES):
                    packed.write(chunk)
                    gevent.sleep(0)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(self.compressed)
        self._path.unlink()
