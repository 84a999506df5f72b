"""Read an OpenAPI document once, from a file or a URL: python -m hostlink.read_document SOURCE.

It prints the document. Exit code 2 and one line of text if it cannot be read.
"""

from __future__ import annotations

import http.client
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

# A document of a large API has some hundred thousand bytes.
MAX_BYTES = 5 << 20
TIMEOUT_SECONDS = 10
# The whole of it. A server may send a byte now and then, which is within the time of each read.
DEADLINE_SECONDS = 60


class DocumentError(Exception):
    """The document cannot be read. The text has the source, the cause and what is allowed."""


def read(source: str) -> bytes:
    """The bytes of the document. Raises `DocumentError`."""
    if "://" not in source:
        path = Path(source)
        if not path.is_file():
            raise DocumentError(f"{source}: no such file; allowed: a file, an http or https URL, or curl ...")
        with path.open("rb") as file:
            return bounded(file.read(MAX_BYTES + 1), source)
    if source.partition("://")[0].lower() not in ("http", "https"):
        raise DocumentError(f"{source}: cannot be read; allowed: a file, an http or https URL, or curl ...")
    request = urllib.request.Request(source, headers={"Accept": "application/json, application/yaml"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return bounded(response.read(MAX_BYTES + 1), source)
    except urllib.error.HTTPError as error:
        raise DocumentError(
            f"{source}: returned status {error.code}; allowed: 200 with an OpenAPI document. "
            "FastAPI serves this document at /openapi.json"
        ) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise DocumentError(
            f"{source}: cannot be read: {cause} (limit {TIMEOUT_SECONDS} s). Start the API, or correct the URL"
        ) from None


def bounded(data: bytes, source: str) -> bytes:
    """The data. Raises `DocumentError` if there is more than allowed."""
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{source}: has more than {MAX_BYTES >> 20} MiB; allowed: up to {MAX_BYTES >> 20} MiB")
    return data


def main() -> int:
    """Print the document that the argument names."""
    source = sys.argv[1]

    def stop(*_: object) -> None:
        raise DocumentError(
            f"{source}: is not complete after {DEADLINE_SECONDS} s. Save the document as a file, and name this file"
        )

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(DEADLINE_SECONDS)
    try:
        sys.stdout.buffer.write(read(source))
    except DocumentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
