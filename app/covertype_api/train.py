"""Train, register and promote a model: ``python -m covertype_api.train --help``."""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from covertype_api.model_source import (
    RECIPE_TAG,
    SHA256_TAG,
    SKLEARN_TAG,
    SOURCE_TAG,
    ModelMissingError,
    ModelUnavailableError,
    RegisteredVersion,
    RestRegistry,
)
from covertype_api.settings import Settings, SettingsError
from covertype_api.training.parameters import FOREST, MIN_AGREEMENT, TOLERANCE

# Errors of modules that take seconds to import.
EXPECTED = ("DataError", "MlflowException")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m covertype_api.train", description=__doc__)
    parser.add_argument(
        "--source",
        default="auto",
        help="fetch, generated, auto, or a path or URL of a Covertype CSV. The CSV has UCI's one-hot columns or the "
        "twelve raw ones, gzip or plain. The default is auto: --path if the file exists, else scikit-learn's "
        "download, else generated rows",
    )
    parser.add_argument("--path", default=os.environ.get("COVERTYPE_DATA"), help="file that auto takes if it exists")
    parser.add_argument("--rows", type=int, default=25_000, help="largest number of rows to use (default 25000)")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the sample, the forest and generated rows (default 0)"
    )
    parser.add_argument(
        "--if-missing", action="store_true", help="do nothing when the champion was trained with the same arguments"
    )
    options = parser.parse_args(arguments)
    if options.rows < 1000:
        parser.error(f"--rows is {options.rows}: give at least 1000")
    return options


def recipe(options: argparse.Namespace) -> str:
    """Digest of what decides a model: the arguments, the content of a local file, and the forest's parameters."""
    parts: dict[str, Any] = {"source": options.source, "rows": options.rows, "seed": options.seed, **FOREST}
    for path in (options.source, options.path if options.source == "auto" else None):
        if path and Path(path).is_file():
            with Path(path).open("rb") as file:
                parts["file"] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def find_champion(settings: Settings) -> RegisteredVersion | None:
    """The version behind the alias, or None when there is none yet. Raises ``ModelUnavailableError``."""
    try:
        return RestRegistry(settings).look_up_blocking()
    except ModelMissingError:
        return None


def train(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Train and register; returns the result that is printed.

    Raises:
        ModelUnavailableError, MlflowException: the server does not respond, or refuses.
        DataError: no usable rows.
        RuntimeError: the ONNX file does not agree with the forest.
    """
    digest = recipe(options)
    champion = find_champion(settings)
    if options.if_missing and champion is not None and will_do(champion, options, digest):
        return {"status": "exists", "model": settings.model_name, "version": champion.version, **_facts(champion.tags)}

    from covertype_api.training.registry import Registry

    registry = Registry(settings.mlflow_tracking_uri, settings.model_name, settings.model_alias)
    trained, judge = fit(options, {RECIPE_TAG: digest})
    version = registry.register(trained)
    result = {
        "status": "trained",
        "model": settings.model_name,
        "version": str(version.version),
        **_facts(version.tags),
        "onnx_bytes": len(trained.onnx_content),
        "fit_seconds": trained.metrics["fit_seconds"],
        "previous_champion_accuracy": None,
    }
    keep_because = None
    if champion is not None:
        before = result["previous_champion_accuracy"] = registry.accuracy(champion, judge.rows, judge.labels)
        if is_generated(trained.tags) and not is_generated(champion.tags):
            # Such rows would judge in their own favour.
            keep_because = "the champion was trained on real rows, this model on generated ones"
        elif trained.metrics["accuracy"] < before - TOLERANCE:
            keep_because = "the champion is better on the same held-out rows"
    if keep_because is None:
        registry.promote(version)
    return result | {
        "promoted": keep_because is None,
        "reason": keep_because,
        "champion_version": str(version.version) if keep_because is None else champion.version,
    }


def will_do(champion: RegisteredVersion, options: argparse.Namespace, digest: str) -> bool:
    """Whether the champion is what these arguments request. ``auto`` without a file requests no rows in particular, so
    any champion that was trained on real ones is enough."""
    if SKLEARN_TAG not in champion.tags:
        # Registered by an earlier version, whose models only the ONNX variants can serve.
        return False
    if champion.tags.get(RECIPE_TAG) == digest:
        return True
    open_choice = options.source == "auto" and not (options.path and Path(options.path).is_file())
    return open_choice and not is_generated(champion.tags)


def is_generated(tags: dict[str, str]) -> bool:
    """Whether a model with these tags has seen generated rows only."""
    return tags.get(SOURCE_TAG, "").startswith("generated")


def fit(options: argparse.Namespace, tags: dict[str, str]) -> tuple[Any, Any]:
    """A trained model with its figures, and the held-out dataset."""
    from covertype_api.training import data, forest
    from covertype_api.training.registry import Trained

    dataset = data.load(options.source, options.path, options.seed, options.rows)
    learn, judge = data.split(dataset)
    started = time.process_time()
    pipeline = forest.build(options.seed).fit(learn.rows, learn.labels)
    fit_seconds = time.process_time() - started
    content = forest.to_onnx_bytes(pipeline)
    expected = pipeline.predict(judge.rows)
    agreement = float((forest.onnx_predict(content, pipeline, judge.rows) == expected).mean())
    if agreement < MIN_AGREEMENT:
        raise RuntimeError(f"ONNX and scikit-learn agree on only {agreement:.4%} of the held-out rows")
    metrics = {
        "accuracy": float((expected == judge.labels).mean()),
        "onnx_agreement": agreement,
        "fit_seconds": round(fit_seconds, 3),
    }
    params = {**FOREST, "seed": options.seed, "rows": len(learn.labels), "held_out_rows": len(judge.labels)}
    trained = Trained(
        pipeline=pipeline,
        onnx_content=content,
        example=judge.rows.head(5),
        params=params,
        metrics=metrics,
        tags=tags | {SOURCE_TAG: dataset.source, "data_sha256": dataset.sha256},
    )
    return trained, judge


def _facts(tags: dict[str, str]) -> dict[str, Any]:
    figures = {key: float(tags[key]) for key in ("accuracy", "onnx_agreement") if key in tags}
    return figures | {key: tags.get(key) for key in (SOURCE_TAG, "data_sha256", SHA256_TAG)}


def main(arguments: list[str] | None = None) -> None:
    """Print one line of JSON on stdout; everything else goes to stderr."""
    options = parse(arguments)
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        result = train(options, Settings.from_env())
    except Exception as error:
        # Wrong input or an absent server needs its message, not a trace; anything else is a fault of this program.
        if isinstance(error, (SettingsError, ModelUnavailableError, OSError)) or type(error).__name__ in EXPECTED:
            sys.exit(f"covertype_api.train: {error}")
        raise
    finally:
        sys.stdout = stdout
    print(json.dumps(result))


if __name__ == "__main__":
    main()
