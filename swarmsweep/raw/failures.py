"""The kinds of failed requests, from the outcomes in the records of a load."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from swarmsweep.shared.request_record import DIFFERENT, FAILED, HIGHEST_STATUS, KIND_NAMES, LOWEST_STATUS, kind_name

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def is_failed(outcome: Floats) -> Mask:
    """Which outcomes are failures with a kind, or failures of earlier versions, which had none."""
    is_status = (outcome >= LOWEST_STATUS) & (outcome <= HIGHEST_STATUS) & (outcome == np.floor(outcome))
    failed: Mask = is_status | np.isin(outcome, (FAILED, *KIND_NAMES))
    return failed


def count_kinds(outcome: Floats, **more: int) -> dict[str, int] | None:
    """Failures by the name of their kind, the most frequent first; None where an earlier version recorded no kinds.

    ``more`` are counts of failures that have an outcome of their own, by the name of their kind.
    """
    failed = outcome[is_failed(outcome)]
    if (failed == FAILED).any():
        return None
    numbers, counts = np.unique(failed, return_counts=True)
    kinds = {str(kind_name(float(number))): int(count) for number, count in zip(numbers, counts, strict=True)}
    return add_kinds([kinds, more])


def count_different(outcome: Floats) -> int | None:
    """Responses that differed from an earlier one to the same request; None where no kinds were recorded."""
    return None if (outcome == FAILED).any() else int(np.count_nonzero(outcome == DIFFERENT))


def add_kinds(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The sums by kind, the most frequent first, without kinds that did not occur."""
    total: dict[str, int] = {}
    for part in parts:
        for kind, count in part.items():
            total[kind] = total.get(kind, 0) + count
    return dict(sorted(((kind, count) for kind, count in total.items() if count), key=lambda item: (-item[1], item[0])))
