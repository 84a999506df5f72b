"""What the role locust_host copies to a load host and removes there, templated by Ansible."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from bench.lib import load_host

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/locust_host"
HOME = "/opt/swarmsweep/locust"
WANTED = ("__locust_host_copies", "__locust_host_folders", "__locust_host_different", "__locust_host_stale")
# Files of a host that differ or are missing, and files of an earlier version.
CHANGED, CLOSED, MISSING = "search/steps.py", "loadgen/open/order.py", "recorder.py"
STALE = ("loadgen/open/gone.py", "trials.py")


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    """The folder of a load host, without scenarios: an action of its own copies these."""
    home = tmp_path_factory.mktemp("host") / "locust"
    load_host.make(home)
    return home


def present(host: Path) -> list[dict[str, str]]:
    """Return the result of the module find on a host."""
    files = {str(path.relative_to(host)): path.read_bytes() for path in host.rglob("*.py")}
    del files[MISSING]
    files |= {CHANGED: files[CHANGED] + b"\n"} | dict.fromkeys(STALE, b"")
    modes = {name: "0600" if name == CLOSED else "0644" for name in files}
    return [
        {"path": f"{HOME}/{name}", "checksum": hashlib.sha1(content).hexdigest(), "mode": modes[name]}
        for name, content in files.items()
    ] + [{"path": f"{HOME}/search/folder.py", "mode": "0755"}]


@pytest.fixture(scope="module")
def role(play, host, tmp_path_factory) -> dict:
    """The role's values on a host that an earlier version has set up."""
    folder = tmp_path_factory.mktemp("role")
    given = {
        "role_path": str(ROLE),
        "__locust_host_present": {"files": present(host)},
    }
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


def test_only_what_differs_is_copied(role):
    different = sorted(f"{folder}{Path(source).name}" for source, folder in role["__locust_host_different"])
    assert different == sorted([CHANGED, CLOSED, MISSING])


def test_what_is_no_longer_there_is_removed_and_nothing_else(role):
    stale = sorted(f"{HOME}/{name}" for name in (*STALE, "search/folder.py"))
    assert sorted(role["__locust_host_stale"]) == stale
