"""The recommendation of a run."""

from msgspec import Struct


class Recommendation(Struct, frozen=True):
    """The id of the chosen cell, None when no cell can be recommended, and the sentence that says why."""

    cell_id: str | None
    sentence: str
