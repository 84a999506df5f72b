"""A constant without a framework: no endpoint of this uvicorn on this core can be faster. For comparison only."""

BODY = b'{"empty":true}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}


async def app(scope, receive, send):
    """Respond to any request."""
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
