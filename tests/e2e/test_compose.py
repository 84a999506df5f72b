"""The files of `./lab compose`, started by Docker Compose on the API host: four replicas of a user's image behind one port."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.e2e

# Made by the tests of the user's own API. It has no health check.
IMAGE = "own-api:settings"
PORT = 8090
REPLICAS = 4
CPUS, MEMORY_BYTES = 0.25, 128 * 1024**2
CANARY = "canary-c0315"
FOLDER = "/root/compose"
# Debian 12 has version 1, and a Docker whose services run beside these containers.
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends docker-compose"
COMPOSE = f"docker-compose --project-name e2ecompose --file {FOLDER}/api.yml"
# Requests until each replica has served one, for a minute at most. Then what Docker applied to each of them.
LOOK = """
import json, subprocess, sys, time, urllib.error, urllib.request

def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True)

replicas = docker("ps", "--quiet", "--filter", "label=com.docker.compose.project=e2ecompose",
                  "--filter", "label=com.docker.compose.service=api").stdout.split()
served, statuses, end = {}, [], time.monotonic() + 60
while time.monotonic() < end and (len(served) < len(replicas) or not all(served.values())):
    for _ in range(20):
        try:
            with urllib.request.urlopen("http://127.0.0.1:8090/predict", timeout=10) as response:
                statuses.append(response.status)
        except (urllib.error.HTTPError, OSError) as error:
            statuses.append(getattr(error, "code", 0))
    for replica in replicas:
        logs = docker("logs", replica)
        served[replica] = (logs.stdout + logs.stderr).count("GET /predict")
    time.sleep(0.5)
limits = [json.loads(docker("inspect", "--format", "[{{.HostConfig.NanoCpus}}, {{.HostConfig.Memory}}]", replica).stdout)
          for replica in replicas]
secret = docker("exec", replicas[0], "cat", "/run/secrets/API_TOKEN").stdout
print(json.dumps({"served": list(served.values()), "last": statuses[-1:], "limits": limits, "secret": secret}))
"""


@pytest.fixture(scope="module")
def seen(lab) -> dict:
    """What the host shows while the containers run."""
    here = lab.folder / "compose"
    token = lab.folder / "compose-token"
    token.write_text(CANARY)
    play = lab.play(
        "playbooks/compose.yml",
        compose_directory=str(here),
        lab_api_image=IMAGE,
        lab_api_cpus=CPUS,
        lab_api_memory="128M",
        lab_api_secrets={"API_TOKEN": str(token)},
        lab_proxy_port=PORT,
    )
    assert play.status == "successful", play.output
    assert lab.ssh("api", f"install -d {FOLDER}; install -d -m 0700 {FOLDER}/secrets").returncode == 0
    for name in ("api.yml", "haproxy.cfg", "secrets/api_API_TOKEN"):
        path = f"{FOLDER}/{name}"
        copied = lab.ssh("api", f"cat > {path} && chmod 444 {path}", text=(here / name).read_text())
        assert copied.returncode == 0, copied.stderr
    installed = lab.ssh("api", f"{INSTALL} 2>&1 || (apt-get update -qq && {INSTALL}) 2>&1")
    assert installed.returncode == 0, installed.stdout
    try:
        started = lab.ssh("api", f"{COMPOSE} up -d --scale api={REPLICAS} 2>&1")
        assert started.returncode == 0, started.stdout
        looked = lab.ssh("api", "python3 -", text=LOOK)
        assert looked.returncode == 0, looked.stderr
        return json.loads(looked.stdout)
    finally:
        lab.ssh("api", f"{COMPOSE} down --timeout 1 2>&1")


def test_all_replicas_answer_behind_one_port(seen):
    assert seen["last"] == [200]
    assert len(seen["served"]) == REPLICAS
    assert all(seen["served"]), seen


def test_docker_applies_the_limits_of_each_replica(seen):
    assert seen["limits"] == [[int(CPUS * 1e9), MEMORY_BYTES]] * REPLICAS


def test_a_replica_reads_its_secret(seen):
    assert seen["secret"] == CANARY


def test_nothing_is_left_and_the_lab_goes_on(lab, seen):
    left = lab.ssh("api", "docker ps --all --quiet --filter label=com.docker.compose.project=e2ecompose").stdout
    assert left == ""
    assert "e2e_platform" in lab.ssh("api", "docker stack ls --format '{{.Name}}'").stdout
