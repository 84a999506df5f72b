"""Which files of locustfiles/ the load hosts get, the limits of the folder, and the hash of each entry."""

import os
from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep import scenario_folder
from swarmsweep.sweep.scenario_folder import hash_folder, list_folder

FILES = {
    "mine.py": "from common.rows import ROWS\n",
    "rows.csv": "1\n2\n",
    "samples/1.png": "png",
    "samples/deep/2.png": "png",
    "common/__init__.py": "",
    "common/rows.py": "ROWS = [1]\n",
    "README.md": "# Notes\n",
    "tests/test_mine.py": "",
}
LEFT_OUT = (".git/config", ".env", "common/.secret", "__pycache__/mine.pyc", "common/__pycache__/rows.pyc", "old.pyc")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of scenarios with sub-folders, data, and what editors and Python leave there."""
    folder = tmp_path / "locustfiles"
    for name, content in (FILES | dict.fromkeys(LEFT_OUT, "x")).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def refusal(folder: Path) -> str:
    """The message about a folder that cannot be copied."""
    with pytest.raises(InputError) as refused:
        list_folder(folder)
    return str(refused.value)


def test_all_files_are_listed_but_hidden_ones_and_caches(folder):
    assert {file.name: file.path.read_text() for file in list_folder(folder)} == FILES
    assert [file.size_bytes for file in list_folder(folder) if file.name == "rows.csv"] == [4]


def test_a_missing_folder_has_no_files(tmp_path):
    assert list_folder(tmp_path / "gone") == [] and hash_folder(tmp_path / "gone") == {}


def test_a_link_to_a_file_within_is_a_file(folder):
    (folder / "again.csv").symlink_to("rows.csv")
    assert next(file for file in list_folder(folder) if file.name == "again.csv").path.read_text() == "1\n2\n"


def make_out(folder: Path) -> None:
    (folder / "samples/passwd").symlink_to("/etc/passwd")


def make_folder_out(folder: Path) -> None:
    (folder.parent / "data").mkdir()
    (folder / "data").symlink_to("../data")


def make_loop(folder: Path) -> None:
    (folder / "samples/again").symlink_to(folder)


def make_broken(folder: Path) -> None:
    (folder / "gone.csv").symlink_to("nowhere.csv")


def make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def make_line(folder: Path) -> None:
    (folder / "a\nb.csv").touch()


def make_bytes(folder: Path) -> None:
    (folder / os.fsdecode(b"a\xff.csv")).touch()


REFUSED = {
    "a link out": (make_out, "locustfiles/samples/passwd is a link to /etc/passwd, outside locustfiles/."),
    "a link to a folder outside": (make_folder_out, "outside locustfiles/. Replace the link by a copy"),
    "a link to a folder": (make_loop, "locustfiles/samples/again is a link to a folder"),
    "a broken link": (make_broken, "locustfiles/gone.csv is a link to a missing file"),
    "a pipe": (make_pipe, "locustfiles/pipe is not a regular file"),
    "a line in a name": (make_line, "locustfiles/'a\\nb.csv' has a control character"),
    "a name that is no UTF-8": (make_bytes, "invalid UTF-8 in its name. Rename it"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_copied_is_refused_with_the_fix(folder, make, words):
    make(folder)
    assert words in refusal(folder)


def test_a_folder_that_is_too_large_names_its_largest_files(folder):
    for number in range(7):
        with (folder / f"samples/{number}.bin").open("wb") as file:
            # A sparse file takes no space on the disk.
            file.truncate((50 + number) * 1024**2)
    message = refusal(folder)
    assert message.startswith("locustfiles/ has 371 MiB in 15 files; allowed: 256 MiB.")
    assert "The largest are: locustfiles/samples/6.bin (56 MiB), locustfiles/samples/5.bin (55 MiB)" in message
    assert "samples/1.bin" not in message


def test_a_folder_with_too_many_files_names_where_they_are(folder, monkeypatch):
    for number in range(scenario_folder.MAX_FILES):
        (folder / f"samples/{number}").touch()
    message = refusal(folder)
    assert message.startswith("locustfiles/ has 2,008 files; allowed: 2,000.")
    assert "Most are in: locustfiles/samples/ (2,001 files), locustfiles/ (3 files)" in message


def test_each_entry_has_one_hash_that_changes_with_what_is_copied(folder):
    before = hash_folder(folder)
    names = ("README.md", "common", "mine.py", "rows.csv", "samples", "tests")
    assert list(before) == [f"locustfiles/{name}" for name in names]
    for name in (*LEFT_OUT, "samples/deep/2.png", "rows.csv"):
        (folder / name).write_text("changed")
    after = hash_folder(folder)
    assert [name for name in before if before[name] != after[name]] == ["locustfiles/rows.csv", "locustfiles/samples"]
    (folder / "samples/deep/2.png").rename(folder / "samples/deep/3.png")
    assert hash_folder(folder)["locustfiles/samples"] != after["locustfiles/samples"]
