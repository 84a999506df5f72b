"""What a worker takes: libraries, memory and threads."""

import re
from pathlib import Path

import httpx
import pytest
from app.dependencies.service import Api, serving
from bodies import JSON, changed, post

# The role says which stages run in the slim image; they may import nothing that it does not have.
ROLE = Path(__file__).parents[2] / "roles/api_stack/vars/main.yml"
SLIM_STAGES = re.search(r"(?m)^__api_stack_slim_variants: \[(.+)\]$", ROLE.read_text())[1].split(", ")
TRAINING = {"mlflow", "pandas", "sklearn", "scipy", "skops", "pyarrow", "psycopg2", "skl2onnx", "onnx"}
# Of one worker of onnx, with the model of these tests; the promise is 130 MB with a model of any allowed size.
LARGEST_RESIDENT_BYTES = 130_000_000
# The event loop's, one of the pool, and those that libraries keep without work for them.
MAX_THREADS = 4
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def test_a_worker_imports_what_its_stage_needs_and_no_more(stage):
    assert post(stage.api, changed()).status_code == 200
    pattern = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\w+)", re.MULTILINE)
    imported = set(pattern.findall(stage.api.log.read_text()))
    variant = stage.variant
    conditions = {
        "uvloop": True,
        "onnxruntime": variant.predictor == "onnx",
        "mlflow": variant.predictor == "pyfunc",
        "sklearn": variant.predictor != "onnx",
        "psycopg2": (variant.columns, variant.connections) == ("each_request", "fresh"),
        "redis": variant.columns == "redis",
        "asyncpg": (variant.columns, variant.connections) != ("each_request", "fresh"),
    }
    assert {name: name in imported for name in conditions} == conditions
    if stage.name in SLIM_STAGES:
        assert imported & TRAINING == set()


def test_serving_leaves_no_trace(lab, trained, serve, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with serve(lab.env | {"HOME": str(home)}) as api:
        api.wait_until_ready()
        assert "onnxruntime" in Path(f"/proc/{api.process.pid}/maps").read_text()
        # ONNX Runtime's telemetry begins with a file that identifies the machine.
        assert not list(home.rglob("*"))


def status_of(pid: int) -> dict[str, str]:
    """Fields of /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def workers_of(api: Api, count: int) -> set[int]:
    """Processes that sign responses."""
    pids = set()
    while len(pids) < count:
        response = httpx.post(f"{api.url}/predict", content=changed(), headers=JSON, timeout=20)
        pids.add(int(response.headers["x-served-by"].rpartition("/")[2]))
    return pids


def loaded(api: Api) -> None:
    """Some work of every kind."""
    for _ in range(300):
        assert post(api, changed()).status_code == 200
    for path in ("/ready", "/metrics", "/openapi.json"):
        assert api.client.get(path).status_code == 200


@pytest.mark.parametrize("variant", ["onnx", "native"])
def test_a_worker_stays_within_its_limits(lab, trained, tmp_path, variant):
    env = {name: value for name, value in lab.env.items() if name not in POOLS}
    with serving(env | {"API_VARIANT": variant, "CPU_LIMIT": "1"}, tmp_path, workers=2) as api:
        api.wait_until_ready()
        loaded(api)
        for pid in workers_of(api, 2):
            status = status_of(pid)
            assert int(status["Threads"]) <= MAX_THREADS
            environ = Path(f"/proc/{pid}/environ").read_text().split("\0")
            assert {f"{name}=1" for name in POOLS} - set(environ) == set()
            if variant == "onnx":
                assert int(status["VmRSS"].removesuffix(" kB")) * 1024 <= LARGEST_RESIDENT_BYTES
