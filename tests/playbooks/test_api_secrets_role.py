"""The role api_secrets gives Swarm the content of the hash alone, and shows no content when Docker refuses it."""

import base64
import json

import pytest
import yaml

from swarmsweep.lab.api_secrets import read_secrets

HOST = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
CANARY = "canary-5e9c1"
# The command on the host: Swarm has one secret of the API.
DOCKER = "#!/bin/sh\necho lab_secret_{has}\n"


@pytest.fixture
def deploy(play, tmp_path):
    """Run the role: deploy(content of the file now, hash of the secret that Swarm has) -> the finished process."""
    token = tmp_path / "token"
    token.write_text(CANARY)
    key = tmp_path / "secrets/environment.key"
    (secret,) = read_secrets({"API_TOKEN": token}, "lab", key)

    def run(now: str, has: str = "0"):
        token.write_text(now)
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/docker").write_text(DOCKER.format(has=has or secret.swarm_name.removeprefix("lab_secret_")))
        (tmp_path / "bin/docker").chmod(0o755)
        # No Docker is there, so the module fails on every machine.
        nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no-docker.sock", "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        given = {"api_secrets_files": [secret.as_input()], "api_secrets_key_file": str(key)}
        book = [{"hosts": "all", "environment": nowhere, "vars": given, "roles": ["api_secrets"]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(book))
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"lab-api": HOST}}}))
        return play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-vvv")

    return run


def test_a_failure_shows_no_content(deploy, tmp_path):
    done = deploy(CANARY)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Make a Swarm secret of each file" in said
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode()):
        assert form not in said
        others = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "token"]
        assert [path for path in others if form.encode() in path.read_bytes()] == []


def test_a_file_that_was_changed_is_refused_and_not_sent(deploy, tmp_path):
    done = deploy(f"{CANARY}-new")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert f"{tmp_path}/token was changed while this command ran. Run the same command again" in said
    assert "Make a Swarm secret of each file" not in said
    assert CANARY not in said


def test_a_secret_that_swarm_has_is_not_read_again(deploy):
    """After a sweep of hours, the API is deployed as before, although the file is another."""
    done = deploy(f"{CANARY}-new", has="")
    assert done.returncode == 0, done.stdout + done.stderr
