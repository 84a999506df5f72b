"""The recommendation of a run."""

from collections.abc import Iterable

from msgspec import Struct


class Recommendation(Struct, frozen=True, kw_only=True):
    """The id of the chosen cell, None when no cell can be recommended, and the sentences that say why.

    ``answer`` has paragraphs: what to take, or that there is nothing to take. ``reasons`` and ``next_steps`` are lists,
    each entry of one or a few short sentences. ``sentence`` is all of them as one text.
    """

    cell_id: str | None
    sentence: str
    answer: list[str]
    reasons: list[str]
    next_steps: list[str]


def recommend_with(
    cell_id: str | None,
    answer: Iterable[str | None],
    reasons: Iterable[str | None] = (),
    next_steps: Iterable[str | None] = (),
) -> Recommendation:
    """The recommendation with these texts; empty ones are left out."""
    texts = [[text.strip() for text in part if text and text.strip()] for part in (answer, reasons, next_steps)]
    return Recommendation(
        cell_id=cell_id,
        sentence=" ".join(text for part in texts for text in part),
        answer=texts[0],
        reasons=texts[1],
        next_steps=texts[2],
    )
