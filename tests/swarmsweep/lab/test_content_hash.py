"""The same content gives the same tag, any other content another one."""

import re
import shutil
from pathlib import Path

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab.content_hash import hash_each, hash_named, hash_paths, list_files


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A small build context."""
    folder = tmp_path / "context"
    (folder / "package").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM base\n")
    (folder / "package/__init__.py").touch()
    (folder / "package/app.py").write_text("x = 1\n")
    return folder


def tag(folder: Path, *extra: str) -> str:
    return hash_paths([str(folder)], list(extra))


def test_tag_is_short_and_hexadecimal(context):
    assert re.fullmatch("[0-9a-f]{12}", tag(context))


def test_known_content_always_has_the_same_tag(context):
    # A change of the scheme builds every image of every lab again: it must be on purpose.
    assert tag(context, "Dockerfile") == "c4d0c1736430"


def test_a_copy_elsewhere_has_the_same_tag(context, tmp_path):
    copy = tmp_path / "tests" / "copy"  # a folder above does not change the hash, even if its name is ignored
    shutil.copytree(context, copy)
    (copy / "Dockerfile").touch()  # nor does time
    (copy / "package/app.py").chmod(0o600)  # nor who may read it
    assert tag(copy, "Dockerfile") == tag(context, "Dockerfile")


CHANGES = {
    "a byte": lambda folder: (folder / "package/app.py").write_text("x = 2\n"),
    "a longer file": lambda folder: (folder / "package/app.py").write_text("x = 1\n\n"),
    "a new file": lambda folder: (folder / "new").touch(),
    "a file gone": lambda folder: (folder / "package/__init__.py").unlink(),
    "a file renamed": lambda folder: (folder / "package/app.py").rename(folder / "package/api.py"),
    "a file moved": lambda folder: (folder / "package/app.py").rename(folder / "app.py"),
    "a hidden file": lambda folder: (folder / ".dockerignore").touch(),
    "bytes moved to the next file": lambda folder: (
        (folder / "Dockerfile").write_text("FROM base"),
        (folder / "package/__init__.py").write_text("\n"),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_gives_another_tag(context, change):
    before = tag(context)
    change(context)
    assert tag(context) != before


@pytest.mark.parametrize(
    "left_behind",
    [
        "tests/test_app.py",
        "package/__pycache__/app.cpython-311.pyc",
        ".pytest_cache/v/cache",
        ".ruff_cache/x",
        ".hypothesis/x",
        ".venv/bin/python",
        "package.egg-info/PKG-INFO",
        "README.md",
        "package/NOTES.md",
        "empty_folder/",
    ],
)
def test_what_is_not_built_does_not_count(context, left_behind):
    before = tag(context)
    path = context / left_behind
    if left_behind.endswith("/"):
        path.mkdir()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert tag(context) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [([], [""]), (["a"], ["b"]), (["a", "b"], ["b", "a"]), (["ab", "c"], ["a", "bc"]), (["ab"], ["a", "b"])],
)
def test_further_texts_count_each_for_itself(context, one, other):
    assert tag(context, *one) != tag(context, *other)


def test_a_single_file_counts_with_its_name_and_bytes(context):
    dockerfile, app = str(context / "Dockerfile"), str(context / "package/app.py")
    (context / "Containerfile").write_text("FROM base\n")
    assert hash_paths([dockerfile], []) != hash_paths([str(context / "Containerfile")], [])
    assert hash_paths([dockerfile, app], []) != hash_paths([app, dockerfile], [])


def test_files_come_in_one_order_on_every_machine(context):
    names = [file.relative_to(context).as_posix() for file in list_files(context)]
    assert names == ["Dockerfile", "package/__init__.py", "package/app.py"]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(LabError, match=r"gone: no such file or folder"):
        hash_paths([str(tmp_path / "gone")], [])


def test_each_folder_has_one_hash(context):
    found = hash_each(context.parent, ["context", "context/package"])
    assert list(found) == ["context", "context/package"]
    (context / "Dockerfile").write_text("FROM other\n")
    again = hash_each(context.parent, ["context", "context/package"])
    assert [name for name in found if found[name] != again[name]] == ["context"]


def test_named_files_count_with_their_names_and_bytes(context):
    app, docker = context / "package/app.py", context / "Dockerfile"
    assert hash_named([("app.py", app)]) == hash_paths([str(app)], [])
    hashes = {hash_named(files) for files in ([("a", app)], [("b", app)], [("a", docker)], [("a", app), ("b", docker)])}
    assert len(hashes) == 4
