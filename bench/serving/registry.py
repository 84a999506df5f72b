"""PostgreSQL and MLflow with a trained champion, until stdin ends: `python -m bench.serving.registry FOLDER [SOURCE]`.

Runs in the environment of MLflow, beside the bench. Prints one line of JSON: how to reach both, the model's ONNX file,
and rows with the classes that the registered scikit-learn pipeline gives them.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from app.dependencies.mlflow_server import mlflow_server
from app.dependencies.postgres import postgres_cluster
from app.dependencies.processes import base_env

# Distinct rows, so that no server can profit from having just seen one.
ROWS = 64
# The same sample every time.
SEED = 7
GENERATED = "generated"


def train(env: dict[str, str], source: str) -> dict[str, Any]:
    """Fill the table of columns, train and register. Returns the one line that training prints."""
    result = ""
    for module, *options in (["columns"], ["train", "--source", source]):
        command = [sys.executable, "-m", f"covertype_api.{module}", *options]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
        result = done.stdout
    return json.loads(result)


def sample_rows(source: str) -> tuple[list[dict[str, Any]], list[list[float]], Any]:
    """Rows as a client sends them, the same as the 54 features of the model, and the same as a frame."""
    from covertype_api.decoder import Row
    from covertype_api.encoder import FeatureEncoder
    from covertype_api.schema import FEATURE_COLUMNS
    from covertype_api.training import data

    frame = data.load(source, None, SEED, ROWS * 10).rows.iloc[::10]
    rows = [{name: _short(value) for name, value in row.items()} for row in frame.to_dict("records")]
    matrix = FeatureEncoder(FEATURE_COLUMNS).encode([Row(**row) for row in rows])
    return rows, [[_short(value) for value in line] for line in matrix.tolist()], frame


def _short(value: Any) -> Any:
    """Whole numbers without a fraction: what a client would send, and what is parsed fastest."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def expected_classes(env: dict[str, str], frame: Any) -> list[int]:
    """The classes from the champion's scikit-learn pipeline, loaded from the registry."""
    import mlflow

    mlflow.set_tracking_uri(env["MLFLOW_TRACKING_URI"])
    model = mlflow.sklearn.load_model("models:/covertype@champion")
    return [int(value) for value in model.predict(frame)]


def fetch_onnx(env: dict[str, str], folder: Path) -> None:
    """The champion's ONNX file, loaded in the same way as by the API, and checked by its hash."""
    from covertype_api.model_source import RestRegistry
    from covertype_api.settings import Settings

    folder.mkdir()
    asyncio.run(RestRegistry(Settings.from_env(env)).fetch(folder))


def main(folder: Path, source: str = GENERATED) -> None:
    """Print how to reach the services, then wait."""
    (folder / "mlflow").mkdir()
    env = base_env() | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with postgres_cluster() as postgres, postgres.serve():
        env |= postgres.env
        with mlflow_server(env, folder / "mlflow") as server:
            env |= {"MLFLOW_TRACKING_URI": server.uri}
            trained = train(env, source)
            rows, features, frame = sample_rows(source)
            fetch_onnx(env, folder / "onnx")
            facts = {"env": env, "model": trained, "onnx": str(folder / "onnx"), "rows": rows, "features": features}
            print(json.dumps(facts | {"classes": expected_classes(env, frame)}), flush=True)
            # The bench closes the pipe at its end, and the kernel closes it if the bench dies.
            sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
