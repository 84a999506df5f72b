"""From the names of a variant to the objects that play its roles."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from covertype_api import columns_source, model_source, predictor
from covertype_api.decoder import MsgspecDecoder, Row
from covertype_api.settings import Settings
from covertype_api.transport import PooledTransport
from covertype_api.variants import Variant


class Decoder(Protocol):
    """Turns a body into rows, or raises ``InvalidBodyError``."""

    def decode(self, body: bytes) -> list[Row]: ...


class Encoder(Protocol):
    """Prepares rows for a predictor; ``width`` is the number of feature columns."""

    width: int

    def encode(self, rows: Sequence[Row]) -> Any: ...


PREDICTORS: dict[str, Callable[[Path, int], predictor.Predictor]] = {
    "pyfunc": predictor.PyfuncPredictor,
    "sklearn": predictor.SklearnPredictor,
    "onnx": predictor.OnnxPredictor,
}


def make_decoder(variant: Variant) -> Decoder:
    """For the choice ``decoder``."""
    if variant.decoder == "msgspec":
        return MsgspecDecoder()
    # Building its models takes a tenth of a second that other variants need not pay.
    from covertype_api.pydantic_decoder import PydanticDecoder

    return PydanticDecoder()


def encoder_class(variant: Variant) -> Callable[[Sequence[str]], Encoder]:
    """What the chosen predictor takes."""
    if PREDICTORS[variant.predictor].prepares == "frame":
        from covertype_api.frame import FrameEncoder

        return FrameEncoder
    from covertype_api.encoder import FeatureEncoder

    return FeatureEncoder


def make_columns_source(variant: Variant, settings: Settings) -> columns_source.ColumnsSource:
    """For the choices ``columns`` and ``connections``."""
    if variant.columns == "redis":
        return columns_source.RedisColumns(settings, columns_source.PostgresColumns(settings))
    if variant.columns == "memory":
        return columns_source.PostgresColumns(settings)
    if variant.connections == "pooled":
        return columns_source.PooledPostgresColumns(settings)
    return columns_source.BlockingPostgresColumns(settings)


def make_model_source(variant: Variant, settings: Settings) -> model_source.ModelSource:
    """For the choices ``model``, ``connections`` and ``predictor``."""
    flavour = "onnx" if variant.predictor == "onnx" else "sklearn"
    if variant.model == "once":
        return model_source.RestRegistry(settings, flavour)
    if variant.connections == "pooled":
        return model_source.RestRegistry(settings, flavour, PooledTransport())
    return model_source.ClientRegistry(settings, flavour)
