"""The servers of `./lab bench serving`, and the requests that each gets."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lib import cores
from bench.lib.environments import Environment
from bench.lib.paths import ROOT
from bench.serving.environments import API, MLFLOW, PEERS
from swarmsweep.errors import LabError

OURS = "covertype_api"
PEERS_FOLDER = Path(__file__).with_name("peers")
# No server may send usage data, or use more threads than its one core.
QUIET = {
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Server:
    """How to start a server. ``command`` is not pinned yet; ``ready`` returns 200 when it can predict."""

    name: str
    environment: Environment
    packages: tuple[str, ...]
    command: tuple[str, ...]
    env: dict[str, str]
    url: str
    ready: str

    def pinned(self, core: int) -> list[str]:
        """The command on one core."""
        return cores.pin(list(self.command), core)


@dataclass(frozen=True)
class Target:
    """One target of a load. Its value is requests/s times ``rows``; ``bodies`` are sent in turn, None means GET."""

    name: str
    server: str
    path: str
    bodies: tuple[str, ...] | None
    rows: int = 1
    predicts: bool = True

    @property
    def unit(self) -> str:
        return "requests/s" if self.rows == 1 else "rows/s"


def image_env(dockerfile: str) -> dict[str, str]:
    """What the last ENV of a Dockerfile sets: the environment that the service runs with in its image.

    Raises:
        LabError: there is none.
    """
    blocks = re.findall(r"^ENV ((?:.*\\\n)*.*)$", dockerfile, re.MULTILINE)
    pairs = re.findall(r"([A-Z_0-9]+)=(\S+)", blocks[-1]) if blocks else []
    if not pairs:
        raise LabError(
            "app/Dockerfile: has no ENV NAME=VALUE, so the service cannot be started with the environment of its image"
        )
    return dict(pairs)


def copy_package(folder: Path) -> Path:
    """The API's package with its bytecode, as its image has it; the sources may be edited while a bench runs."""
    target = folder / "app"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "app/covertype_api", target / "covertype_api", ignore=ignored)
    subprocess.run([API.python, "-m", "compileall", "-q", target], check=True, capture_output=True)
    return target


def ours(port: int, registry: dict[str, str], app: Path, shared: Path) -> Server:
    """The API as its slim image runs it: variant onnx, one worker. ``shared`` is in memory, as /dev/shm is there."""
    dependencies = {name: value for name, value in registry.items() if name.startswith(("POSTGRES_", "MLFLOW_"))}
    env = image_env((ROOT / "app/Dockerfile").read_text()) | dependencies
    env |= {"API_VARIANT": "onnx", "WEB_CONCURRENCY": "1", "PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(shared)}
    return Server(
        OURS,
        API,
        ("fastapi", "uvicorn", "uvloop", "httptools", "msgspec", "numpy", "onnxruntime"),
        (str(API.python), "-m", "covertype_api"),
        env | {"PATH": API.path, "PYTHONPATH": str(app)},
        f"http://127.0.0.1:{port}",
        "/ready",
    )


def bare_asgi(port: int) -> Server:
    """uvicorn with an application that does nothing, see peers/bare_asgi.py."""
    command = (str(API.python), "-m", "uvicorn", "bare_asgi:app", "--host", "127.0.0.1", "--port", str(port))
    command += ("--loop", "uvloop", "--http", "httptools", "--ws", "none", "--lifespan", "off")
    command += ("--no-access-log", "--no-server-header", "--timeout-keep-alive", "75", "--log-level", "warning")
    env = QUIET | {"PATH": API.path, "PYTHONPATH": str(PEERS_FOLDER)}
    return Server("bare_asgi", API, ("uvicorn",), command, env, f"http://127.0.0.1:{port}", "/")


def mlflow_serve(port: int, registry: dict[str, str]) -> Server:
    """MLflow's own server, with the registered scikit-learn pipeline."""
    command = (str(MLFLOW.folder / "bin/mlflow"), "models", "serve", "--model-uri", "models:/covertype@champion")
    command += ("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    env = QUIET | {"PATH": MLFLOW.path, "MLFLOW_TRACKING_URI": registry["MLFLOW_TRACKING_URI"]}
    env |= {"GIT_PYTHON_REFRESH": "quiet"}
    packages = ("mlflow", "scikit-learn", "pandas", "numpy", "fastapi", "uvicorn", "uvloop", "httptools")
    return Server("mlflow_serve", MLFLOW, packages, command, env, f"http://127.0.0.1:{port}", "/ping")


def litserve(port: int, onnx: str, app: Path) -> Server:
    """LitServe with the ONNX file, see peers/litserve_server.py."""
    command = (str(PEERS.python), str(PEERS_FOLDER / "litserve_server.py"), str(port))
    return _peer("litserve", command, port, onnx, app, "/health", {})


def bentoml(port: int, onnx: str, app: Path, home: Path) -> Server:
    """BentoML with the ONNX file, see peers/bentoml_service.py."""
    command = (str(PEERS.folder / "bin/bentoml"), "serve", "bentoml_service:Covertype")
    command += ("--host", "127.0.0.1", "--port", str(port))
    # Without an exporter its spans go nowhere, and cost it 110 us a request.
    extra = {"BENTOML_HOME": str(home), "OTEL_SDK_DISABLED": "true"}
    return _peer("bentoml", command, port, onnx, app, "/readyz", extra)


def _peer(
    name: str, command: Sequence[str], port: int, onnx: str, app: Path, ready: str, extra: dict[str, str]
) -> Server:
    packages = (name, "uvicorn", "uvloop", "httptools", "msgspec", "numpy", "onnxruntime")
    env = QUIET | {"PATH": PEERS.path, "PYTHONPATH": f"{app}{os.pathsep}{PEERS_FOLDER}", "BENCH_ONNX": onnx} | extra
    return Server(name, PEERS, packages, tuple(command), env, f"http://127.0.0.1:{port}", ready)


def targets(rows: list[dict[str, Any]], features: list[list[float]], single_rows: int) -> list[Target]:
    """What is loaded: with each of the first ``single_rows`` alone, and with all of them in one request.

    Each server gets its rows in the form that it reads fastest: ours and MLflow's the twelve raw columns, which only
    they know how to prepare, the peers the 54 ready features of the model. Of the forms that MLflow takes, "inputs"
    costs it 11 ms a row, "dataframe_records" and "dataframe_split" 17 ms.
    """
    raw = tuple(_json({"rows": [row]}) for row in rows[:single_rows])
    ready = features[:single_rows]
    columns = tuple(_json({"inputs": {name: [value] for name, value in row.items()}}) for row in rows[:single_rows])
    return [
        Target("predict", OURS, "/predict", raw),
        Target("predict_batch64", OURS, "/predict", (_json({"rows": rows}),), rows=len(rows)),
        Target("normalize", OURS, "/normalize", raw, predicts=False),
        Target("empty", OURS, "/empty", None, predicts=False),
        Target("bare_asgi", "bare_asgi", "/", None, predicts=False),
        Target("mlflow_serve", "mlflow_serve", "/invocations", columns),
        Target("litserve", "litserve", "/predict", tuple(_json({"features": line}) for line in ready)),
        Target("bentoml", "bentoml", "/predict", tuple(_json({"features": [line]}) for line in ready)),
    ]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
