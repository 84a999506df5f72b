"""What the role locust_host copies to a load host, templated by Ansible."""

import json
from pathlib import Path

import pytest
import yaml

from bench.lib import load_host

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/locust_host"
WANTED = ("__locust_host_copies", "__locust_host_folders")


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    """The folder of a load host, without scenarios: an action of its own copies these."""
    home = tmp_path_factory.mktemp("host") / "locust"
    load_host.make(home)
    return home


@pytest.fixture(scope="module")
def role(play, tmp_path_factory) -> dict:
    """The role's values."""
    folder = tmp_path_factory.mktemp("role")
    given = {"role_path": str(ROLE)}
    pairs = ", ".join(f"'{name}': {name}" for name in WANTED)
    content = f"{{{{ {{{pairs}}} | to_json }}}}"
    task = {"ansible.builtin.copy": {"content": content, "dest": str(folder / "values.json")}}
    files = [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")]
    book = [{"hosts": "all", "vars_files": files, "tasks": [task]}]
    (folder / "play.yml").write_text(yaml.safe_dump(book))
    (folder / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    # Given to the play as a file, so that they have priority over the defaults.
    done = play(folder / "play.yml", folder / "hosts.yml", "-e", json.dumps(given))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "values.json").read_text())


def test_each_file_is_copied_to_its_folder(role, host):
    copied = {
        f"{folder}{Path(source).name}": Path(source).read_bytes() for source, folder in role["__locust_host_copies"]
    }
    assert copied == {str(path.relative_to(host)): path.read_bytes() for path in host.rglob("*.py")}
    folders = {str(path.relative_to(host)) for path in host.rglob("*") if path.is_dir()}
    assert set(role["__locust_host_folders"]) == folders
