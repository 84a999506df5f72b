"""From rows to the matrix that a model takes."""

from collections.abc import Sequence
from itertools import chain

import msgspec
import numpy as np

from covertype_api.decoder import Row
from covertype_api.schema import CATEGORIES, FEATURE_COLUMNS, NUMBERS, indicator_columns


def require_feature_columns(columns: Sequence[str]) -> None:
    """Raise ValueError unless ``columns`` are the feature columns of Covertype, in any order."""
    if missing := sorted(set(FEATURE_COLUMNS) - set(columns)):
        raise ValueError(f"feature_columns lacks {len(missing)} columns, first {missing[0]!r}")
    if len(columns) != len(FEATURE_COLUMNS):
        raise ValueError(f"feature_columns has {len(columns)} columns; {len(FEATURE_COLUMNS)} are allowed")


class FeatureEncoder:
    """Writes rows as float32 of shape [rows, columns]: numbers as they are, categories one-hot, ordered as ``columns``.

    Raises:
        ValueError: ``columns`` are not the 54 feature columns of Covertype, in any order.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        require_feature_columns(columns)
        self.width = len(columns)
        position = {name: index for index, name in enumerate(columns)}
        self._numbers = [position[name] for name in NUMBERS]
        # The usual order lets one slice stand for ten positions.
        self._numbers_lead = self._numbers == list(range(len(NUMBERS)))
        areas, soils = (
            {value: position[column] for value, column in zip(values, indicator_columns(category), strict=True)}
            for category, values in CATEGORIES.items()
        )
        self._areas, self._soils = areas, soils

    def encode(self, rows: Sequence[Row]) -> np.ndarray:
        """Float32 matrix of shape [len(rows), width]."""
        features = np.zeros((len(rows), self.width), dtype=np.float32)
        where = slice(len(self._numbers)) if self._numbers_lead else self._numbers
        areas, soils, astuple = self._areas, self._soils, msgspec.structs.astuple
        if len(rows) == 1:
            *numbers, area, soil = astuple(rows[0])
            line = features[0]
            line[where] = numbers
            line[areas[area]] = line[soils[soil]] = 1.0
            return features
        *numbers, area, soil = zip(*map(astuple, rows), strict=True)
        # numpy takes twice as long over a list of lists.
        flat = np.fromiter(chain.from_iterable(numbers), np.float32, len(numbers) * len(rows))
        features[:, where] = flat.reshape(len(numbers), len(rows)).T
        index = np.arange(len(rows))
        features[index, [areas[value] for value in area]] = 1.0
        features[index, [soils[value] for value in soil]] = 1.0
        return features
