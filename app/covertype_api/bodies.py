"""Reading the body of a request, and rejecting invalid ones."""

from starlette.types import Receive, Scope

from covertype_api.decoder import MAX_BODY_BYTES

JSON = b"application/json"


class RefusedError(Exception):
    """The body is not read: ``status`` and ``detail`` say why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class ClientGoneError(Exception):
    """The client hung up before its body was complete."""


async def read_json_body(scope: Scope, receive: Receive) -> bytes:
    """The body of a request that is said to be JSON.

    Raises:
        RefusedError: 415 when it is something else, 413 when it is larger than MAX_BODY_BYTES.
        ClientGoneError: the client has closed the connection.
    """
    content_type = b""
    length = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = value
    if content_type != JSON and content_type.partition(b";")[0].strip().lower() != JSON:
        shown = content_type.decode("latin-1")
        raise RefusedError(415, f"content type {shown!r} is not allowed: send {JSON.decode()}")
    # Judged before it is sent where the client says its length; a chunked body has none.
    if len(length) > 6 and length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise _too_large()
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
