"""Starting without dependencies, recovering by itself, and refusing what cannot work."""

import subprocess
import sys
from pathlib import Path

import pytest

from covertype_api.model_source import SHA256_TAG


def test_each_missing_dependency_is_named_and_health_is_kept(serve, plain_env, tmp_path):
    absent = str(tmp_path / "absent")
    with serve(plain_env | {"POSTGRES_PASSWORD_FILE": absent}) as api:
        api.wait_for_reason("mlflow", "refused")
        response = api.client.get("/ready")
        assert response.status_code == 503
        assert response.json()["ready"] is False
        assert plain_env["MLFLOW_TRACKING_URI"] in response.json()["waiting_for"]["mlflow"]
        assert absent in response.json()["waiting_for"]["postgres"]
        assert "x-served-by" in response.headers
        assert api.client.get("/health").status_code == 200
        assert api.client.get("/metrics").status_code == 200
        assert api.client.post("/predict", json={"rows": []}).status_code == 422


def test_recovers_when_postgres_accepts_it_and_then_no_longer_needs_it(lab, trained, serve, tmp_path):
    password = tmp_path / "password"
    with serve(lab.env | {"POSTGRES_PASSWORD_FILE": str(password)}) as api:
        api.wait_for_reason("postgres", "password")
        password.write_text("wrong")
        api.wait_for_reason("postgres", "password authentication")
        assert api.client.get("/ready").status_code == 503
        password.write_text(Path(lab.env["POSTGRES_PASSWORD_FILE"]).read_text())
        api.wait_until_ready()
        password.unlink()
        assert api.client.get("/ready").json()["model_version"] == trained["champion_version"]


def test_model_that_differs_from_its_checksum_is_refused(lab, trained, serve):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(lab.mlflow.uri)
    client.set_model_version_tag("covertype", "1", SHA256_TAG, "0" * 64)
    try:
        with serve(lab.env) as api:
            api.wait_for_reason("mlflow", "sha256")
            assert api.client.get("/ready").status_code == 503
            client.set_model_version_tag("covertype", "1", SHA256_TAG, trained[SHA256_TAG])
            api.wait_until_ready()
    finally:
        client.set_model_version_tag("covertype", "1", SHA256_TAG, trained[SHA256_TAG])


def test_unknown_model_says_how_to_get_one(lab, trained, serve):
    with serve(lab.env | {"MODEL_ALIAS": "nobody"}) as api:
        api.wait_for_reason("mlflow", "covertype_api.train")
        assert api.client.get("/ready").status_code == 503


@pytest.mark.parametrize("change", ["DELETE FROM feature_columns WHERE position = 7", "DELETE FROM feature_columns"])
def test_wrong_columns_are_refused(lab, trained, serve, change):
    lab.postgres.run(change)
    try:
        with serve(lab.env) as api:
            api.wait_for_reason("postgres", "feature_columns")
            assert lab.python("covertype_api.columns").stdout == '{"columns": 54, "changed": true}\n'
            api.wait_until_ready()
    finally:
        lab.python("covertype_api.columns")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("API_VARIANT", "turbo", "API_VARIANT is 'turbo': choose one of prints, no_prints"),
        ("WEB_CONCURRENCY", "many", "WEB_CONCURRENCY is 'many': give a whole number from 1 to 65535"),
        ("PORT", "0", "PORT is '0'"),
        ("MLFLOW_TRACKING_URI", "sqlite:///x", "MLFLOW_TRACKING_URI is 'sqlite:///x': give http://host:port"),
    ],
)
def test_bad_settings_end_the_start(plain_env, tmp_path, name, value, message):
    env = plain_env | {name: value}
    command = [sys.executable, "-m", "covertype_api"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert message in done.stderr


def test_password_is_in_no_argument_and_no_environment(lab):
    for name, known in (("cmdline", b"uvicorn"), ("environ", b"PGPASSFILE")):
        content = Path(f"/proc/{lab.mlflow.process.pid}/{name}").read_bytes()
        assert known in content
        assert rb"p:w\x1" not in content and rb"p\:w\\x1" not in content


def test_columns_job_is_safe_to_repeat(lab, trained):
    assert lab.python("covertype_api.columns").stdout == '{"columns": 54, "changed": false}\n'
    failed = lab.python("covertype_api.columns", POSTGRES_PASSWORD_FILE="/nonexistent")
    assert failed.returncode == 1
    assert "/nonexistent" in failed.stderr and "Traceback" not in failed.stderr
