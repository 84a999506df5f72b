"""An API whose one thread is the limit: each request uses CPU time, and may also block the event loop.

Run by uvicorn. CPU_MS and BLOCKED_MS are for each request.
"""

import os
import time

CPU_SECONDS, BLOCKED_SECONDS = (float(os.environ[name]) / 1000 for name in ("CPU_MS", "BLOCKED_MS"))


async def app(scope, receive, send):
    """Respond to any request when its work is done."""
    if scope["type"] != "http":
        return
    end = time.process_time() + CPU_SECONDS
    while time.process_time() < end:
        pass
    # As a query to a database by a driver that is not asynchronous.
    time.sleep(BLOCKED_SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
