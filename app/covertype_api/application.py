"""The HTTP interface."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from covertype_api.decoder import MAX_BODY_BYTES, MAX_ROWS, InvalidBodyError, Row, Rows
from covertype_api.metrics import Metrics
from covertype_api.middleware import Observed
from covertype_api.service import NotReadyError, Service
from covertype_api.settings import Settings
from covertype_api.variants import choose_variant

JSON = "application/json"
encode_json = msgspec.json.Encoder().encode


class Prediction(msgspec.Struct):
    """Classes 1 to 7 in the order of the rows, and the model that gave them."""

    predictions: list[int]
    model_version: str


class Prepared(msgspec.Struct):
    """Shape of the matrix that a model would have got."""

    rows: int
    features: int


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.status, self.content = status, content


class DirectRoute(APIRoute):
    """Calls the endpoint with the request and sends what it returns: decoding and checking are the decoder's work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            try:
                return await endpoint(request)
            except InvalidBodyError as error:
                return answer(422, {"detail": [error.problem]})
            except NotReadyError as error:
                return answer(503, {"ready": False, "waiting_for": error.waiting_for})
            except ApiError as error:
                return answer(error.status, error.content)

        return handle


def answer(status: int, content: Any) -> Response:
    """A JSON response."""
    return Response(encode_json(content), status, media_type=JSON)


async def read_json(request: Request) -> bytes:
    """The body of a request.

    Raises:
        ApiError: 415 when it is not said to be JSON, 413 when it is larger than MAX_BODY_BYTES.
    """
    content_type = request.headers.get("content-type", "")
    if content_type != JSON and content_type.partition(";")[0].strip().lower() != JSON:
        raise ApiError(415, {"detail": f"content type {content_type!r} is not allowed: send {JSON}"})
    too_large = ApiError(413, {"detail": f"the body is larger than {MAX_BODY_BYTES} bytes"})
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise too_large
    body = b""
    # The stream, not body(): a chunked body has no length to judge by.
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return body


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service. Loading starts with the server, in the background.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = settings or Settings.from_env()
    service = Service(settings, choose_variant(settings.api_variant))
    metrics = Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(service.load())
        yield
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading

    app = FastAPI(
        title="Covertype",
        description=f"Forest cover types from the twelve raw columns of Covertype. At most {MAX_ROWS} rows a request.",
        version="1.0.0",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.route_class = DirectRoute
    add_routes(app, service, metrics)
    # Routes are tried in order, and FastAPI has put its documentation first.
    app.router.routes.sort(key=lambda route: route.path != "/predict")
    describe(app)
    return Observed(app, metrics)


def add_routes(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """All endpoints."""

    @app.get("/empty")
    async def empty(request: Request) -> Response:
        """A constant: what the server costs without any work."""
        return Response(b'{"empty":true}', media_type=JSON)

    @app.post("/normalize")
    async def normalize(request: Request) -> Response:
        """Parses and prepares rows, without a model."""
        features = service.encoder.encode(service.decoder.decode(await read_json(request)))
        return Response(encode_json(Prepared(*features.shape)), media_type=JSON)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        """Cover type, 1 to 7, of each row."""
        classes = service.predict(service.decoder.decode(await read_json(request)))
        return Response(encode_json(Prediction(classes, service.model_version)), media_type=JSON)

    @app.get("/health")
    async def health(request: Request) -> Response:
        """The process is alive."""
        return answer(200, {"alive": True})

    @app.get("/ready")
    async def ready(request: Request) -> Response:
        """The model is loaded and has just answered a row."""
        service.prove()
        return answer(200, {"ready": True, "model_version": service.model_version})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def scrape(request: Request) -> Response:
        """Prometheus, over all workers of this replica."""
        text, content_type = metrics.render()
        return Response(text, headers={"content-type": content_type})


def describe(app: FastAPI) -> None:
    """Give /openapi.json the bodies, which FastAPI cannot see because the decoder checks them."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = generate()
        bodies, components = msgspec.json.schema_components(
            [Rows, Prediction, Prepared, Row], ref_template="#/components/schemas/{name}"
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(components)
        for path, body in (("/predict", bodies[1]), ("/normalize", bodies[2])):
            operation = document["paths"][path]["post"]
            operation["requestBody"] = {"required": True, "content": {JSON: {"schema": bodies[0]}}}
            operation["responses"]["200"] = {"description": "Done", "content": {JSON: {"schema": body}}}
            for status, meaning in (
                ("413", f"Larger than {MAX_BODY_BYTES} bytes"),
                ("415", "Not JSON by its content type"),
                ("422", "Not rows of Covertype; `detail` names the field"),
                ("503", "Not ready; `waiting_for` says why"),
            ):
                operation["responses"][status] = {"description": meaning}
        document["paths"]["/ready"]["get"]["responses"]["503"] = {"description": "Not ready"}
        return document

    app.openapi = openapi
