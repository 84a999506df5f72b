"""Where a model comes from: MLflow's registry and artifact store."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from covertype_api.errors import DependencyError
from covertype_api.settings import Settings
from covertype_api.transport import PlainTransport, Transport, TransportError

# Tags of a registered model version, written by the training.
ARTIFACT_TAG = "onnx_artifact"  # file below the server's artifact root
SHA256_TAG = "onnx_sha256"
SKLEARN_TAG = "sklearn_artifact"  # folder below the server's artifact root
RECIPE_TAG = "recipe_sha256"  # of the rows and arguments that it was trained with
SOURCE_TAG = "data_source"

ONNX_FILE = "model.onnx"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of the registered model, and its tags."""

    version: str
    tags: dict[str, str]


class ModelUnavailableError(RuntimeError):
    """The model cannot be had now; the message says why and what would help."""


class ModelMissingError(ModelUnavailableError):
    """The registry responds, and has no such model or alias."""


class ModelSource(Protocol):
    """Brings one flavour of the champion. ``name`` is the dependency that is queried."""

    name: str

    async def fetch(self, folder: Path) -> str:
        """Fill ``folder`` with the files of the flavour; returns the version. Raises ``DependencyError``."""
        ...

    async def close(self) -> None: ...


class RestRegistry:
    """Fetches the version behind an alias over MLflow's REST API: ONNX_FILE, or all files of the scikit-learn flavour.

    MLflow's own client would take more memory and time to start than the whole service.
    """

    name = "mlflow"

    def __init__(self, settings: Settings, flavour: str = "onnx", transport: Transport | None = None) -> None:
        self._settings = settings
        self._uri = settings.mlflow_tracking_uri.rstrip("/")
        self._flavour = flavour
        self._transport = transport or PlainTransport()

    async def fetch(self, folder: Path) -> str:
        try:
            registered = await self.look_up()
            if self._flavour == "onnx":
                (folder / ONNX_FILE).write_bytes(await self._onnx_file(registered))
            else:
                await self._download(self._tag(registered, SKLEARN_TAG), folder)
        except ModelUnavailableError as error:
            raise DependencyError(self.name, str(error)) from error
        return registered.version

    async def look_up(self) -> RegisteredVersion:
        """The version behind the alias.

        Raises:
            ModelMissingError: there is none.
            ModelUnavailableError: the server does not respond.
        """
        query = urlencode({"name": self._settings.model_name, "alias": self._settings.model_alias})
        version = json.loads(await self._get(f"/api/2.0/mlflow/registered-models/alias?{query}"))["model_version"]
        return RegisteredVersion(str(version["version"]), {tag["key"]: tag["value"] for tag in version.get("tags", ())})

    def look_up_blocking(self) -> RegisteredVersion:
        """`look_up` for a program without an event loop."""
        return asyncio.run(self.look_up())

    async def close(self) -> None:
        await self._transport.close()

    async def _onnx_file(self, registered: RegisteredVersion) -> bytes:
        path, expected = self._tag(registered, ARTIFACT_TAG), self._tag(registered, SHA256_TAG)
        content = await self._get(f"{ARTIFACTS}/{quote(path)}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != expected:
            raise ModelUnavailableError(
                f"{path} has sha256 {digest}, but version {registered.version} was registered with {expected}"
            )
        return content

    async def _download(self, path: str, folder: Path) -> None:
        listing = json.loads(await self._get(f"{ARTIFACTS}?{urlencode({'path': path})}"))
        for entry in listing.get("files", ()):
            # Names come from a dependency: only a plain one may become a file here.
            name = Path(entry["path"]).name
            if entry.get("is_dir"):
                continue
            (folder / name).write_bytes(await self._get(f"{ARTIFACTS}/{quote(f'{path}/{name}')}"))

    def _tag(self, registered: RegisteredVersion, tag: str) -> str:
        if tag not in registered.tags:
            raise ModelUnavailableError(
                f"{self._settings.model_name} version {registered.version} lacks the tag {tag}: "
                "register models with `python -m covertype_api.train`"
            )
        return registered.tags[tag]

    async def _get(self, path: str) -> bytes:
        try:
            status, body = await self._transport.get(self._uri + path)
        except TransportError as error:
            raise ModelUnavailableError(f"{self._uri}: {error}") from None
        if status == 200:
            return body
        reason = _error_message(body)
        message = f"{self._uri} responded with {status}: {reason}"
        # An unknown alias of a known model is an invalid parameter to MLflow.
        if reason.startswith(("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")):
            raise ModelMissingError(f"{message} (run `python -m covertype_api.train`)")
        raise ModelUnavailableError(message)


class ClientRegistry:
    """Fetches the champion with MLflow's own client, as its documentation shows: blocking, on a thread that waits.

    The alias is resolved, then every file of the scikit-learn flavour (or the ONNX file) is downloaded.
    """

    name = "mlflow"

    def __init__(self, settings: Settings, flavour: str) -> None:
        self._settings, self._flavour = settings, flavour

    async def fetch(self, folder: Path) -> str:
        return await asyncio.to_thread(self._fetch, folder)

    def _fetch(self, folder: Path) -> str:
        import mlflow
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        settings = self._settings
        try:
            client = mlflow.MlflowClient(settings.mlflow_tracking_uri)
            version = client.get_model_version_by_alias(settings.model_name, settings.model_alias)
            if self._flavour == "onnx":
                uri = f"mlflow-artifacts:/{version.tags[ARTIFACT_TAG]}"
            else:
                uri = f"models:/{settings.model_name}/{version.version}"
            mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=settings.mlflow_tracking_uri
            )
        except (MlflowException, RequestException, OSError, KeyError) as error:
            raise DependencyError(self.name, f"{settings.mlflow_tracking_uri}: {error}") from error
        return str(version.version)

    async def close(self) -> None:
        """Nothing is kept."""


def _error_message(body: bytes) -> str:
    try:
        problem = json.loads(body)
        return f"{problem.get('error_code', '')} {problem.get('message', '')}".strip()
    except (ValueError, AttributeError):
        return body.decode("utf-8", "replace").strip()[:200]
