"""The HTTP interface."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope

from covertype_api import drain
from covertype_api.bodies import ClientGoneError, RefusedError, read_json_body
from covertype_api.decoder import MAX_ROWS
from covertype_api.errors import InvalidBodyError, NotReadyError
from covertype_api.fast_path import FastPath, Handler
from covertype_api.limits import cpu_limit, threads_per_worker
from covertype_api.metrics import Metrics, flushed
from covertype_api.openapi import Prediction, Prepared, describe
from covertype_api.service import Service
from covertype_api.settings import Settings
from covertype_api.variants import choose_variant

JSON = "application/json"
encode_json = msgspec.json.Encoder().encode


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service. Loading starts with the server, in the background.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = settings or Settings.from_env()
    variant = choose_variant(settings)
    metrics = Metrics({"variant": settings.api_variant} | variant.choices())
    service = Service(settings, variant, metrics)
    threads = threads_per_worker(settings.cpu_limit or cpu_limit(), settings.web_concurrency)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        drain.delay_the_end(settings.drain_seconds)
        # Python's own default is sized by the host's cores.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
        loading = asyncio.create_task(service.load())
        with flushed(metrics):
            yield
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading
        await service.close()

    app = FastAPI(
        title="Covertype",
        description=f"Predicts forest cover types from twelve raw columns. A request may have at most {MAX_ROWS} rows.",
        version="1.1.0",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    direct = {"/predict": predict_handler(service), "/normalize": normalize_handler(service)}
    add_routes(app, service, metrics, direct)
    describe(app)
    return FastPath(app, direct, metrics)


def predict_handler(service: Service) -> Handler:
    """Cover type, 1 to 7, of each row."""

    async def predict(body: bytes) -> bytes:
        return encode_json(Prediction(*await service.predict(body)))

    return _handler(predict)


def normalize_handler(service: Service) -> Handler:
    """Parses and prepares rows, without a model."""

    async def normalize(body: bytes) -> bytes:
        return encode_json(Prepared(*await service.normalize(body)))

    return _handler(normalize)


def _handler(respond: Callable[[bytes], Awaitable[bytes]]) -> Handler:
    """What each expected error means to the client."""

    async def handle(scope: Scope, receive: Receive) -> tuple[int, bytes] | None:
        try:
            return 200, await respond(await read_json_body(scope, receive))
        except InvalidBodyError as error:
            return 422, encode_json({"detail": [error.problem]})
        except NotReadyError as error:
            return 503, encode_json(not_ready(error))
        except RefusedError as error:
            return error.status, encode_json({"detail": error.detail})
        except ClientGoneError:
            return None

    return handle


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A handler in FastAPI's form."""

    async def endpoint(request: Request) -> Response:
        status, body = await handler(request.scope, request.receive) or (400, b"")
        return Response(body, status, media_type=JSON)

    return endpoint


def not_ready(error: NotReadyError) -> dict[str, Any]:
    """Content of a response with status 503."""
    return {"ready": False, "waiting_for": error.waiting_for}


def add_routes(app: FastAPI, service: Service, metrics: Metrics, direct: dict[str, Handler]) -> None:
    """All endpoints. Those of ``direct`` are here for their documentation and for other methods than POST."""

    def respond(status: int, content: Any) -> Response:
        return Response(encode_json(content), status, media_type=JSON)

    @app.get("/empty")
    async def empty() -> Response:
        """A constant: what the framework costs without any work."""
        return Response(b'{"empty":true}', media_type=JSON)

    for path, handler in direct.items():
        app.post(path, name=path[1:])(_endpoint(handler))

    @app.get("/health")
    async def health() -> Response:
        """The process is alive."""
        return respond(200, {"alive": True})

    @app.get("/ready")
    async def ready() -> Response:
        """The model is loaded and has predicted a row. If each request loads it, the last load succeeded."""
        try:
            if drain.has_begun():
                raise NotReadyError({"shutdown": "this replica is ending"})
            service.check_ready()
        except NotReadyError as error:
            return respond(503, not_ready(error))
        return respond(200, {"ready": True, "model_version": service.model_version})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def scrape() -> Response:
        """Prometheus, over all workers of this replica."""
        text, content_type = metrics.render()
        return Response(text, headers={"content-type": content_type})
