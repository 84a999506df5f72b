"""The verdict of one check."""

from dataclasses import dataclass

from swarmsweep.plan.row import CheckValue


@dataclass(frozen=True)
class Check:
    """What one check found; ``value`` and ``limit`` are numbers or text, in the unit that ``sentence`` names.

    ``passed`` is None when the evidence was not gathered: said in the report, never taken as a pass. One that failed
    makes the attempt invalid unless it is only a ``warning``.
    """

    name: str
    value: CheckValue
    limit: CheckValue
    passed: bool | None
    sentence: str
    warning: bool = False
