"""Notes what broke the body of a response, on the response itself.

A scenario that reads the body itself may catch the error, or Locust's client may hide it. The response is broken
anyway.
"""

from collections.abc import Callable, Iterator
from typing import Any

from gevent import GreenletExit

_NAME = "sweep_broken_by"


def note_broken(response: Any, error: BaseException) -> None:
    """Note the first error of reading ``response``. The end of the load, or of a reader, is no error."""
    if not isinstance(error, GreenletExit | GeneratorExit):
        response.__dict__.setdefault(_NAME, error)


def noting(read: Callable[..., Any]) -> Callable[..., Any]:
    """A method that reads the body of a response, and notes what it raises."""

    def reads(response: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return read(response, *arguments, **options)
        except BaseException as error:
            note_broken(response, error)
            raise

    return reads


def noting_chunks(response: Any, chunks: Iterator[Any]) -> Iterator[Any]:
    """The body of ``response`` in chunks."""
    try:
        yield from chunks
    except BaseException as error:
        note_broken(response, error)
        raise


def broken_by(response: Any) -> BaseException | None:
    """What broke the body, as far as it has been read; None where nothing did.

    Args:
        response: of HttpUser, or of FastHttpUser, whose response has the one of its client.
    """
    parts = (response, getattr(response, "_response", None))
    return next((error for part in parts if (error := getattr(part, _NAME, None)) is not None), None)
