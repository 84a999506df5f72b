"""An API as people bring it: it limits how many requests it serves at once, and LIMIT says by what.

LIMIT   threads (40 by default in FastAPI), pool (5 connections), lock (1 at a time); without it, no limit
"""

import asyncio
import os
import time

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse

app = FastAPI()
limit = os.environ.get("LIMIT", "")
connections = asyncio.Semaphore(5)
lock = asyncio.Lock()


@app.middleware("http")
async def name_server(request: Request, call_next):
    """Name the service, not the replica or the process, as many APIs do."""
    response = await call_next(request)
    response.headers["X-Served-By"] = "own-api"
    return response


@app.get("/ready")
def ready() -> dict:
    return {"ready": True}


@app.get("/old")
async def old() -> RedirectResponse:
    return RedirectResponse("/predict")


if limit == "threads":

    @app.get("/predict")
    def predict_in_a_thread() -> dict:
        time.sleep(0.2)
        return {"at": time.time()}

elif limit == "pool":

    @app.get("/predict")
    async def predict_with_a_connection() -> dict:
        async with connections:
            await asyncio.sleep(0.05)
        return {"at": time.time()}

elif limit == "lock":

    @app.get("/predict")
    async def predict_alone() -> dict:
        async with lock:
            await asyncio.sleep(0.02)
        return {"at": time.time()}

else:

    @app.get("/predict")
    async def predict() -> dict:
        await asyncio.sleep(0.01)
        return {"at": time.time()}
