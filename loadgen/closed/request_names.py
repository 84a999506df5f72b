"""The names of requests, which records hold as numbers. A name is Locust's method and name, as POST /predict."""

from typing import Any

from loadgen.common.secrets_folder import hide
from loadgen.shared.request_record import MAX_NAME_CHARACTERS, MAX_NAMES, OTHER_NAMES


def name_text(name: Any) -> str:
    """A name as one line, shortened, without secrets."""
    text = " ".join(hide(str(name))[: 4 * MAX_NAME_CHARACTERS].split())[:MAX_NAME_CHARACTERS]
    # Half of a surrogate pair is no Unicode text.
    return text.encode("utf-8", "replace").decode()


class RequestNames:
    """The names of one process, by their number.

    The first `MAX_NAMES` names have a number. So many names are addresses with an id in each, and would fill the
    memory.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, float] = {}
        # As Locust reported them: a look-up here is all that most requests cost.
        self._seen: dict[tuple[Any, Any], float] = {}

    def number_of(self, method: Any, name: Any) -> float:
        """The number of a name, `OTHER_NAMES` if it has none. A scenario may report any objects."""
        try:
            number = self._seen.get((method, name))
        except TypeError:  # it cannot be hashed
            return self._find(method, name)
        if number is None:
            number = self._find(method, name)
            if len(self._seen) < 2 * MAX_NAMES:
                self._seen[method, name] = number
        return number

    def _find(self, method: Any, name: Any) -> float:
        try:
            text = name_text(f"{'' if method is None else method} {'' if name is None else name}")
        except Exception:  # its own __str__ raised
            return OTHER_NAMES
        number = self._numbers.get(text)
        if number is None:
            if len(self.names) >= MAX_NAMES:
                return OTHER_NAMES
            number = self._numbers[text] = float(len(self.names))
            self.names.append(text)
        return number
