"""From rows to the table that a scikit-learn pipeline takes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from covertype_api.decoder import Row
from covertype_api.encoder import require_feature_columns
from covertype_api.schema import CATEGORIES, NUMBERS, RAW_COLUMNS, indicator_columns

if TYPE_CHECKING:
    import pandas as pd


class FrameEncoder:
    """Writes rows as a DataFrame with the raw columns, in the order in which ``columns`` name them or their indicators.

    Raises:
        ValueError: ``columns`` are not the 54 feature columns of Covertype, in any order.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        require_feature_columns(columns)
        raw = {name: category for category in CATEGORIES for name in indicator_columns(category)}
        self._names = list(dict.fromkeys(raw.get(name, name) for name in columns))
        self._types = dict.fromkeys(NUMBERS, "float64")
        self.width = len(columns)

    def encode(self, rows: Sequence[Row]) -> "pd.DataFrame":
        """DataFrame of shape [len(rows), 12]."""
        import pandas as pd

        table = pd.DataFrame([msgspec.structs.astuple(row) for row in rows], columns=list(RAW_COLUMNS))
        # A column of whole numbers is still one of floats to the model's signature.
        return table[self._names].astype(self._types)
