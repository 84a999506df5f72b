"""From a body to classes, with whatever parts the variant has; and whether that works now."""

import asyncio
import ctypes
import gc
import logging
import random
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from covertype_api import parts
from covertype_api.batcher import MicroBatcher
from covertype_api.decoder import Row
from covertype_api.errors import DependencyError, NotReadyError
from covertype_api.metrics import Metrics
from covertype_api.predictor import Predictor
from covertype_api.request_log import choose_request_log
from covertype_api.schema import COVER_TYPES, SAMPLE_ROW
from covertype_api.settings import Settings
from covertype_api.variants import Variant

logger = logging.getLogger("covertype_api")
Thing = TypeVar("Thing")

# Waits between attempts, in seconds. The last is the longest that a recovered dependency goes unnoticed.
FIRST_WAIT_SECONDS = 0.25
MAX_WAIT_SECONDS = 5.0
# The first predictions allocate; they should not be a client's.
WARM_UP_PREDICTIONS = 50


@dataclass(frozen=True)
class Model:
    """A predictor, and the version it was registered as."""

    predictor: Predictor
    version: str


class Service:
    """Serves requests, and knows which dependencies it waits for.

    What the variant keeps (columns, model) is loaded in the background at start, and its source is never queried again.
    What it fetches for each request may be lost at any time: then requests get ``NotReadyError``, and the sample row is
    tried in the background until it is predicted again.
    """

    def __init__(self, settings: Settings, variant: Variant, metrics: Metrics) -> None:
        self._decode = parts.make_decoder(variant).decode
        self._log_step = choose_request_log(variant.logging)
        self._make_encoder = parts.encoder_class(variant)
        self._make_predictor = parts.PREDICTORS[variant.predictor]
        self._columns_source = parts.make_columns_source(variant, settings)
        self._model_source = parts.make_model_source(variant, settings)
        self._keeps_columns = variant.columns == "memory"
        self._keeps_model = variant.model == "once"
        self._loads_per_request = 2 if variant.model == "twice_each_request" else 1
        self._batcher = None
        if variant.batching == "micro":
            self._batcher = MicroBatcher(self._predict_kept, settings.batch_wait_ms / 1000, settings.batch_max_rows)
        self._sample = [Row(**SAMPLE_ROW)]
        self._waiting_for = {
            source.name: "it has not responded yet" for source in (self._columns_source, self._model_source)
        }
        self._recovering: asyncio.Task[None] | None = None
        # Kept only where the variant says so.
        self._encoder: parts.Encoder | None = None
        self._model: Model | None = None
        self.model_version = ""
        self._note_preparing = metrics.part("/predict", "preparing")
        self._note_inference = metrics.part("/predict", "inference")
        self._note_database = metrics.part("/predict", "database")
        self._note_mlflow = metrics.part("/predict", "mlflow")
        self._note_normalizing = metrics.part("/normalize", "preparing")
        self._note_normalize_database = metrics.part("/normalize", "database")

    async def predict(self, body: bytes) -> tuple[list[int], str]:
        """Classes 1 to 7 of the rows of a body, and the version of the model.

        Raises:
            InvalidBodyError: the body has no rows of Covertype.
            NotReadyError: something that is needed cannot be had now.
        """
        log_step = self._log_step
        begun = perf_counter()
        if log_step:
            log_step("body", body)
        rows = self._decode(body)
        preparing = perf_counter() - begun
        if not self.model_version:
            raise NotReadyError(dict(self._waiting_for))
        if log_step:
            log_step("rows", rows)
        if self._batcher:
            classes = await self._batched(self._batcher, rows, preparing)
            return classes, self.model_version
        encoder = self._encoder or await self._fetched(self._fetch_encoder, self._note_database)
        model = self._model or await self._fetched(lambda: self._load_model(encoder), self._note_mlflow)
        begun = perf_counter()
        prepared = encoder.encode(rows)
        inferring = perf_counter()
        if log_step:
            log_step("prepared", prepared)
        classes = model.predictor.predict(prepared)
        self._note_preparing(preparing + inferring - begun)
        self._note_inference(perf_counter() - inferring)
        if log_step:
            log_step("predictions", classes)
        if self._waiting_for:
            self._waiting_for.clear()
        return classes, model.version

    async def normalize(self, body: bytes) -> tuple[int, int]:
        """Rows and columns of what a model would get for a body. Raises as `predict` does."""
        begun = perf_counter()
        rows = self._decode(body)
        preparing = perf_counter() - begun
        encoder = self._encoder
        if encoder is None:
            if self._keeps_columns:
                raise NotReadyError(dict(self._waiting_for))
            encoder = await self._fetched(self._fetch_encoder, self._note_normalize_database)
        begun = perf_counter()
        shape = encoder.encode(rows).shape
        self._note_normalizing(preparing + perf_counter() - begun)
        return shape

    def check_ready(self) -> None:
        """Raise ``NotReadyError`` unless a prediction is possible. Cheap: a model that is kept predicts a row; for one
        that is loaded for each request, the last attempt counts."""
        if self._waiting_for or not self.model_version:
            raise NotReadyError(dict(self._waiting_for))
        if self._model is not None and self._encoder is not None:
            try:
                _require_class(self._predict_kept(self._sample))
            except Exception as error:
                raise NotReadyError({"model": f"the sample row fails: {error}"}) from error

    async def load(self) -> None:
        """Fetch, build and warm up, as often as it takes. Returns when the service is ready."""
        await self._persist("model", self._assemble)
        logger.info("ready: model version %s", self.model_version)

    async def close(self) -> None:
        """End what is kept open."""
        if self._recovering is not None:
            self._recovering.cancel()
        await self._columns_source.close()
        await self._model_source.close()

    async def _assemble(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            encoder, version = await asyncio.gather(
                self._persist(self._columns_source.name, self._fetch_encoder),
                self._persist(self._model_source.name, lambda: self._model_source.fetch(Path(folder))),
            )
            if self._keeps_columns:
                self._encoder = encoder
            # In a thread, so that /health responds while a model is parsed.
            predictor = await asyncio.to_thread(self._make_predictor, Path(folder), encoder.width)
        prepared = encoder.encode(self._sample)
        for _ in range(WARM_UP_PREDICTIONS if self._keeps_model else 1):
            _require_class(predictor.predict(prepared))
        if self._keeps_model:
            self._model = Model(predictor, version)
        self.model_version = version
        _return_free_memory()

    def _predict_kept(self, rows: list[Row]) -> list[int]:
        return self._model.predictor.predict(self._encoder.encode(rows))

    async def _batched(self, batcher: MicroBatcher, rows: list[Row], preparing: float) -> list[int]:
        """Classes of rows in a shared batch; what waiting for the others takes counts as inference."""
        begun = perf_counter()
        classes = await batcher.predict(rows)
        self._note_preparing(preparing)
        self._note_inference(perf_counter() - begun)
        return classes

    async def _fetch_encoder(self) -> parts.Encoder:
        return self._make_encoder(await self._columns_source.fetch())

    async def _load_model(self, encoder: parts.Encoder) -> Model:
        for _ in range(self._loads_per_request):
            with tempfile.TemporaryDirectory() as folder:
                version = await self._model_source.fetch(Path(folder))
                model = Model(await asyncio.to_thread(self._make_predictor, Path(folder), encoder.width), version)
        return model

    async def _fetched(self, fetch: Callable[[], Awaitable[Thing]], note: Callable[[float], None]) -> Thing:
        """What a request needs from a dependency; /ready reports a failure, and the background task corrects it."""
        begun = perf_counter()
        try:
            return await fetch()
        except DependencyError as error:
            self._lose(error.name, error.reason)
        except Exception as error:  # a model or columns that cannot be used, in whatever way
            self._lose("model", f"{type(error).__name__}: {error}")
        finally:
            note(perf_counter() - begun)
        raise NotReadyError(dict(self._waiting_for))

    def _lose(self, name: str, reason: str) -> None:
        self._wait_for(name, reason)
        if self._recovering is None or self._recovering.done():
            self._recovering = asyncio.get_running_loop().create_task(self._recover())

    async def _recover(self) -> None:
        """Try the sample row until it is predicted."""
        name = next(iter(self._waiting_for), "model")
        version = await self._persist(name, self._predict_sample)
        self._waiting_for.clear()
        self.model_version = version
        logger.info("ready again: model version %s", version)

    async def _predict_sample(self) -> str:
        encoder = self._encoder or await self._fetch_encoder()
        model = self._model or await self._load_model(encoder)
        _require_class(model.predictor.predict(encoder.encode(self._sample)))
        return model.version

    async def _persist(self, source: str, attempt: Callable[[], Awaitable[Thing]]) -> Thing:
        """Repeat an attempt until it succeeds, noting the reason of each failure under the name of who failed."""
        wait_seconds = FIRST_WAIT_SECONDS
        failed = source
        while True:
            try:
                result = await attempt()
            except Exception as error:  # whatever it is, the service must live on and say it
                if not isinstance(error, DependencyError):
                    error = DependencyError(source, f"{type(error).__name__}: {error}")
                if error.name != failed:
                    self._waiting_for.pop(failed, None)
                failed = error.name
                self._wait_for(failed, error.reason)
                # Spread, so that many replicas do not knock at the same moment.
                await asyncio.sleep(wait_seconds * random.uniform(0.8, 1.2))
                wait_seconds = min(wait_seconds * 2, MAX_WAIT_SECONDS)
            else:
                self._waiting_for.pop(source, None)
                self._waiting_for.pop(failed, None)
                return result

    def _wait_for(self, name: str, reason: str) -> None:
        if self._waiting_for.get(name) != reason:
            logger.warning("waiting for %s: %s", name, reason)
        self._waiting_for[name] = reason


def _require_class(classes: list[int]) -> None:
    """Raise ``DependencyError`` unless the sample row got one class that exists."""
    if len(classes) != 1 or not 1 <= classes[0] <= len(COVER_TYPES):
        raise DependencyError(
            "model", f"the sample row must get one class from 1 to {len(COVER_TYPES)}, but got {classes}"
        )


def _return_free_memory() -> None:
    """Give the kernel back what parsing the model took and freed: some 20 MB, charged to the replica."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        gc.collect()
        trim(0)
