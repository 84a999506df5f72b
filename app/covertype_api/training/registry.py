"""MLflow: logging a trained model, registering it, and moving the alias when it is no worse."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# All before mlflow is imported: no pip calls, no git, no telemetry, and an absent server is noticed soon.
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from covertype_api.model_source import ARTIFACT_TAG, SHA256_TAG, SKLEARN_TAG, RegisteredVersion
from covertype_api.predictor import TRUSTED_TYPES

EXPERIMENT = "covertype"
# Artifacts that go through the server, as seen by clients.
PROXY_SCHEME = "mlflow-artifacts:/"


@dataclass(frozen=True)
class Trained:
    """A model and what is known about it."""

    pipeline: Pipeline
    onnx_content: bytes
    example: pd.DataFrame
    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]


class Registry:
    """One registered model on one MLflow server."""

    def __init__(self, uri: str, name: str, alias: str) -> None:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self.name, self.alias = name, alias
        self._client = MlflowClient()

    def accuracy(self, version: RegisteredVersion, rows: pd.DataFrame, labels: np.ndarray) -> float:
        """Share of held-out rows that a registered version gets right."""
        model = mlflow.sklearn.load_model(f"models:/{self.name}/{version.version}")
        return float((model.predict(rows) == labels).mean())

    def register(self, trained: Trained) -> ModelVersion:
        """Log both flavours in one run and register the scikit-learn one, with tags that lead to the ONNX file."""
        mlflow.set_experiment(EXPERIMENT)
        predictions = trained.pipeline.predict(trained.example)
        signature = infer_signature(trained.example, predictions)
        with mlflow.start_run(tags=trained.tags):
            mlflow.log_params(trained.params)
            mlflow.log_metrics(trained.metrics)
            requirements = ["scikit-learn", "skops", "pandas"]
            sklearn_model = mlflow.sklearn.log_model(
                trained.pipeline,
                name="sklearn",
                signature=signature,
                input_example=None,
                skops_trusted_types=TRUSTED_TYPES,
                pip_requirements=requirements,
            )
            artifact = self._log_onnx(trained)
        folder = self._proxied(sklearn_model.model_id)
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._client.create_model_version(
            self.name,
            source=sklearn_model.model_uri,
            run_id=sklearn_model.run_id,
            model_id=sklearn_model.model_id,
            tags=trained.tags
            | {
                ARTIFACT_TAG: artifact,
                SKLEARN_TAG: folder,
                SHA256_TAG: hashlib.sha256(trained.onnx_content).hexdigest(),
                **{key: f"{value:.6f}" for key, value in trained.metrics.items()},
            },
        )

    def _log_onnx(self, trained: Trained) -> str:
        """Log the ONNX flavour; returns the path of its file below the server's artifact root."""
        model = mlflow.onnx.log_model(
            onnx.load_model_from_string(trained.onnx_content),
            name="onnx",
            onnx_execution_providers=["CPUExecutionProvider"],
            onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1, "execution_mode": "sequential"},
            pip_requirements=["onnxruntime"],
            save_as_external_data=False,
        )
        path = f"{self._proxied(model.model_id)}/model.onnx"
        with tempfile.TemporaryDirectory() as directory:
            stored = mlflow.artifacts.download_artifacts(f"{PROXY_SCHEME}{path}", dst_path=directory)
            if Path(stored).read_bytes() != trained.onnx_content:
                raise MlflowException(f"{path} differs from the model that was logged")
        return path

    def _proxied(self, model_id: str) -> str:
        """The folder of a logged model below the server's artifact root."""
        location = self._client.get_logged_model(model_id).artifact_location
        if not location.startswith(PROXY_SCHEME):
            raise MlflowException(f"artifacts go to {location}: start the server with --serve-artifacts")
        return location.removeprefix(PROXY_SCHEME).lstrip("/")

    def promote(self, version: ModelVersion) -> None:
        """Point the alias at a version."""
        self._client.set_registered_model_alias(self.name, self.alias, version.version)
