"""The action that copies programs into folders of a host, through Ansible itself, to folders of this machine."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.plugins.test_actions import play
from tests.plugins.test_scenario_folder import content, make

FILES = {"entry.py": "import pack\n", "pack/one.py": "ONE = 1\n", "pack/below/two.py": "TWO = 2\n"}
FOLDERS = ["", "pack", "pack/below"]
# What is not one of the programs of these folders, or is not a program.
OTHERS = {"venv/lib/other.py": "", "pack/notes.txt": "", "requirements.txt": "", "pack/__pycache__/one.pyc": ""}
STALE = {"gone.py": "", "pack/gone.py": "", "pack/below/folder.py/x": ""}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """(results, folder) of copies: to nothing, again, after other modes, and over an earlier version."""
    folder = tmp_path_factory.mktemp("programs")
    make(folder / "src", {f"from/{name}": text for name, text in FILES.items()})
    # As sampler/ and loadgen/shared/ have them: the host gets the file.
    (folder / "src/from/pack/one.py").rename(folder / "src/one")
    (folder / "src/from/pack/one.py").symlink_to(folder / "src/one")
    earlier = FILES | {"pack/one.py": "ONE = 0\n"} | OTHERS | STALE
    del earlier["pack/below/two.py"]
    make(folder / "earlier", earlier | {"pack/below/two.py/x": ""})
    files = [[f"{folder}/src/from/{name}", name.rpartition("/")[0] + "/" * ("/" in name)] for name in FILES]
    tasks = {
        name: ("program_files", {"dest": f"{folder}/{dest}", "files": files, "folders": FOLDERS})
        for name, dest in (("first", "host one/x y"), ("earlier", "earlier"))
    }
    top = f"{folder}/host one/x y"
    modes = {
        "file": ("ansible.builtin.file", {"path": f"{top}/entry.py", "mode": "0600"}),
        "folder": ("ansible.builtin.file", {"path": f"{top}/pack", "mode": "0700"}),
    }
    tasks |= {"again": tasks["first"], "after file": tasks["first"], "after folder": tasks["first"]} | modes
    tasks["earlier again"] = tasks["earlier"]
    order = ("first", "again", "file", "after file", "folder", "after folder", "earlier", "earlier again")
    return play(folder, {name: tasks[name] for name in order}), folder


def test_programs_are_copied_once_with_modes_for_the_user_of_locust(copied):
    found, folder = copied
    assert found["first"]["changed"] and found["first"]["files"] == len(FILES)
    assert not found["again"]["changed"]
    assert found["after file"]["changed"], found
    assert found["after folder"]["changed"]
    there = folder / "host one/x y"
    assert content(there) == FILES
    assert not any(path.is_symlink() for path in there.rglob("*"))
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in there.rglob("*")}
    assert modes == {True: 0o755, False: 0o644}


def test_programs_that_are_gone_are_removed_and_nothing_else(copied):
    found, folder = copied
    assert found["earlier"]["changed"], found["earlier"]
    assert not found["earlier again"]["changed"]
    # A folder with the name of a program is no program.
    assert found["earlier"]["removed"] == ["gone.py", "pack/below/folder.py", "pack/below/two.py", "pack/gone.py"]
    assert content(Path(folder, "earlier")) == FILES | OTHERS
