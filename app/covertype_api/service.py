"""The model in memory: how it gets there, and whether it answers."""

import asyncio
import ctypes
import gc
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from covertype_api.decoder import Row
from covertype_api.encoder import FeatureEncoder
from covertype_api.schema import COVER_TYPES, SAMPLE_ROW
from covertype_api.settings import Settings
from covertype_api.variants import Predictor, Variant

logger = logging.getLogger("covertype_api")
Thing = TypeVar("Thing")

# Waits between attempts, in seconds. The last is the longest that a recovered neighbour goes unnoticed.
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 5.0
# The first predictions allocate; they should not be a client's.
WARM_UP_PREDICTIONS = 50


class NotReadyError(RuntimeError):
    """There is no model yet; ``waiting_for`` says for whom we wait, and why."""

    def __init__(self, waiting_for: dict[str, str]) -> None:
        super().__init__("not ready")
        self.waiting_for = waiting_for


class Service:
    """Loads columns and model in the background until both are here; after that it needs neither source."""

    def __init__(self, settings: Settings, variant: Variant) -> None:
        self.decoder = variant.decoder()
        self._columns_source = variant.columns_source(settings)
        self._model_source = variant.model_source(settings)
        self._build_predictor = variant.predictor
        self._sample = [Row(**SAMPLE_ROW)]
        self._waiting_for = {
            source.name: "the first answer has not come yet" for source in (self._columns_source, self._model_source)
        }
        self._encoder: FeatureEncoder | None = None
        self._predictor: Predictor | None = None
        self.model_version = ""

    @property
    def encoder(self) -> FeatureEncoder:
        """Raises ``NotReadyError`` before the column names are known."""
        if self._encoder is None:
            raise NotReadyError(dict(self._waiting_for))
        return self._encoder

    def predict(self, rows: list[Row]) -> list[int]:
        """Class 1 to 7 of each row. Raises ``NotReadyError`` before the model is loaded."""
        if self._predictor is None:
            raise NotReadyError(dict(self._waiting_for))
        return self._predictor.predict(self.encoder.encode(rows))

    def prove(self) -> None:
        """Predict a known row. Raises ``NotReadyError`` when that does not give a class."""
        try:
            (answer,) = self.predict(self._sample)
        except NotReadyError:
            raise
        except Exception as error:
            raise NotReadyError({"model": f"the sample row fails: {error}"}) from error
        if not 1 <= answer <= len(COVER_TYPES):
            raise NotReadyError({"model": f"the sample row got the class {answer}"})

    async def load(self) -> None:
        """Fetch, build and warm up, as often as it takes. Returns when the service is ready."""
        await self._persist("model", self._assemble)
        logger.info("ready: model version %s", self.model_version)

    async def _assemble(self) -> None:
        encoder, model = await asyncio.gather(
            self._persist(self._columns_source.name, self._fetch_encoder),
            self._persist(self._model_source.name, self._model_source.fetch),
        )
        # In a thread, so that /health answers while a model is parsed.
        predictor = await asyncio.to_thread(self._build_predictor, model.content, encoder.width)
        features = encoder.encode(self._sample)
        for _ in range(WARM_UP_PREDICTIONS):
            predictor.predict(features)
        self.model_version = model.version
        self._predictor = predictor
        _return_free_memory()

    async def _fetch_encoder(self) -> FeatureEncoder:
        self._encoder = FeatureEncoder(await self._columns_source.fetch())
        return self._encoder

    async def _persist(self, source: str, attempt: Callable[[], Awaitable[Thing]]) -> Thing:
        """Repeat an attempt until it succeeds, noting the reason of each failure."""
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            try:
                result = await attempt()
            except Exception as error:  # whatever it is, the service must live on and say it
                reason = f"{type(error).__name__}: {error}"
                if self._waiting_for.get(source) != reason:
                    logger.warning("waiting for %s: %s", source, reason)
                self._waiting_for[source] = reason
                # Spread, so that many replicas do not knock at the same moment.
                await asyncio.sleep(wait_seconds * random.uniform(0.8, 1.2))
                wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)
            else:
                self._waiting_for.pop(source, None)
                return result


def _return_free_memory() -> None:
    """Give the kernel back what parsing the model took and freed: some 20 MB, charged to the replica."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        gc.collect()
        trim(0)
