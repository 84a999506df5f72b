"""A request that a first scenario sends, whatever it was read from."""

from dataclasses import dataclass, field
from typing import Any

# Bodies: none, JSON, text or a form as text, a form with files.
NONE, JSON, TEXT, FORM = "none", "json", "text", "form"


@dataclass(frozen=True)
class Upload:
    """A file in a form. ``data`` is None where the user names a file of their own."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Request:
    """One request.

    Args:
        method: in capitals.
        path: with its query; begins with a slash.
        name: under which Locust counts it: the path as the document has it.
        kind: of the body.
        body: a JSON value, a text, or for a form its fields (text or `Upload`) by name.
        headers: by name. Values that may be secret are not here.
        secret_headers: names of headers that the scenario takes from its environment, with the variable.
        notes: what the user should look at.
    """

    method: str
    path: str
    name: str
    kind: str = NONE
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    secret_headers: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Method and path, as a user reads them."""
        return f"{self.method} {self.name}"


@dataclass(frozen=True)
class Api:
    """What was read: the requests to send, and the inventory's lines; None where nothing says the value.

    ``others`` are the operations that the scenario leaves out.
    """

    name: str
    source: str
    requests: tuple[Request, ...]
    others: tuple[str, ...] = ()
    port: int | None = None
    ready_path: str | None = None


def one_line(text: str) -> str:
    """Foreign text on one line of a comment or a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:200]


def variable_of(header: str) -> str:
    """The environment variable for a header: 'X-Api-Key' -> 'API_X_API_KEY'."""
    return "API_" + "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in header.upper())
