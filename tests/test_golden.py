"""Golden files are compared completely, written only by a developer, and each belongs to a test."""

import pytest
import yaml

from tests.golden import FOLDER, Golden, as_yaml, writes

TABLE = [{"given": "a\nb\n", "message": "x" * 200}, {"given": "'1'", "message": "läb: \x1b[31m, 1:30"}, {"given": 1}]


@pytest.fixture
def folder(tmp_path):
    """A golden file of two lines."""
    (tmp_path / "page.md").write_text("one\ntwo\n")
    return tmp_path


def test_the_same_text_passes(folder):
    Golden(folder, {})("page.md", "one\ntwo\n")


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("page.md", "one\n2\n", "-two\n+2\n"),
        ("page.md", "one\ntwo", "-two\n+two\n\\ no line feed"),
        ("page.md", "one\r\ntwo\n", "-one\n+one\r\n"),
        ("page.md", "", "-one\n-two\n"),
        ("other.md", "one\ntwo\n", "other.md is missing"),
    ],
)
def test_another_text_and_a_missing_file_fail_and_write_nothing(folder, name, text, shown):
    with pytest.raises(AssertionError) as refused:
        Golden(folder, {})(name, text)
    assert shown in str(refused.value)
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("page.md", "one\ntwo\n")]


def test_what_is_written_is_named_and_what_is_the_same_is_not(folder):
    files = Golden(folder, {"GOLDEN": "write"})
    files("page.md", "one\ntwo\n")
    assert files.written == []
    files("page.md", "2\n")
    files("table.yml", TABLE)
    assert files.written == ["page.md", "table.yml"]
    Golden(folder, {})("page.md", "2\n")
    Golden(folder, {})("table.yml", TABLE)


@pytest.mark.parametrize("environ", [{"GOLDEN": "write", "CI": "true"}, {"GOLDEN": "wirte"}, {"GOLDEN": "1"}])
def test_a_slip_and_a_ci_write_nothing(folder, environ):
    with pytest.raises(ValueError, match="GOLDEN"):
        Golden(folder, environ)


def test_a_ci_compares():
    assert not writes({"CI": "true"})


def test_a_table_is_read_back_as_it_was():
    assert yaml.safe_load(as_yaml(TABLE)) == TABLE
    assert "x" * 200 in as_yaml(TABLE)


def test_every_golden_file_is_named_by_a_test():
    sources = "".join(path.read_text() for path in FOLDER.parent.rglob("test_*.py"))
    assert [path.name for path in FOLDER.rglob("*") if f'"{path.name}"' not in sources] == []
