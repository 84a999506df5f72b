"""Look up in the lab's MLflow which version of the model is the champion, from the manager that runs MLflow.

MLflow's port is not published, so the request is sent inside its container.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ansible.module_utils.docker_command import TIMED_OUT, no_response, run_docker

# The names are those of the training and of the API (covertype_api.settings).
MODEL, ALIAS = "covertype", "champion"
SERVICE_LABEL = "com.docker.swarm.service.name"
POLL_SECONDS = 2
# The errors of a registry that works and has no such model, or no such alias of it.
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")

# A server that was just started is not an error, so a refused connection gets no traceback.
REQUEST_PROGRAM = """
import sys
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener
query = urlencode({"name": sys.argv[1], "alias": sys.argv[2]})
url = "http://127.0.0.1:5000/api/2.0/mlflow/registered-models/alias?" + query
try:
    print(build_opener(ProxyHandler({})).open(url, timeout=20).read().decode())
except HTTPError as error:
    print(error.read().decode())
except OSError as error:
    sys.exit(str(error))
"""


class RegistryError(Exception):
    """MLflow does not respond. The text says why."""


def look_up(module: Any, lab: str, wait_seconds: float) -> dict[str, str] | None:
    """Return the champion's tags and its `version`. None if nothing was trained yet, or this lab has no MLflow.

    Raises RegistryError if MLflow does not respond within `wait_seconds`.
    """
    name = f"{lab}_platform_mlflow"
    command = ["service", "inspect", "--format", "{{.ID}}", name]
    code = run_docker(module, command)[0]
    if code in TIMED_OUT:
        raise RegistryError(no_response(command))
    if code != 0:
        return None
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return read_response(request_alias(module, name))
        except RegistryError as error:
            if time.monotonic() > deadline:
                raise RegistryError(
                    f"MLflow did not return the champion model: {error}. "
                    "To see why, run: ./lab logs mlflow. Then run: ./lab site"
                ) from error
        time.sleep(POLL_SECONDS)


def request_alias(module: Any, service: str) -> str:
    """Return MLflow's response. Raises RegistryError if there is none."""
    _code, ids, _err = run_docker(module, ["ps", "--quiet", "--filter", f"label={SERVICE_LABEL}={service}"])
    if not ids.split():
        raise RegistryError(f"no container of {service} runs on this host")
    code, out, err = run_docker(module, ["exec", ids.split()[0], "python", "-c", REQUEST_PROGRAM, MODEL, ALIAS])
    if code != 0:
        raise RegistryError((err.strip() or f"exit code {code}").splitlines()[-1])
    return out


def read_response(text: str) -> dict[str, str] | None:
    """Read the registry's response about an alias. Raises RegistryError unless it names a version or its absence."""
    try:
        document = json.loads(text)
        if document.get("error_code") in MISSING:
            return None
        version = document["model_version"]
        tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
        return {**tags, "version": str(version["version"])}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(f"it returned {text[:200]!r}") from error
