"""The optimisation ladder: each stage is a preset of a few independent choices.

Names only, so that the supervisor of the workers can check them without loading anything; ``parts.py`` makes the
objects. A single choice is overridden by its own variable: ``API_VARIANT=onnx API_DECODER=pydantic``.
"""

from dataclasses import asdict, dataclass, replace

from covertype_api.settings import Settings, SettingsError

CHOICES = {
    # How PostgreSQL and MLflow are called at each request: a thread waits for a new connection and MLflow's own client,
    # or asynchronously over connections that are kept.
    "connections": ("fresh", "pooled"),
    # Where the names of the model's columns come from: a query to PostgreSQL, Redis as a cache of it, or memory.
    "columns": ("each_request", "redis", "memory"),
    # When the model is loaded from MLflow.
    "model": ("twice_each_request", "each_request", "once"),
    # What predicts: MLflow's pyfunc of the pipeline, the forest of scikit-learn, or ONNX Runtime.
    "predictor": ("pyfunc", "sklearn", "onnx"),
    "decoder": ("pydantic", "msgspec"),
    # Every step is printed, or logged at level DEBUG, which is off.
    "logging": ("prints", "logging"),
    # Each request alone, or those that arrive within a millisecond together.
    "batching": ("none", "micro"),
}


@dataclass(frozen=True)
class Variant:
    """One way to build the service; see CHOICES for what the words mean."""

    connections: str
    columns: str
    model: str
    predictor: str
    decoder: str
    logging: str
    batching: str = "none"

    def choices(self) -> dict[str, str]:
        """The choices by name."""
        return asdict(self)


_PRINTS = Variant("fresh", "each_request", "twice_each_request", "pyfunc", "pydantic", "prints")
_NO_PRINTS = replace(_PRINTS, logging="logging")
_NO_REDUNDANT_MLFLOW = replace(_NO_PRINTS, model="each_request", connections="pooled")
_CACHED_COLUMNS = replace(_NO_REDUNDANT_MLFLOW, columns="memory")
_CACHED_MODEL = replace(_CACHED_COLUMNS, model="once")
_NATIVE = replace(_CACHED_MODEL, predictor="sklearn", decoder="msgspec")
_ONNX = replace(_NATIVE, predictor="onnx")

# In the order of the ladder.
PRESETS = {
    "prints": _PRINTS,
    "no_prints": _NO_PRINTS,
    "no_redundant_mlflow": _NO_REDUNDANT_MLFLOW,
    "cached_columns": _CACHED_COLUMNS,
    "cached_columns_redis": replace(_CACHED_COLUMNS, columns="redis"),
    "cached_model": _CACHED_MODEL,
    "native": _NATIVE,
    "onnx": _ONNX,
    "onnx_batched": replace(_ONNX, batching="micro"),
}


def choose_variant(settings: Settings) -> Variant:
    """The preset that the settings name, with the choices that they override.

    Raises:
        SettingsError: a name is unknown (the message lists the allowed ones), or two choices exclude each other.
    """
    if settings.api_variant not in PRESETS:
        raise SettingsError(f"API_VARIANT is {settings.api_variant!r}: choose one of {', '.join(PRESETS)}")
    overridden: dict[str, str] = {}
    for choice, allowed in CHOICES.items():
        value = getattr(settings, f"api_{choice}")
        if value and value not in allowed:
            raise SettingsError(f"API_{choice.upper()} is {value!r}: choose one of {', '.join(allowed)}")
        if value:
            overridden[choice] = value
    variant = replace(PRESETS[settings.api_variant], **overridden)
    if variant.batching == "micro" and (variant.model, variant.columns) != ("once", "memory"):
        raise SettingsError(
            "API_BATCHING is 'micro', but a batch is shared by requests that each load their own model or columns: "
            "choose API_BATCHING=none, or API_MODEL=once and API_COLUMNS=memory"
        )
    return variant
