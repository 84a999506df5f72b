"""Reading on where one file of an attempt is damaged: its reason is noted, and stands in the report."""

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from swarmsweep.errors import LabError

T = TypeVar("T")
P = ParamSpec("P")


class ReadOrNote:
    """Calls what reads, and gives None where it raises a `LabError`, whose text is added to ``problems``.

    Names of files in it are those within ``folder``.
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
        """Add a problem that no reading raised."""
        self._problems.append(problem.replace(f"{self._folder}/", ""))
