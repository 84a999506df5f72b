"""Dependencies that start late, fail and recover: a replica that needs them names them, and no replica exits."""

import os
import signal
from collections.abc import Iterator

import pytest
from app.dependencies.postgres import postgres_cluster
from app.dependencies.processes import wait_until
from app.dependencies.redis_server import Redis
from app.dependencies.relay import Relay
from app.dependencies.service import Api, serving
from app.dependencies.switch import Switch
from bodies import changed, post

from covertype_api.variants import PRESETS, Variant

# One of each kind of dependency: blocking calls, pooled calls, Redis, and no dependency.
STAGES = ["prints", "no_redundant_mlflow", "cached_columns_redis", "onnx"]

# Starts in a second, where the stage with Redis has MLflow to import.
ONNX_WITH_REDIS = {"API_VARIANT": "onnx", "API_COLUMNS": "redis"}


@pytest.fixture(scope="module")
def switches(lab, trained, tmp_path_factory) -> Iterator[dict[str, Switch]]:
    """The three dependencies: a PostgreSQL and a Redis of these tests alone, and a way to the MLflow of all."""
    with postgres_cluster() as postgres:
        with postgres.serve():
            assert lab.python("covertype_api.columns", **postgres.env).returncode == 0
        redis = Redis(tmp_path_factory.mktemp("redis"))
        relay = Relay(int(lab.mlflow.uri.rpartition(":")[2]))
        yield {"postgres": Switch(postgres), "redis": Switch(redis), "mlflow": Switch(relay)}


@pytest.fixture
def off(switches) -> Iterator[dict[str, Switch]]:
    """The three dependencies, each off until the test switches it on."""
    yield switches
    for switch in switches.values():
        switch.off()


def env_of(lab, switches) -> dict[str, str]:
    postgres, redis, mlflow = (switches[name].server for name in ("postgres", "redis", "mlflow"))
    return lab.env | postgres.env | redis.env | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow.port}"}


def needed_later(variant: Variant) -> set[str]:
    columns = {"each_request": {"postgres"}, "redis": {"redis"}, "memory": set()}[variant.columns]
    return columns | ({"mlflow"} if variant.model != "once" else set())


def says_why(reason: str, switch: Switch) -> bool:
    """Whether the reason is what happens there, and not a general one: a refusal, or the port that was tried."""
    return "refused" in reason.lower() or str(switch.server.port) in reason


def predict_until(api: Api, status: int) -> dict:
    """The first response with that status. Until then, the service may return 200 or 503, and nothing else."""
    response = None

    def done() -> bool:
        nonlocal response
        response = post(api, changed())
        assert response.status_code in (200, 503), response.text
        return response.status_code == status

    wait_until(done, api.process, api.log)
    return response.json()


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_may_come_late_and_go(lab, off, tmp_path, name):
    variant = PRESETS[name]
    with serving(env_of(lab, off) | {"API_VARIANT": name}, tmp_path) as api:
        named = ["redis", "mlflow"] if variant.columns == "redis" else ["postgres", "mlflow"]
        check_missed(api, named, off)
        if variant.columns == "redis":
            # Redis is queried before the PostgreSQL that fills it.
            off["redis"].on()
            check_missed(api, ["postgres", "mlflow"], off)
        for switch in ("postgres", "mlflow"):
            off[switch].on()
        # Only /ready is requested.
        api.wait_until_ready()
        assert post(api, changed()).status_code == 200

        if variant.columns != "redis":
            off["redis"].on()
        else:
            # Its expiry is not the subject.
            (key,) = off["redis"].server.run("KEYS", "*")
            off["redis"].server.run("PERSIST", key)
        for lost in ("postgres", "mlflow", "redis"):
            off[lost].off()
            if lost in needed_later(variant):
                check_lost_and_found(api, lost, off)
            else:
                assert {post(api, changed()).status_code for _ in range(5)} == {200}
                assert api.client.get("/ready").status_code == 200
                off[lost].on()
        if not needed_later(variant):
            for switch in off.values():
                switch.off()
            assert {post(api, changed()).status_code for _ in range(5)} == {200}
            assert api.client.get("/ready").status_code == 200


def check_missed(api: Api, names: list[str], switches: dict[str, Switch]) -> None:
    """Dependencies that are off at the start are named, with the reason, and nothing but predictions must wait."""
    for name in names:
        wait_until(lambda name=name: says_why(api.waiting_for().get(name, ""), switches[name]), api.process, api.log)
    for refusal in (post(api, changed()), api.client.get("/ready")):
        assert refusal.status_code == 503
        assert refusal.json()["ready"] is False
        assert set(refusal.json()["waiting_for"]) == set(names)
    assert post(api, "{}").status_code == 422
    assert api.client.get("/health").status_code == 200
    assert api.client.get("/metrics").status_code == 200


def check_lost_and_found(api: Api, lost: str, switches: dict[str, Switch]) -> None:
    """A dependency that each request needs is off: the service says so, and goes on once it is back."""
    response = predict_until(api, 503)
    assert response["ready"] is False
    assert list(response["waiting_for"]) == [lost]
    assert says_why(response["waiting_for"][lost], switches[lost])
    ready = api.client.get("/ready")
    assert (ready.status_code, list(ready.json()["waiting_for"])) == (503, [lost])
    assert api.client.get("/health").status_code == 200
    assert post(api, "{}").status_code == 422
    switches[lost].on()
    # Only /ready is requested.
    api.wait_until_ready()
    assert {post(api, changed()).status_code for _ in range(5)} == {200}


def test_a_redis_that_hangs_times_out(lab, off, tmp_path):
    for switch in off.values():
        switch.on()
    with serving(env_of(lab, off) | ONNX_WITH_REDIS, tmp_path) as api:
        api.wait_until_ready()
        redis = off["redis"].process
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            assert list(predict_until(api, 503)["waiting_for"]) == ["redis"]
            assert "redis" in api.waiting_for()
            assert api.client.get("/health").status_code == 200
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        api.wait_until_ready()
        assert post(api, changed()).status_code == 200


def test_a_wrong_redis_password_is_reported_and_can_be_fixed(lab, trained, serve, tmp_path):
    password = tmp_path / "password"
    with serve(lab.env | ONNX_WITH_REDIS | {"REDIS_PASSWORD_FILE": str(password)}) as api:
        api.wait_for_reason("redis", str(password))
        password.write_text("wrong")
        api.wait_for_reason("redis", "password")
        secret = (lab.redis.directory / "password").read_text()
        password.write_text(secret)
        api.wait_until_ready()
        assert secret.strip() not in api.log.read_text()
