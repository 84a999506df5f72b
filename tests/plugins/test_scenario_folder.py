"""The action that copies the folder of the scenarios, through Ansible itself, to a folder of this machine."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.plugins.test_actions import play

FILES = {"mine.py": "import rows\n", "samples/deep/1.png": "png", "common/rows.py": "ROWS = []\n", "a b'c.csv": "1\n"}


def make(folder: Path, files: dict[str, str]) -> None:
    """Write these files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def content(folder: Path) -> dict[str, str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """(results, folder) of copies: to nothing, again, over other contents, over another mode, and of a bad folder."""
    folder = tmp_path_factory.mktemp("scenarios")
    make(folder / "src", FILES | {".git/config": "x", "common/__pycache__/rows.pyc": "x"})
    (folder / "src/mine.py").chmod(0o600)
    make(folder / "stale", FILES | {"mine.py": "old\n", "gone.py": "", "old/gone.csv": ""})
    make(folder / "bad", {"mine.py": ""})
    (folder / "bad/link").symlink_to("/etc/passwd")
    tasks = {
        name: ("scenario_folder", {"src": f"{folder}/{src}", "dest": f"{folder}/{dest}"})
        for name, src, dest in (
            ("first", "src", "host one/locustfiles"),
            ("again", "src", "host one/locustfiles"),
            ("stale", "src", "stale"),
            ("bad", "bad", "bad-host"),
        )
    }
    mode = ("ansible.builtin.file", {"path": f"{folder}/host one/locustfiles/mine.py", "mode": "0666"})
    tasks |= {"other mode": mode, "after the mode": tasks["first"]}
    order = ("first", "again", "other mode", "after the mode", "stale", "bad")
    return play(folder, {name: tasks[name] for name in order}), folder


def test_all_files_are_copied_once_with_modes_for_the_user_of_locust(copied):
    found, folder = copied
    assert found["first"]["changed"] and (found["first"]["files"], found["first"]["size"]) == (4, "27 B")
    assert not found["again"]["changed"]
    there = folder / "host one/locustfiles"
    assert content(there) == FILES
    modes = {stat.S_IMODE(path.stat().st_mode) for path in there.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (there, there / "samples/deep")} == {0o755}
    assert [path.name for path in there.parent.iterdir()] == ["locustfiles"]


def test_another_mode_or_content_is_replaced_and_what_is_gone_is_removed(copied):
    found, folder = copied
    assert found["after the mode"]["changed"] and found["stale"]["changed"]
    assert content(folder / "stale") == FILES
    assert not (folder / "stale/old").exists()


def test_a_folder_that_cannot_be_copied_is_refused_before_the_host_is_changed(copied):
    found, folder = copied
    assert "locustfiles/link is a link to /etc/passwd, outside locustfiles/" in found["bad"]["msg"]
    assert not (folder / "bad-host").exists()
