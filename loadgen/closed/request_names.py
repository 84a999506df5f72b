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
    """The names of one process, by their number. ``classes`` has the user class that belongs to each.

    A name that several classes use has a number for each of them. The first `MAX_NAMES` names have a number. So many
    names are addresses with an id in each, and would fill the memory.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.classes: list[str] = []
        self._texts: set[str] = set()
        self._numbers: dict[tuple[str, str], float] = {}
        # As Locust reported them: a look-up here is all that most requests cost.
        self._seen: dict[tuple[Any, Any, str], float] = {}

    def number_of(self, method: Any, name: Any, user_class: str = "") -> float:
        """The number of a name, `OTHER_NAMES` if it has none. A scenario may report any objects.

        ``user_class`` is empty where it is not known, and where the scenario has only one.
        """
        try:
            number = self._seen.get((method, name, user_class))
        except TypeError:  # it cannot be hashed
            return self._find(method, name, user_class)
        if number is None:
            number = self._find(method, name, user_class)
            if len(self._seen) < 2 * MAX_NAMES:
                self._seen[method, name, user_class] = number
        return number

    def _find(self, method: Any, name: Any, user_class: str) -> float:
        try:
            text = name_text(f"{'' if method is None else method} {'' if name is None else name}")
        except Exception:  # its own __str__ raised
            return OTHER_NAMES
        number = self._numbers.get((text, user_class))
        if number is None:
            if text not in self._texts and len(self._texts) >= MAX_NAMES:
                return OTHER_NAMES
            self._texts.add(text)
            number = self._numbers[text, user_class] = float(len(self.names))
            self.names.append(text)
            self.classes.append(user_class)
        return number
