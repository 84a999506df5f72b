"""The secrets of a load on a load host, by the role's own tasks on this machine: modes, removal, and no output."""

import getpass
import json
import os
import sys

import pytest
import yaml

CANARY = "canary-5b1e"


@pytest.fixture(scope="module")
def copied(play, tmp_path_factory) -> tuple[dict, str]:
    """What each step left in the folder of the secrets, and all output with the most details."""
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("token", "other"):
        (folder / name).write_text(f"{CANARY}-{name}\n")
    target = folder / "run/load-secrets"
    target.parent.mkdir()
    user = getpass.getuser()
    steps = {
        "both": [{"name": "API_TOKEN", "path": f"{folder}/token"}, {"name": "OTHER", "path": f"{folder}/other"}],
        "one less": [{"name": "API_TOKEN", "path": f"{folder}/other"}],
        "none": [],
    }
    tasks = []
    for name, secrets in steps.items():
        role = {"name": "locust_host", "tasks_from": "secrets"}
        given = {"locust_host_secrets": secrets, "locust_host_secrets_directory": str(target)}
        given["locust_host_user"] = user
        look = (
            "import json, pathlib, stat, sys; root = pathlib.Path(sys.argv[1]); mode = lambda path: "
            "oct(stat.S_IMODE(path.stat().st_mode)); files = sorted(root.iterdir()) if root.exists() else []; "
            "found = {'folder': mode(root) if root.exists() else None, 'files': {path.name: "
            "[mode(path) + ' ' + path.owner(), path.read_text()[-6:]] for path in files}}; "
            "pathlib.Path(sys.argv[2]).write_text(json.dumps(found))"
        )
        argv = [sys.executable, "-c", look, str(target), f"{folder}/{name}.json"]
        tasks += [{"ansible.builtin.include_role": role, "vars": given}, {"ansible.builtin.command": {"argv": argv}}]
    book = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(book))
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": own}}}))
    done = play(folder / "play.yml", folder / "hosts.yml", "-vvv", "--diff")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in steps}, output


@pytest.mark.skipif(os.geteuid() != 0, reason="no root: files cannot be given to a user")
def test_secrets_are_replaced_and_removed(copied):
    found, _ = copied
    both = {"API_TOKEN": ["0o440 root", "token\n"], "OTHER": ["0o440 root", "other\n"]}
    assert found["both"] == {"folder": "0o750", "files": both}
    assert found["one less"] == {"folder": "0o750", "files": {"API_TOKEN": ["0o440 root", "other\n"]}}
    assert found["none"] == {"folder": None, "files": {}}


@pytest.mark.skipif(os.geteuid() != 0, reason="no root: files cannot be given to a user")
def test_no_output_has_a_secret(copied):
    _, output = copied
    assert "API_TOKEN" in output
    # Ansible's own folder for a copy is in memory, too.
    assert "/dev/shm/ansible-tmp-" in output
    assert CANARY not in output
