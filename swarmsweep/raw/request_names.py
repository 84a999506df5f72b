"""The names of the requests of several workers, as one table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmsweep.shared.request_record import NO_NAME, OTHER_NAMES


@dataclass(frozen=True, eq=False)
class Names:
    """``number`` has the position in ``table`` for each request, or `OTHER_NAMES`, or `NO_NAME`."""

    number: npt.NDArray[np.int64]
    table: tuple[str, ...]

    def chosen(self, chosen: npt.NDArray[np.bool_]) -> "Names":
        """The names of some of the requests."""
        return Names(self.number[chosen], self.table)


def join_names(numbers: Sequence[npt.NDArray[np.float64]], tables: Sequence[Sequence[str]]) -> Names:
    """The names of all workers. Each has its own table, to which its ``numbers`` refer.

    A worker whose table was full may have requests of any name among the others. So such a name keeps its own number
    only if it is in the table of each of these workers; otherwise its figures would lack some of its requests.
    """
    full = [set(table) for part, table in zip(numbers, tables, strict=True) if (part == OTHER_NAMES).any()]
    kept = dict.fromkeys(name for table in tables for name in table if all(name in names for names in full))
    position = {name: index for index, name in enumerate(kept)}
    parts = [np.empty(0, dtype=np.int64)]
    for part, table in zip(numbers, tables, strict=True):
        # The last two entries are those of the two negative numbers.
        new = [position.get(name, int(OTHER_NAMES)) for name in table] + [int(NO_NAME), int(OTHER_NAMES)]
        parts.append(np.array(new, dtype=np.int64)[part.astype(np.int64)])
    return Names(np.concatenate(parts), tuple(kept))
