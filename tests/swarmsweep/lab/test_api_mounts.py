"""Files of this machine that the API reads: a hash of their content, their size, and what is refused."""

import os
import re

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab import api_mounts
from swarmsweep.lab.api_mounts import read_mount


@pytest.fixture
def model(tmp_path):
    """A folder with two files, one of them in a folder of its own."""
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/weights.bin").write_bytes(bytes(3000))
    (folder / "labels.txt").write_text("a\nb\n")
    return folder


def test_a_folder(model):
    mount = read_mount("/model", model)
    assert (mount.target, mount.source, mount.is_folder) == ("/model", str(model), True)
    assert (mount.files, mount.size_bytes) == (2, 3004)
    assert re.fullmatch("[0-9a-f]{16}", mount.name)
    assert mount.words() == f"2.9 KiB in 2 files, {mount.name}"
    assert mount.as_input()["words"] == mount.words()


def test_a_file_is_its_content_whatever_its_name(model, tmp_path):
    one = read_mount("/labels.txt", model / "labels.txt")
    assert (one.is_folder, one.files, one.size_bytes) == (False, 1, 4)
    (tmp_path / "other.txt").write_text("a\nb\n")
    assert read_mount("/labels.txt", tmp_path / "other.txt").name == one.name


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "labels.txt").write_text("a\nc\n"),
        lambda folder: (folder / "labels.txt").rename(folder / "names.txt"),
        lambda folder: (folder / "labels.txt").rename(folder / "deep/labels.txt"),
        lambda folder: (folder / "empty").touch(),
        lambda folder: (folder / "labels.txt").unlink(),
    ],
)
def test_other_content_has_another_name(model, change):
    before = read_mount("/model", model).name
    os.utime(model / "labels.txt", (1, 1))
    assert read_mount("/model", model).name == before
    change(model)
    assert read_mount("/model", model).name != before


def test_a_link_within_the_folder_is_its_file(model):
    (model / "latest.bin").symlink_to("deep/weights.bin")
    assert read_mount("/model", model).size_bytes == 6004


def missing(folder):
    return folder / "no"


def empty(folder):
    (folder / "none").mkdir()
    return folder / "none"


def link_that_leads_out(folder):
    (folder.parent / "secret").touch()
    (folder / "link").symlink_to("../secret")
    return folder


def link_to_a_folder(folder):
    (folder / "link").symlink_to("deep")
    return folder


def broken_link(folder):
    (folder / "link").symlink_to("gone")
    return folder


def pipe(folder):
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (missing, "is not a file or folder"),
        (empty, "has no file"),
        (link_that_leads_out, "which is outside of"),
        (link_to_a_folder, "is a link to a folder"),
        (broken_link, "is neither a file nor a folder"),
        (pipe, "is neither a file nor a folder"),
    ],
)
def test_what_is_refused(model, place, words):
    with pytest.raises(LabError, match=words) as refused:
        read_mount("/model", place(model))
    assert str(model) in str(refused.value)


def test_a_content_that_is_too_large_is_refused_with_the_largest_files(model, monkeypatch):
    monkeypatch.setattr(api_mounts, "MAX_BYTES", 3003)
    with pytest.raises(LabError, match=r"has 2\.9 KiB; .*The largest: deep/weights\.bin \(2\.9 KiB\), labels\.txt"):
        read_mount("/model", model)
    monkeypatch.setattr(api_mounts, "MAX_FILES", 1)
    with pytest.raises(LabError, match="has 2 files; allowed: up to 1"):
        read_mount("/model", model)
