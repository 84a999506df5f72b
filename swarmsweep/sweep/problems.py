"""The mistakes of a sweep file, collected, so that all are reported at once."""

from dataclasses import dataclass, field

from swarmsweep.errors import InputError

MAX_PROBLEMS = 20  # one screen; fixing twenty usually fixes the others


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: its line, the place of the value, and a text on the mistake and the allowed values."""

    line: int
    key: str
    text: str


@dataclass
class Problems:
    """All mistakes so far of the file ``where``."""

    where: str
    noted: set[Problem] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.noted)

    def add(self, line: int, key: str, text: str) -> None:
        """Note one mistake; ``key`` is its place, as ``load.users``, or empty for the whole file."""
        self.noted.add(Problem(line, key, text))

    def error(self) -> InputError:
        """The mistakes by line, at most `MAX_PROBLEMS`, and the next step."""
        ordered = sorted(self.noted)
        lines = [f"{self.where}:{p.line}: {p.key + ': ' if p.key else ''}{p.text}" for p in ordered[:MAX_PROBLEMS]]
        if len(ordered) > MAX_PROBLEMS:
            lines.append(f"... and {len(ordered) - MAX_PROBLEMS} more")
        lines.append(f"Nothing was changed on any host. Fix the file, then check it: ./lab plan {self.where}")
        return InputError("\n".join(lines))
