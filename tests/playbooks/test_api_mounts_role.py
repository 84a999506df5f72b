"""The role api_mounts on this machine: each content is copied once and whole, and what is not read is removed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from swarmsweep.lab.api_mounts import read_mount

HOST = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}


@pytest.fixture
def copy(play, tmp_path):
    """Copies and prunes: copy({target: source}) -> the number of changed tasks.

    ``before`` is called after the hashes are computed. ``refused`` is the message of the failure that is expected.
    """

    def run(mounts: dict[str, Path], before: Callable[[], object] | None = None, refused: str | None = None) -> int:
        files = [read_mount(target, source).as_input() for target, source in mounts.items()]
        given = {"api_mounts_files": files, "api_mounts_directory": str(tmp_path / "host")}
        prune = {"ansible.builtin.include_role": {"name": "api_mounts", "tasks_from": "prune"}, "name": "Prune"}
        book = [{"hosts": "all", "vars": given, "roles": ["api_mounts"], "post_tasks": [prune]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(book))
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"lab-api": HOST}}}))
        if before:
            before()
        done = play(tmp_path / "play.yml", tmp_path / "hosts.yml")
        if refused:
            assert done.returncode != 0
            assert refused in done.stdout + done.stderr
            return 0
        assert done.returncode == 0, done.stdout + done.stderr
        return int(done.stdout.rpartition(" changed")[0].rpartition(" ")[2])

    return run


def test_each_content_is_copied_once_and_removed_when_it_is_not_read(copy, tmp_path):
    model, labels, host = tmp_path / "my model", tmp_path / "labels.txt", tmp_path / "host"
    (model / "deep").mkdir(parents=True)
    (model / "deep/weights.bin").write_bytes(bytes(range(256)) * 40)
    # Only its owner may read it here. The user of the container may be any.
    (model / "deep/weights.bin").chmod(0o600)
    labels.write_text("a\n")
    mounts = {"/model": model, "/labels.txt": labels}
    assert copy(mounts) > 0
    folder, file = (host / read_mount(*mount).name for mount in mounts.items())
    copied = folder / "content/deep/weights.bin"
    assert copied.read_bytes() == (model / "deep/weights.bin").read_bytes()
    assert copied.stat().st_mode & 0o777 == 0o555
    assert copied.parent.stat().st_mode & 0o777 == 0o755
    assert (file / "content").read_text() == "a\n"
    assert copy(mounts) == 0
    # A copy that was interrupted, and a file with another content.
    (folder / "complete").unlink()
    copied.chmod(0o600)
    copied.write_text("half")
    labels.write_text("b\n")
    assert copy(mounts) > 0
    assert copied.read_bytes() == (model / "deep/weights.bin").read_bytes()
    assert (host / read_mount("/labels.txt", labels).name / "content").read_text() == "b\n"
    assert sorted(host.iterdir()) == sorted([folder, host / read_mount("/labels.txt", labels).name])
    assert copy({}) > 0
    assert list(host.iterdir()) == []


def test_a_content_that_changes_before_it_is_copied_is_refused(copy, tmp_path):
    model = tmp_path / "model"
    model.write_text("one\n")
    copy(
        {"/model": model}, lambda: model.write_text("two\n"), "was changed while this command ran. Run the same command"
    )
    assert list((tmp_path / "host").iterdir()) == []
    assert copy({"/model": model}) > 0
