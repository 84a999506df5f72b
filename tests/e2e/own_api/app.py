"""An API as people bring it: it limits how many requests it serves at once, and LIMIT says by what.

LIMIT       threads (40 by default in FastAPI), pool (5 connections), lock (1 at a time); without it, no limit
API_TOKEN   the token that each request must have; without it, none

It reads /model/labels.json when it starts, if it is there. A response says what it has.
"""

import asyncio
import json
import os
import time
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse

app = FastAPI()
limit = os.environ.get("LIMIT", "")
token = os.environ.get("API_TOKEN")
model = Path("/model/labels.json")
label = json.loads(model.read_text())[0] if model.exists() else None
connections = asyncio.Semaphore(5)
lock = asyncio.Lock()


@app.middleware("http")
async def check_token(request: Request, call_next):
    """Refuse requests without the token. Name the service, not the replica or the process, as many APIs do."""
    if token and request.url.path != "/ready" and request.headers.get("Authorization") != f"Bearer {token}":
        return JSONResponse({"error": "no token"}, status_code=401)
    if limit == "lock":
        # As a careless API does.
        print(f"The token is {token}", flush=True)
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
        return {"label": label, "protected": bool(token), "at": time.time()}

elif limit == "pool":

    @app.get("/predict")
    async def predict_with_a_connection() -> dict:
        async with connections:
            await asyncio.sleep(0.05)
        return {"label": label, "protected": bool(token), "at": time.time()}

elif limit == "lock":

    @app.get("/predict")
    async def predict_alone() -> dict:
        async with lock:
            await asyncio.sleep(0.02)
        return {"label": label, "protected": bool(token), "at": time.time()}

else:

    @app.get("/predict")
    async def predict() -> dict:
        await asyncio.sleep(0.01)
        return {"label": label, "protected": bool(token), "at": time.time()}
