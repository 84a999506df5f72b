"""Which version provisioned a host, and that another one is named before anything else is done."""

import json
import re
from pathlib import Path

import pytest
import yaml

from swarmsweep import __version__
from swarmsweep.errors import LabError
from swarmsweep.lab.provisioned import FILE, FOLDERS, Provisioned, problem, this_version

ROOT = Path(__file__).parents[3]
HERE = Provisioned(version="0.2.0", files="0123456789ab")


def stored(**given: str) -> str:
    return json.dumps({"version": "0.2.0", "files": "0123456789ab"} | given) + "\n"


@pytest.mark.parametrize(
    ("text", "is_provisioned", "words"),
    [
        (stored(), True, None),
        # A later version may note more.
        (stored(more="1"), True, None),
        ("", False, "has no lab yet. Fix: ./lab site"),
        # The first versions noted nothing.
        (
            "",
            True,
            "was provisioned by an earlier version of swarmsweep, or only in part. This is version 0.2.0 (files 0",
        ),
        ("{", True, "an earlier version of swarmsweep, or only in part."),
        (
            stored(version="0.1.0"),
            True,
            "was provisioned by swarmsweep 0.1.0 (files 0123456789ab). This is version 0.2.0 ",
        ),
        # An update of the repository between two versions.
        (
            stored(files="ffff"),
            True,
            "was provisioned by swarmsweep 0.2.0 (files ffff). This is version 0.2.0 (files 0123",
        ),
    ],
)
def test_a_host_of_another_version_is_named_with_both(text, is_provisioned, words):
    found = problem(text, HERE, is_provisioned=is_provisioned)
    assert (found is None) is (words is None)
    if words:
        assert found.startswith(words) or words in found
        assert found.endswith("Fix: ./lab site")


def clone(folder: Path) -> Path:
    for name in FOLDERS:
        path = folder / name / "tasks/main.yml"
        path.parent.mkdir(parents=True)
        path.write_text(name)
    return folder


@pytest.mark.parametrize("name", FOLDERS)
def test_a_changed_file_of_each_folder_is_another_version(tmp_path, name):
    before = this_version(clone(tmp_path))
    assert before.version == __version__
    (tmp_path / name / "README.md").write_text("prose")
    (tmp_path / name / "tests").mkdir()
    (tmp_path / name / "tests/test_x.py").write_text("pass")
    assert this_version(tmp_path) == before
    (tmp_path / name / "tasks/main.yml").write_text("another")
    assert this_version(tmp_path) != before


def test_a_damaged_clone_is_named(tmp_path):
    with pytest.raises(LabError, match="no such file or folder"):
        this_version(tmp_path)


def test_all_that_site_alone_installs_counts():
    plays = [
        play
        for name in ("provision", "registry", "platform")
        for play in yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())
    ]
    roles = {role["role"] for play in plays for role in play.get("roles", [])}
    text = "".join((ROOT / f"playbooks/{name}.yml").read_text() for name in ("tasks/platform", "provision", "registry"))
    roles |= set(re.findall(r"(?:include|import)_role:\n +name: (\w+)$", text, re.MULTILINE))
    assert {f"roles/{role}" for role in roles} == {name for name in FOLDERS if name.startswith("roles/")}
    assert {"app", "sampler"} <= set(FOLDERS)


def test_the_file_has_one_name():
    assert f"{{{{ lab_host_directory }}}}/{FILE}" in (ROOT / "playbooks/provisioned.yml").read_text()
    assert f'"{FILE}"' in (ROOT / "plugins/modules/host_capacity.py").read_text()
