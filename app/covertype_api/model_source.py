"""Where a model comes from."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, build_opener

from covertype_api.settings import Settings

# Tags of a registered model version, written by the training.
ARTIFACT_TAG = "onnx_artifact"  # path below the server's artifact root
SHA256_TAG = "onnx_sha256"
RECIPE_TAG = "recipe_sha256"  # of the rows and arguments that it was trained with
SOURCE_TAG = "data_source"


@dataclass(frozen=True)
class ModelFile:
    """A checked ONNX file and the version it is registered as."""

    version: str
    content: bytes


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of the registered model, and its tags."""

    version: str
    tags: dict[str, str]


class ModelUnavailableError(RuntimeError):
    """The model cannot be had now; the message says why and what would help."""


class ModelMissingError(ModelUnavailableError):
    """The registry answers, and has no such model or alias."""


class MlflowRegistry:
    """Fetches the version behind an alias over MLflow's REST API.

    MLflow's own client would take more memory and time to start than the whole service.
    """

    name = "mlflow"

    def __init__(self, settings: Settings, timeout_seconds: float = 10.0) -> None:
        self._uri = settings.mlflow_tracking_uri.rstrip("/")
        self._model, self._alias = settings.model_name, settings.model_alias
        self._timeout_seconds = timeout_seconds
        # The registry is a neighbour: proxy settings meant for the outside must not catch it.
        self._open = build_opener(ProxyHandler({})).open

    async def fetch(self) -> ModelFile:
        """The ONNX file of the aliased version, checked against its sha256.

        Raises:
            ModelUnavailableError: the server does not answer, no such version, or the file is not what was registered.
        """
        return await asyncio.to_thread(self._fetch)

    def look_up(self) -> RegisteredVersion:
        """The version behind the alias. Blocks.

        Raises:
            ModelMissingError: there is none.
            ModelUnavailableError: the server does not answer.
        """
        query = urlencode({"name": self._model, "alias": self._alias})
        answer = json.loads(self._get(f"/api/2.0/mlflow/registered-models/alias?{query}"))["model_version"]
        return RegisteredVersion(str(answer["version"]), {tag["key"]: tag["value"] for tag in answer.get("tags", ())})

    def _fetch(self) -> ModelFile:
        registered = self.look_up()
        version, tags = registered.version, registered.tags
        if missing := {ARTIFACT_TAG, SHA256_TAG} - tags.keys():
            raise ModelUnavailableError(
                f"{self._model} version {version} lacks the tag {min(missing)}: "
                "register models with `python -m covertype_api.train`"
            )
        content = self._get(f"/api/2.0/mlflow-artifacts/artifacts/{quote(tags[ARTIFACT_TAG])}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != tags[SHA256_TAG]:
            raise ModelUnavailableError(
                f"{tags[ARTIFACT_TAG]} has sha256 {digest}, but version {version} "
                f"was registered with {tags[SHA256_TAG]}"
            )
        return ModelFile(version=version, content=content)

    def _get(self, path: str) -> bytes:
        try:
            with self._open(self._uri + path, timeout=self._timeout_seconds) as response:
                return response.read()
        except HTTPError as error:
            with error:
                reason = _error_message(error.read(4096))
            message = f"{self._uri} answered {error.code}: {reason}"
            # An unknown alias of a known model is an invalid parameter to MLflow.
            if reason.startswith(("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")):
                raise ModelMissingError(f"{message} (run `python -m covertype_api.train`)") from None
            raise ModelUnavailableError(message) from None
        except (URLError, OSError) as error:
            raise ModelUnavailableError(f"{self._uri}: {getattr(error, 'reason', None) or error}") from None


def _error_message(body: bytes) -> str:
    try:
        problem = json.loads(body)
        return f"{problem.get('error_code', '')} {problem.get('message', '')}".strip()
    except (ValueError, AttributeError):
        return body.decode("utf-8", "replace").strip()[:200]
