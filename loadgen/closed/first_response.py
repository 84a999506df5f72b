"""Notes the first response of a worker in ``first-<host>-<index>.json``, for `./lab check`.

name, method, url   of the request, as Locust reports them
status              null where the request has no response
content_type        null where the response has none
size_bytes          of the body; null where it was not read
start               the first characters of the body
latency_ms          as Locust reports it
error               of a request that failed

It is written for a check alone: a response may hold what must not reach a report.
"""

import contextlib
from pathlib import Path
from typing import Any

from loadgen.closed.task_log import text_of
from loadgen.common.outputs import write_json

# Enough to recognise a prediction, an error or a page of HTML.
START_BYTES = 400


class FirstResponse:
    """Listens to the requests of this process until one has a response."""

    def __init__(self, directory: Path, worker: str) -> None:
        self._path = directory / f"first-{worker}.json"
        self._path.unlink(missing_ok=True)
        self._written = self._complete = False

    def note(
        self,
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
