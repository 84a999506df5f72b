"""The files of `./lab compose`, started by Docker Compose on the API host: an image of a user, and Locust's page."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.machines import HOSTS, NAME, REPOSITORY, ssh_command

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
# Made by the tests of the user's own API. It has no health check, and logs each request.
IMAGE = "own-api:settings"
PROJECT, PORT = "e2ecompose", 8090
REPLICAS, WORKERS = 4, 8
CPUS, MEMORY_BYTES = 0.25, 128 * 1024**2
CANARY = "canary-c0315"
# Debian 12 has version 1, and an engine that it works with.
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120"
INSTALL = f"{APT} install --yes --no-install-recommends docker-compose"
# Of the whole test, which takes about a minute. A package server may be slow.
MAX_SECONDS = 600
# What docs/compose.md says for a network that inspects TLS. The base of the lab's own images is there already.
BUILD = """
base=$(docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' swarmsweep/base | head -1)
build() {{
  DOCKER_BUILDKIT=1 docker build --progress=plain --secret id=ca_bundle,src=/etc/ssl/certs/ca-certificates.crt \\
    --build-arg BASE_IMAGE="$base" --tag {image} {folder}/locust
}}
build || build
"""


def on_api_host(command: str, given: bytes | None = None) -> str:
    """What a command prints there. It must succeed."""
    done = subprocess.run(
        ssh_command("api", command), input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        timeout=MAX_SECONDS,
    )  # fmt: skip
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, text
    return text


@pytest.fixture(scope="module")
def files(lab) -> Path:
    """The folder of the files. The API host has it under the same path, as if they had been written there."""
    folder, sources, token = lab.folder / "compose", lab.folder / "compose-sources", lab.folder / "compose-token"
    token.write_text(CANARY)
    (sources / "locustfiles").mkdir(parents=True)
    scenario = shutil.copy(HERE / "compose_visitor.py", sources / "locustfiles/visitor.py")
    # The user of the container reads it.
    scenario.chmod(0o644)
    scenario.parent.chmod(0o755)
    for name in ("app", "roles"):
        (sources / name).symlink_to(REPOSITORY / name)
    play = lab.play(
        "playbooks/compose.yml",
        compose_directory=str(folder),
        compose_sources=str(sources),
        lab_api_image=IMAGE,
        lab_api_cpus=CPUS,
        lab_api_memory="128M",
        lab_api_secrets={"API_TOKEN": str(token)},
        lab_proxy_port=PORT,
    )
    assert play.status == "successful", play.output
    needed = (folder, sources / "locustfiles", sources / "roles/images/files/haproxy")
    pack = ["tar", "-C", "/", "-c", "-f", "-", *(str(path.relative_to("/")) for path in needed)]
    on_api_host("tar -C / -x -f -", subprocess.run(pack, stdout=subprocess.PIPE, check=True).stdout)
    return folder


@pytest.fixture(scope="module")
def seen(files) -> dict:
    """What the host shows while the containers run, and what is left of them."""
    image = yaml.safe_load((files / "locust.yml").read_text())["services"]["worker"]["image"]
    compose = f"SCENARIO=visitor.py docker-compose -p {PROJECT} -f {files}/api.yml -f {files}/locust.yml"
    build = shlex.quote(BUILD.format(image=image, folder=files))
    # One waits for packages of Debian while the other waits for those of Python.
    on_api_host(f"bash -c {build} & {{ {INSTALL} || {{ {APT} update && {INSTALL}; }}; }} && wait $!")
    try:
        on_api_host(f"{compose} up -d --scale api={REPLICAS} --scale worker={WORKERS}")
        look = f"python3 - {PROJECT} {PORT} {WORKERS} {HOSTS['load']}"
        found = json.loads(on_api_host(look, (HERE / "compose_look.py").read_bytes()).splitlines()[-1])
        if not all(found["by_locust"]) or len(found["users"]) < WORKERS:
            print(on_api_host(f"{compose} ps; {compose} logs --no-color --tail 20"))
    finally:
        on_api_host(f"{compose} down --timeout 1; docker image rm {image}")
    return found | {"left": on_api_host(f"docker ps --all | grep {PROJECT}; docker network ls | grep {PROJECT}; true")}


def test_all_replicas_answer_behind_one_port(seen):
    assert len(seen["by_hand"]) == REPLICAS
    assert all(seen["by_hand"]), seen


def test_a_load_from_the_page_reaches_all_replicas_from_all_workers(seen):
    assert seen["title"]
    assert json.loads(seen["ordered"])["success"] is True
    assert seen["users"] == [1] * WORKERS
    assert all(seen["by_locust"]), seen
    assert seen["failures"] == 0


def test_docker_applies_the_limits_of_each_replica(seen):
    assert seen["limits"] == [[int(CPUS * 1e9), MEMORY_BYTES]] * REPLICAS


def test_a_replica_reads_its_secret(seen):
    assert seen["secret"] == CANARY


def test_only_this_machine_reaches_the_ports_and_no_worker_leaves_it(seen):
    assert set(re.findall(r"(\S+)->", seen["listening"])) == {f"127.0.0.1:{PORT}", "127.0.0.1:8010"}
    # The API may need other services. A load stays here, whatever the page's field Host says.
    assert seen["far_computer"] == {"a replica": "reached", "a worker": "not reached"}


def test_nothing_is_left_and_the_lab_goes_on(lab, seen):
    assert seen["left"] == ""
    assert f"{NAME}_platform" in lab.ssh("api", "docker stack ls --format '{{.Name}}'").stdout
