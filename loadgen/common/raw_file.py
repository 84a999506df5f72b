"""A file of float64 records that a Locust worker appends to, and compresses when the load is over."""

import sys
from array import array
from pathlib import Path

import gevent

from loadgen.common.compression import compress, compressed


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
        return compressed(self._path)

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
        compress(self._path, lambda: gevent.sleep(0))
