"""Each cause that can hold an API back, planted in one sweep, is told by its name."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.machines import NAME, ssh_command

pytestmark = pytest.mark.e2e

SWEEP = Path(__file__).with_name("bottlenecks.yml")
WORDS = [cell["PLANT"] for cell in yaml.safe_load(SWEEP.read_text())["cells"]]
TRIAL_FOLDER = f"/opt/swarmsweep/trial-{NAME}"


@contextlib.contextmanager
def planting(lab, side: str, *arguments: str) -> Iterator[list[str]]:
    """Plants on one machine while the block runs; the list gets what was planted."""
    script = "/root/plant.py"
    copied = lab.ssh(side, f"cat > {script}", text=Path(__file__).with_name("plant.py").read_text())
    assert copied.returncode == 0, copied.stderr
    planted: list[str] = []
    with subprocess.Popen(
        ssh_command(side, "python3", script, side, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield planted
        finally:
            # The end of its standard input ends it; so does the end of this process, whatever ended that.
            out, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    planted += out.split()


@pytest.fixture(scope="module")
def rows(lab) -> dict[str, dict]:
    """The sweep's rows by what was planted."""
    sweep = shutil.copy(SWEEP, lab.folder / SWEEP.name)
    with planting(lab, "api", NAME, TRIAL_FOLDER) as on_api, planting(lab, "load") as on_load:
        assert lab.play("sweep.yml", sweep=str(sweep), seed="7").status == "successful"
    assert set(on_api) == {"proxy", "hot_replica", "network"}
    assert set(on_load) == {"generator"}
    run = sorted(lab.reports.glob("*-bottlenecks"))[-1]
    return {row["config"]["PLANT"]: row for row in json.loads((run / "summary.json").read_text())["cells"]}


@pytest.mark.parametrize("word", WORDS)
def test_a_planted_cause_is_told_by_its_name(rows, word):
    row = rows[word]
    assert row["bottleneck"] == word, (row["status"], row["reason"], row["bottleneck"], row.get("bottleneck_evidence"))


def test_only_a_load_that_was_not_made_is_not_believed(rows):
    expected = {word: {"valid"} for word in WORDS} | {"memory": {"failed"}, "generator": {"valid", "invalid"}}
    assert {
        word: (row["status"], row["reason"]) for word, row in rows.items() if row["status"] not in expected[word]
    } == {}


def test_the_lab_is_as_it_was(lab, rows):
    rules = lab.ssh("api", "iptables -S DOCKER-USER")
    assert rules.returncode == 0, rules.stderr
    assert "statistic" not in rules.stdout
    assert lab.ssh("load", "pgrep -f 'while True: pas[s]'").stdout == ""
