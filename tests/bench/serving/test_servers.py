"""How the servers are started, and which requests they get."""

import json

import pytest

from bench.lib.machine import cpu_model
from bench.lib.paths import ROOT
from bench.serving import servers
from bench.serving.servers import image_env, targets
from swarmsweep.errors import LabError

ROWS = [{"Elevation": 2500 + number, "Soil_Type": "C7745"} for number in range(64)]
FEATURES = [[2500 + number, 0, 1] for number in range(64)]


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("FROM x\nENV A=1\n", {"A": "1"}),
        (
            "ENV A=1\nFROM y\nENV B=2 \\\n    C_D=/x:$PATH \\\n    E=3\nUSER 1\n",
            {"B": "2", "C_D": "/x:$PATH", "E": "3"},
        ),
    ],
)
def test_image_env(text, env):
    assert image_env(text) == env


@pytest.mark.parametrize("text", ["", "FROM x\n# ENV A=1\n", "ENV\n"])
def test_dockerfile_without_env(text):
    with pytest.raises(LabError, match="no ENV"):
        image_env(text)


def test_env_of_the_image_limits_threads_and_keeps_quiet():
    env = image_env((ROOT / "app/Dockerfile").read_text())
    assert env["OMP_NUM_THREADS"] == "1"
    assert env["ORT_DISABLE_TELEMETRY"] == "1"


def test_every_target_has_a_name_of_its_own_and_bodies_of_one_line():
    found = targets(ROWS, FEATURES, 20)
    assert len({target.name for target in found}) == len(found) == 8
    for target in found:
        for body in target.bodies or ():
            assert "\n" not in body
            json.loads(body)


def test_all_servers_get_the_same_rows():
    bodies = {target.name: [json.loads(body) for body in target.bodies or ()] for target in targets(ROWS, FEATURES, 20)}
    elevations = [2500 + number for number in range(20)]
    assert [body["rows"][0]["Elevation"] for body in bodies["predict"]] == elevations
    assert [body["rows"][0]["Elevation"] for body in bodies["normalize"]] == elevations
    assert [body["inputs"]["Elevation"] for body in bodies["mlflow_serve"]] == [[value] for value in elevations]
    assert [body["features"][0] for body in bodies["litserve"]] == elevations
    assert [body["features"][0][0] for body in bodies["bentoml"]] == elevations
    assert bodies["predict_batch64"] == [{"rows": ROWS}]
    assert bodies["empty"] == []


def test_units():
    units = {target.name: (target.unit, target.rows) for target in targets(ROWS, FEATURES, 20)}
    assert units["predict"] == ("requests/s", 1)
    assert units["predict_batch64"] == ("rows/s", 64)


def test_no_server_gets_a_secret_or_listens_to_others(tmp_path):
    registry = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5", "POSTGRES_HOST": "127.0.0.1", "SECRET": "x"}
    for server in (
        servers.ours(1, registry, tmp_path, tmp_path),
        servers.mlflow_serve(2, registry),
        servers.litserve(3, "/onnx", tmp_path),
        servers.bentoml(4, "/onnx", tmp_path, tmp_path),
    ):
        assert "SECRET" not in server.env
        assert server.url.startswith("http://127.0.0.1:")
        assert server.env["OMP_NUM_THREADS"] == "1"
        assert server.pinned(3)[:3] == ["taskset", "--cpu-list", "3"]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC: 7\nmodel name\t: other\n", "AMD EPYC: 7"),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", None),
    ],
)
def test_cpu_model(text, model):
    assert cpu_model(text) == model
