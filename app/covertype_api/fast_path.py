"""What every request meets first: the direct way to predictions, a signature, and a count."""

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from covertype_api.metrics import Metrics

logger = logging.getLogger("covertype_api")

# Status and JSON of the response to (scope, receive), or None where the client has gone.
Handler = Callable[[Scope, Receive], Awaitable[tuple[int, bytes] | None]]

INTERNAL_ERROR = 500, b'{"detail":"Internal Server Error"}'


class FastPath:
    """Plain ASGI around a FastAPI application. POST to a path of ``direct`` goes to its handler, past the framework,
    whose routing and request objects cost more than a prediction; everything else goes to the application.

    Every response is signed with ``X-Served-By: <host>/<pid>`` and counted.
    """

    def __init__(self, app: ASGIApp, direct: dict[str, Handler], metrics: Metrics) -> None:
        self._app, self._direct = app, direct
        self._note = metrics.request
        self._served_by = (b"x-served-by", f"{socket.gethostname()}/{os.getpid()}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        handler = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
        if handler is None:
            await self._by_framework(scope, receive, send)
            return
        started = perf_counter()
        try:
            response = await handler(scope, receive)
        except Exception:
            # As uvicorn would, but with a signature and a count.
            logger.exception("%s failed", scope["path"])
            response = INTERNAL_ERROR
        if response is None:
            return
        status, body = response
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            self._served_by,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._note(scope["path"], status, perf_counter() - started)

    async def _by_framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        status = 500

        async def send_signed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), self._served_by]
            await send(message)

        try:
            await self._app(scope, receive, send_signed)
        finally:
            self._note(scope["path"], status, perf_counter() - started)
