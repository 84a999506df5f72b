"""What can be wrong without being a bug: a dependency, or a body."""

from typing import Any


class DependencyError(RuntimeError):
    """A dependency cannot give what is needed now. ``name`` names it (``postgres``). ``reason`` has the cause."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


class NotReadyError(RuntimeError):
    """No prediction is possible now; ``waiting_for`` says for whom we wait, and why."""

    def __init__(self, waiting_for: dict[str, str]) -> None:
        super().__init__("not ready")
        self.waiting_for = waiting_for


class InvalidBodyError(ValueError):
    """The body cannot be used. ``problem`` has ``loc`` (path into the body), ``field`` (its last name) and ``msg``."""

    def __init__(self, loc: list[str | int], message: str) -> None:
        super().__init__(message)
        names = [part for part in loc if isinstance(part, str)]
        self.problem: dict[str, Any] = {"loc": ["body", *loc], "field": names[-1] if names else None, "msg": message}
