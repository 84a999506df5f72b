"""The end of a replica: accepted requests get their response, and the health check reports the end."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from app.dependencies.processes import wait_until
from app.dependencies.service import Api, serving
from bodies import JSON, changed, post

# Longer than any of these tests takes, also on a busy machine.
LONG_DRAIN = {"DRAIN_SECONDS": "600"}
# For the end of a process that has nothing left to do, on a busy machine.
END_SECONDS = 60


def send_sigterm(api: Api) -> None:
    """SIGTERM to the process that the container starts."""
    os.kill(api.process.pid, signal.SIGTERM)


def draining_workers(api: Api, workers: int) -> set[int]:
    """Processes of all workers, once each has received the signal."""
    draining = set()

    def all_seen() -> bool:
        # On a new connection, which any worker may take.
        response = httpx.get(f"{api.url}/ready", timeout=20)
        if response.status_code == 503:
            draining.add(int(response.headers["x-served-by"].rpartition("/")[2]))
        return len(draining) == workers

    wait_until(all_seen, api.process, api.log)
    return draining


def predicted(client: httpx.Client) -> bool:
    """Whether there was still a response. If so, it must be a prediction."""
    try:
        response = client.post("/predict", content=changed(), headers=JSON)
    except httpx.TransportError:
        return False
    assert response.status_code == 200, response.text
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_a_drained_replica_responds_until_it_ends(lab, trained, tmp_path, workers):
    with serving(lab.env | LONG_DRAIN, tmp_path, workers) as api:
        api.wait_until_ready()
        clients = [httpx.Client(base_url=api.url, timeout=20) for _ in range(16)]
        for client in clients[:8]:
            assert client.get("/ready").status_code == 200
        send_sigterm(api)
        # Every worker, over connections old and new, refuses readiness and nothing else.
        for client in clients:
            wait_until(lambda client=client: client.get("/ready").status_code == 503, api.process, api.log)
            assert "shutdown" in client.get("/ready").json()["waiting_for"]
            assert predicted(client)
        # So it goes on, up to the end. The supervisor of several workers passes on the first signal alone.
        for process in draining_workers(api, workers):
            os.kill(process, signal.SIGTERM)
        wait_until(lambda: not all(predicted(client) for client in clients))
        assert api.process.wait(END_SECONDS) == 0


def test_draining_ends_by_itself(lab, trained, serve):
    with serve(lab.env | {"DRAIN_SECONDS": "1"}) as api:
        api.wait_until_ready()
        send_sigterm(api)
        wait_until(lambda: not predicted(api.client))
        assert api.process.wait(END_SECONDS) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_open_requests_get_a_response_before_the_end(lab, trained, tmp_path, workers):
    body = changed().encode()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with serving(lab.env, tmp_path, workers) as api:
        api.wait_until_ready()
        with socket.create_connection(("127.0.0.1", httpx.URL(api.url).port), timeout=20) as client:
            client.sendall(head.encode() + body[:10])
            # Whichever worker has it has read it by now.
            for _ in range(20):
                assert httpx.get(f"{api.url}/ready").status_code == 200
            send_sigterm(api)
            wait_until(lambda: api.log.read_text().count("Shutting down") == workers, api.process, api.log)
            client.sendall(body[10:])
            response = b""
            while part := client.recv(65_536):
                response += part
        assert response.startswith(b"HTTP/1.1 200 ") and b"predictions" in response
        assert api.process.wait(END_SECONDS) == 0


def test_a_second_signal_ends_a_draining_replica(lab, trained, serve):
    with serve(lab.env | LONG_DRAIN) as api:
        api.wait_until_ready()
        send_sigterm(api)
        wait_until(lambda: api.client.get("/ready").status_code == 503, api.process, api.log)
        send_sigterm(api)
        assert api.process.wait(END_SECONDS) == 0


def test_a_replica_that_is_not_ready_can_be_ended(plain_env, serve):
    with serve(plain_env) as api:
        send_sigterm(api)
        assert api.process.wait(END_SECONDS) == 0


@pytest.mark.parametrize("text", ["-1", "soon", "1.5"])
def test_bad_draining_ends_the_start(plain_env, tmp_path, text):
    command = [sys.executable, "-m", "covertype_api"]
    env = plain_env | {"DRAIN_SECONDS": text}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"DRAIN_SECONDS is {text!r}" in done.stderr


def test_health_of_a_container_is_its_readiness(lab, api, plain_env, serve):
    def healthy(url: str) -> subprocess.CompletedProcess:
        return lab.python("covertype_api.healthcheck", PORT=str(httpx.URL(url).port))

    good = healthy(api.url)
    assert (good.returncode, good.stderr) == (0, "")
    with serve(plain_env) as lonely:
        lonely.wait_for_reason("mlflow", "refused")
        waiting = healthy(lonely.url)
        assert post(lonely, changed()).status_code == 503
    absent = healthy(lonely.url)
    for bad, reason in ((waiting, "mlflow"), (absent, str(httpx.URL(lonely.url).port))):
        assert bad.returncode == 1
        (line,) = bad.stderr.splitlines()
        assert reason in line
