"""The section Environment of a run whose API is an image of the user."""

import re
from pathlib import Path

import pytest

from swarmsweep.lab.api_settings import Place, read_settings, recorded
from swarmsweep.report.report import write_report
from tests.swarmsweep.run_folder import Run, put

ID = "sha256:" + 64 * "0"
IMAGES = {name: f"swarmsweep/{name}:1 {ID}" for name in ("mlflow", "postgres", "proxy", "redis")}
LAB_IMAGES = {"api": f"swarmsweep/api:1 {ID}", "api_full": f"swarmsweep/mlflow:1 {ID}"}
MODEL = {"model": "covertype", "version": "1", "accuracy": 0.885998}
SETTINGS = {
    "lab_api_image": "my-api:1",
    "lab_api_port": 8000,
    "lab_api_ready_path": "/ready",
    "lab_api_ready_host": "api",
    "lab_api_ready_timeout_seconds": 120,
    "lab_api_variant": "onnx",
    "lab_api_workers_env": "WEB_CONCURRENCY",
}
SWEEP = """\
name: quick
slo: {{p95_ms: 100}}
load: {{users: 40, spawn_rate: 40, warmup_seconds: 5, measure_seconds: 12, locustfile: mine.py}}
cells:
  - {{replicas: 1, cpus: 0.5, memory: 256M, workers: 1{0}}}
  - {{replicas: 2, cpus: 0.5, memory: 256M, workers: 1{1}}}
"""
OWN = ", image: 'own:2'"


def environment(folder: Path, settings: dict, images: dict, axis: tuple[str, str] = ("", "")) -> str:
    """The section Environment of the page, from the plan's facts on."""
    run = Run(folder, SWEEP.format(*axis).encode())
    key = {"key": 32 * "0", "values": {}}
    manifest = {"images": images, "axis_images": {}, "model": MODEL, "api": settings, "environment": key}
    put(run.dir / "manifest.json", manifest | {"hidden": key | {"values": {"lab_api_command": 32 * "1"}}})
    page = write_report(run.dir, folder).read_text()
    return page.partition("## Environment\n")[2].partition("### images")[2].partition("\nFiles: ")[0]


def settings_of(folder: Path, **container) -> dict:
    """The settings as a sweep stores them."""
    found, problems = read_settings({"image": "my-api:1", **container}, Place(folder, "lab", folder / "key"))
    assert problems == []
    return SETTINGS | recorded(found)


def test_what_applies_to_the_image_is_shown(tmp_path, golden):
    (tmp_path / "weights.bin").write_bytes(b"weights")
    mounts = {"/models/weights.bin": "weights.bin"}
    settings = settings_of(tmp_path, command="serve --port 8000", user="1000", mounts=mounts)
    text = environment(tmp_path, settings, IMAGES | {"api": f"my-api:1 {ID}"})
    golden("environment_own_image.md", text)
    assert not re.search("covertype|mlflow|postgres|redis|variant", text)


def test_without_settings_the_image_decides(tmp_path):
    text = environment(tmp_path, settings_of(tmp_path) | {"lab_api_workers_env": ""}, IMAGES)
    assert r"- lab\_api\_command: (that of the image)" in text
    assert r"- lab\_api\_user: (that of the image)" in text
    assert r"- lab\_api\_workers\_env: (the image decides)" in text


NONE = {"lab_api_image": ""}


@pytest.mark.parametrize(
    ("settings", "axis", "has_model", "has_lab_api"),
    [
        (NONE, ("", ""), True, True),
        # Some cells have the lab's own API.
        (NONE, (OWN, ""), True, True),
        (NONE, (OWN, OWN), False, False),
        ({}, ("", OWN), False, True),
        # The image may load the lab's model.
        ({"lab_api_platform": True}, ("", ""), True, True),
    ],
)
def test_the_labs_own_model_is_shown_where_a_cell_may_have_it(tmp_path, settings, axis, has_model, has_lab_api):
    text = environment(tmp_path, settings_of(tmp_path) | settings, IMAGES | LAB_IMAGES, axis)
    assert ("### model" in text, "- postgres: " in text) == (has_model, has_model)
    assert ("- api: swarmsweep/api:1" in text) == has_lab_api
    assert "- proxy: " in text


@pytest.mark.parametrize("settings", [None, 7, "torn", {}])
def test_a_damaged_manifest_is_shown_as_it_is(tmp_path, settings):
    assert "### model" in environment(tmp_path, settings, IMAGES)
