"""A file of float64 records that a Locust worker appends to, and compresses when the load is over."""

import sys
from array import array
from pathlib import Path

import gevent

from loadgen.common.compression import compress, compressed


class RawFile:
    """Records of ``fields`` little-endian float64 each, in ``path``, which becomes ``path``.gz by `close`.

    `add` is cheap: records reach the file with `flush`. Call `flush` once a second.
    """

    def __init__(self, path: Path, fields: int) -> None:
        self._path, self._fields = path, fields
        self._buffer = array("d")
        self._written = 0
        # Remove files of an earlier attempt, so that they are not taken for those of this attempt.
        path.unlink(missing_ok=True)
        self.compressed.unlink(missing_ok=True)
        path.touch()

    @property
    def compressed(self) -> Path:
        """The whole file; it exists only after `close`."""
        return compressed(self._path)

    def __len__(self) -> int:
        """The number of records so far."""
        return self._written + len(self._buffer) // self._fields

    def add(self, record: tuple[float, ...]) -> None:
        """Append one record."""
        self._buffer.extend(record)

    def flush(self) -> None:
        """Append the added records to the file."""
        full, self._buffer = self._buffer, array("d")
        self._written += len(full) // self._fields
        if sys.byteorder == "big":
            full.byteswap()
        with self._path.open("ab") as file:
            full.tofile(file)

    def close(self) -> None:
        """Write the rest and compress. Heartbeats continue meanwhile; otherwise the master would count this worker as
        lost.
        """
        self.flush()
        compress(self._path, lambda: gevent.sleep(0))
