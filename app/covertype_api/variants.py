"""Presets of the service: which part plays which role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from covertype_api.columns_source import PostgresColumns
from covertype_api.decoder import MsgspecDecoder, Row
from covertype_api.model_source import MlflowRegistry, ModelFile
from covertype_api.predictor import OnnxPredictor
from covertype_api.settings import Settings, SettingsError

# The supervisor of the workers checks the variant too, and should stay small.
if TYPE_CHECKING:
    import numpy as np


class Decoder(Protocol):
    """Turns a body into rows, or raises ``InvalidBodyError``."""

    def decode(self, body: bytes) -> list[Row]: ...


class ColumnsSource(Protocol):
    """Knows the names and the order of a model's columns."""

    name: str

    async def fetch(self) -> tuple[str, ...]: ...


class ModelSource(Protocol):
    """Knows where the model file is."""

    name: str

    async def fetch(self) -> ModelFile: ...


class Predictor(Protocol):
    """Answers classes for a float32 matrix."""

    def predict(self, features: "np.ndarray") -> list[int]: ...


@dataclass(frozen=True)
class Variant:
    """One way to build the service."""

    decoder: Callable[[], Decoder]
    columns_source: Callable[[Settings], ColumnsSource]
    model_source: Callable[[Settings], ModelSource]
    predictor: Callable[[bytes, int], Predictor]


VARIANTS = {
    "onnx": Variant(
        decoder=MsgspecDecoder,
        columns_source=PostgresColumns,
        model_source=MlflowRegistry,
        predictor=OnnxPredictor,
    ),
}


def choose_variant(name: str) -> Variant:
    """The preset of that name.

    Raises:
        SettingsError: there is none; the message lists those there are.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        raise SettingsError(f"API_VARIANT is {name!r}: choose one of {', '.join(sorted(VARIANTS))}") from None
