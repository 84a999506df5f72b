"""Notes the first response of a worker in ``first-<host>-<index>.json``, for `./lab check`.

The first one of a task is in ``task-first-<host>-<index>.json``: the first of all may be that of a login.

name, method, url   of the request, as Locust reports them
status              null where the request has no response
content_type        null where the response has none
size_bytes          of the body; null where it was not read
start               the first characters of the body
latency_ms          as Locust reports it
error               of a request that failed
is_setup            whether it belongs to ``on_start`` or ``on_stop``, and so to no task

It is written for a check alone: a response may hold what must not reach a report.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadgen.closed.task_log import text_of
from loadgen.common.outputs import write_json

# Enough to recognise a prediction, an error or a page of HTML.
START_BYTES = 400


class FirstResponses:
    """Listens to the requests of this process, until a request of a task has a response too."""

    def __init__(self, directory: Path, worker: str, is_preparing: Callable[[], bool]) -> None:
        self._first = _First(directory / f"first-{worker}.json")
        self._of_task = _First(directory / f"task-first-{worker}.json")
        self._is_preparing = is_preparing

    def note(self, **request: Any) -> None:
        """Note a request. ``request`` is what Locust's event has."""
        is_setup = self._is_preparing()
        self._first.note(is_setup=is_setup, **request)
        if not is_setup:
            self._of_task.note(is_setup=False, **request)


class _First:
    """A file with the first request that has a response."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.unlink(missing_ok=True)
        self._written = self._complete = False

    def note(
        self,
        *,
        is_setup: bool,
        request_type: Any = None,
        name: Any = None,
        response_time: Any = None,
        exception: Any = None,
        response: Any = None,
        url: Any = None,
        **_: Any,
    ) -> None:
        """Write the first request. One with a response replaces one without."""
        status = getattr(response, "status_code", None) or None
        if self._complete or (self._written and status is None):
            return
        self._written, self._complete = True, status is not None
        body = _body(response) if status is not None else None
        headers = getattr(response, "headers", None) or {}
        write_json(
            self._path,
            {
                "schema": 1,
                "name": str(name),
                "method": str(request_type),
                "url": None if url is None else str(url),
                "status": status if isinstance(status, int) else None,
                "content_type": headers.get("Content-Type") if status is not None else None,
                "size_bytes": None if body is None else len(body),
                "start": "" if body is None else body[:START_BYTES].decode(errors="backslashreplace"),
                "latency_ms": response_time if isinstance(response_time, int | float) else None,
                "error": None if exception is None else text_of(exception),
                "is_setup": is_setup,
            },
        )


def _body(response: Any) -> bytes | None:
    """The body, if it was read. A scenario that streams reads it itself, and must find it."""
    if getattr(response, "_content", b"") is False:
        return None
    # A client of the scenario's own may have anything here.
    with contextlib.suppress(Exception):
        content = response.content
        return content if isinstance(content, bytes) else None
    return None
