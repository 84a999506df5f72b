"""The answer to one doubt."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One doubt and its answer; ``value`` and ``limit`` are numbers or text, in the unit that ``sentence`` names.

    ``passed`` is None when the evidence was not gathered: said in the report, never taken as a pass. One that failed
    makes the attempt invalid unless it is only a ``warning``.
    """

    name: str
    value: Any
    limit: Any
    passed: bool | None
    sentence: str
    warning: bool = False

    def as_json(self) -> dict[str, Any]:
        """The check as trial.json holds it."""
        return asdict(self)
