"""Continue to read when one file of an attempt is damaged: its reason is noted, and shown in the report."""

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from swarmsweep.errors import LabError

T = TypeVar("T")
P = ParamSpec("P")


class ReadOrNote:
    """Calls a reader and returns its result, or None if it raises a `LabError`, whose text is added to ``problems``.

    File names in the text are relative to ``folder``.
    """

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self._folder, self._problems = folder, problems

    def __call__(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return read(*args, **kwargs)
        except LabError as error:
            self.note(str(error))
            return None

    def note(self, problem: str) -> None:
        """Add a problem that was not raised by a reader."""
        self._problems.append(problem.replace(f"{self._folder}/", ""))
