"""The verdict of one check."""

from dataclasses import dataclass

from swarmsweep.plan.row import CheckValue


@dataclass(frozen=True)
class Check:
    """The result of one check. ``value`` and ``limit`` are numbers or text, in the unit that ``sentence`` names.

    ``passed`` is None when the evidence was not gathered: the report says so, and it never counts as passed. A failed
    check makes the attempt invalid, unless it is only a ``warning``.
    """

    name: str
    value: CheckValue
    limit: CheckValue
    passed: bool | None
    sentence: str
    warning: bool = False
