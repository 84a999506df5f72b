"""Fixtures: what the service depends on, real and on loopback (`../dependencies`), a trained model, and the service."""

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from app.dependencies.lab import Lab, dependencies
from app.dependencies.processes import NotInstalledError, base_env, free_port
from app.dependencies.service import Api, serving

from covertype_api.variants import PRESETS, Variant

APP = Path(__file__).parents[1]

# An environment without the application's libraries (the controller's) runs none of these tests, and says so.
NEEDED = ("fastapi", "httpx", "hypothesis", "mlflow", "onnxruntime", "redis", "schemathesis", "skl2onnx")
MISSING = [name for name in NEEDED if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING:
        terminalreporter.write_line(f"app/tests SKIPPED: no {', '.join(MISSING)} (install app/requirements-test.txt)")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    try:
        with dependencies(tmp_path_factory.mktemp("lab")) as running_lab:
            yield running_lab
    except NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def trained(lab: Lab) -> dict:
    """The result of the first training, on generated rows; the champion of all tests that serve."""
    assert lab.python("covertype_api.columns").returncode == 0
    return lab.train("--source", "generated", "--rows", "6000")


@pytest.fixture(scope="session")
def api(lab: Lab, trained: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A ready service with two workers."""
    with serving(lab.env, tmp_path_factory.mktemp("api"), workers=2) as running_api:
        running_api.wait_until_ready()
        yield running_api


@dataclass(frozen=True)
class Stage:
    """One stage of the ladder, ready."""

    name: str
    variant: Variant
    api: Api


@pytest.fixture(scope="session", params=PRESETS)
def stage(
    request: pytest.FixtureRequest, lab: Lab, trained: dict, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Each stage with one worker. pytest puts the tests of a stage together, so that one runs at a time.

    Its log has Python's record of what it imported (-X importtime).
    """
    name = request.param
    env = lab.env | {"API_VARIANT": name, "PYTHONPROFILEIMPORTTIME": "1"}
    with serving(env, tmp_path_factory.mktemp(name)) as running_api:
        running_api.wait_until_ready()
        yield Stage(name, PRESETS[name], running_api)


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[dict[str, str]], AbstractContextManager[Api]]:
    """Starts a service of one worker with an environment of its own."""
    return lambda env: serving(env, tmp_path)


@pytest.fixture
def plain_env() -> dict[str, str]:
    """An environment in which the service can start, but reaches no dependency."""
    return base_env() | {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(free_port()),
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(free_port()),
    }


@pytest.fixture(scope="session")
def real_rows() -> Path:
    path = Path(os.environ.get("SWARMSWEEP_DATA") or "")
    if not path.is_file():
        path = APP.parents[1] / "shared" / "data" / "covertype.csv.gz"
    if not path.is_file():
        pytest.skip("no real Covertype rows here (set SWARMSWEEP_DATA to a CSV file)")
    with gzip.open(path, "rb") as file:
        assert file.readline().startswith(b"Elevation,")
    return path
