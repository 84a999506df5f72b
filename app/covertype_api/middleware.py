"""What happens around every request."""

import os
import socket
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from covertype_api.metrics import Metrics


class Observed:
    """Signs every answer with ``X-Served-By: <host>/<pid>`` and counts it. Plain ASGI: a few microseconds."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._observe = metrics.observe
        self._served_by = (b"x-served-by", f"{socket.gethostname()}/{os.getpid()}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
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
            self._observe(scope["path"], status, perf_counter() - started)
