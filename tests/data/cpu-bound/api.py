"""An API whose one thread is the limit: each request uses CPU time, and may also block the event loop.

Run by uvicorn. CPU_MS and BLOCKED_MS are for each request. With SERVICE_PORT, a request also waits for a response of
the service on this port of 127.0.0.1, without blocking others.
"""

import asyncio
import os
import time

CPU_SECONDS, BLOCKED_SECONDS = (float(os.environ[name]) / 1000 for name in ("CPU_MS", "BLOCKED_MS"))
SERVICE_PORT = os.environ.get("SERVICE_PORT")
REQUEST = b"GET /part HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n"


async def ask_service() -> None:
    """Request a part of the response from the service."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(SERVICE_PORT or 0))
    writer.write(REQUEST)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def app(scope, receive, send):
    """Respond to any request when its work is done."""
    if scope["type"] != "http":
        return
    if SERVICE_PORT:
        await ask_service()
    end = time.process_time() + CPU_SECONDS
    while time.process_time() < end:
        pass
    # As a query to a database by a driver that is not asynchronous.
    time.sleep(BLOCKED_SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
