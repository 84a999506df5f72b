"""The scenario's payloads, and how it fits the API that it is meant for."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREDICT = ROOT / "locustfiles/predict.py"

pytestmark = pytest.mark.skipif(find_spec("locust") is None, reason="locust is not installed")


def ask(expression: str) -> object:
    """The value of an expression in a process that has loaded the scenario: Locust patches the process it is in."""
    program = f"""
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("predict", {str(PREDICT)!r})
predict = importlib.util.module_from_spec(spec)
spec.loader.exec_module(predict)
print(json.dumps({expression}))
"""
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", program], env=base, cwd="/", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def bodies() -> list[dict]:
    return [json.loads(body) for body in ask("[body.decode() for body in predict.PAYLOADS]")]


def test_payloads_are_single_realistic_rows(bodies):
    assert len(bodies) == 512
    assert len({json.dumps(body) for body in bodies}) > 500
    for body in bodies:
        (row,) = body["rows"]
        assert len(row) == 12
        assert 1859 <= row["Elevation"] <= 3858
        assert all(0 <= row[name] <= 254 for name in ("Hillshade_9am", "Hillshade_Noon", "Hillshade_3pm"))
        assert all(isinstance(row[name], str) for name in ("Wilderness_Area", "Soil_Type"))


def test_payloads_are_the_same_at_every_start(bodies):
    assert [json.loads(body) for body in ask("[body.decode() for body in predict.PAYLOADS]")] == bodies


def test_scenario_is_self_contained():
    assert not ask("[name for name in sys.modules if name.split('.')[0] in ('swarmsweep', 'covertype_api')]")


def test_api_knows_every_category_that_the_scenario_sends():
    """The scenario holds a copy of the API's tables, because it may not import them."""
    schema = ROOT / "app/covertype_api/schema.py"
    values: dict = {}
    exec(compile(schema.read_text(), str(schema), "exec"), values)
    assert tuple(ask("predict.SOIL_TYPES")) == values["SOIL_TYPES"]
    assert tuple(ask("predict.WILDERNESS_AREAS")) == values["WILDERNESS_AREAS"]
    assert set(ask("list(predict.make_row(predict.random.Random(1)))")) == set(values["RAW_COLUMNS"])
