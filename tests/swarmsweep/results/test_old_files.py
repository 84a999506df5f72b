"""What `./lab clean` removes on this machine, and which images the newest run and sweep files need."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swarmsweep.errors import LabError
from swarmsweep.results.old_files import OldFile, needed_images, old_files, old_runs, remove

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
RUNS = ("20261001T120000Z-a", "20261030T120000Z-b", "20261030T120001Z-c", "20261128T120000Z-d")


@pytest.fixture
def reports(tmp_path):
    """Runs of 59, 30, 29 and 1 days ago, and what is no run."""
    for name in (*RUNS, "bench", "20260101T120000Z-unfinished"):
        folder = tmp_path / name / "cells/x"
        folder.mkdir(parents=True)
        (folder / "cell.json").write_text("x" * 1000)
        if name in RUNS:
            (tmp_path / name / "plan.json").write_text("{}")
    (tmp_path / "20260101T129999Z-odd").mkdir()
    (tmp_path / "20260101T129999Z-odd/plan.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("days", "names"), [(60, []), (30, ["b", "a"]), (29, ["c", "b", "a"]), (1, ["c", "b", "a"]), (0, ["c", "b", "a"])]
)
def test_old_runs_go_but_never_the_newest(reports, days, names):
    found = old_runs(reports, days, NOW)
    assert [file.path.name[-1] for file in found] == names
    for file in found:
        assert file.size_bytes == 1002
        remove(file)
    assert {path.name for path in reports.iterdir()} >= {"bench", "20260101T120000Z-unfinished", RUNS[-1]}
    assert old_runs(reports, days, NOW) == []


def test_the_only_run_stays_however_old_it_is(tmp_path):
    (tmp_path / RUNS[0]).mkdir()
    (tmp_path / RUNS[0] / "plan.json").write_text("{}")
    assert old_runs(tmp_path, 0, NOW) == []


def test_a_link_within_a_run_is_removed_and_its_target_stays(reports, tmp_path_factory):
    target = tmp_path_factory.mktemp("target") / "kept"
    target.write_text("kept")
    (reports / RUNS[0] / "link").symlink_to(target.parent)
    (run,) = old_runs(reports, 59, NOW)
    remove(run)
    assert target.read_text() == "kept"


def test_logs_go_by_the_time_of_their_last_line(tmp_path):
    for name, days in (("a.log", 31), ("b.log", 30), ("c.log", 29)):
        (tmp_path / name).write_text("line\n")
        os.utime(tmp_path / name, ((NOW - timedelta(days=days)).timestamp(),) * 2)
    (tmp_path / "link.log").symlink_to(tmp_path / "a.log")
    found = old_files("log", tmp_path.glob("*.log"), 30, NOW)
    assert [file.line() for file in found] == ["log a.log, 31 days old: 5 B", "log b.log, 30 days old: 5 B"]


def test_what_cannot_be_removed_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LabError, match=r"file/a\.log: cannot be removed: Not a directory"):
        remove(OldFile("log", tmp_path / "file/a.log", 1, 30))


def test_images_of_the_newest_run_and_of_sweep_files_are_needed(reports, tmp_path):
    manifest = {"images": {"api": "kit:1 sha256:0", "odd": " "}, "axis_images": {"kit:2": "sha256:1", "kit:3": None}}
    (reports / RUNS[0] / "manifest.json").write_text(json.dumps({"images": {"api": "old:1 sha256:9"}}))
    (reports / RUNS[-1] / "manifest.json").write_text(json.dumps(manifest))
    sweep = tmp_path / "x.yml"
    sweep.write_text('image: ["my-api:0123456789ab", registry.example:5000/team/api:1.0]\n# image: [other:2]\n')
    found = needed_images(reports, [sweep])
    assert {"kit:1", "kit:2", "kit:3", "my-api:0123456789ab", "other:2"} <= set(found)
    assert "registry.example:5000/team/api:1.0" in found
    assert "old:1" not in found


@pytest.mark.parametrize("text", [None, "{", "[]", '{"images": [], "axis_images": 7}'])
def test_a_newest_run_without_a_manifest_needs_no_image(reports, text):
    if text is not None:
        (reports / RUNS[-1] / "manifest.json").write_text(text)
    assert needed_images(reports, []) == []


def test_the_sweep_files_of_the_repository_can_be_read():
    assert isinstance(needed_images(ROOT / "reports", sorted((ROOT / "sweeps").glob("*.yml"))), list)
