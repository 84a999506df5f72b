"""The role api_secrets shows no content of a secret, also when Docker refuses it and Ansible says all that it can."""

import base64
import json

import yaml

HOST = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
CANARY = "canary-5e9c1"


def test_a_failure_shows_no_content(play, tmp_path):
    (tmp_path / "token").write_text(CANARY)
    files = [{"name": "API_TOKEN", "path": str(tmp_path / "token"), "swarm_name": "lab_secret_0a1b"}]
    # No Docker is there, so the module fails on every machine.
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no-docker.sock"}
    book = [
        {"hosts": "all", "environment": nowhere, "vars": {"api_secrets_files": files}, "roles": ["api_secrets"]},
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(book))
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"lab-api": HOST}}}))
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-vvv")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Make a Swarm secret of each file" in said
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode()):
        assert form not in said
        others = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "token"]
        assert [path for path in others if form.encode() in path.read_bytes()] == []
