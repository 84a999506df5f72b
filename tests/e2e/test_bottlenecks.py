"""Each cause that can hold an API back, planted in one sweep, is told by its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.e2e.planting import planting

pytestmark = pytest.mark.e2e

SWEEP = Path(__file__).with_name("bottlenecks.yml")
WORDS = [cell["PLANT"] for cell in yaml.safe_load(SWEEP.read_text())["cells"]]


@pytest.fixture(scope="module")
def rows(lab) -> dict[str, dict]:
    """The sweep's rows by what was planted."""
    sweep = shutil.copy(SWEEP, lab.folder / SWEEP.name)
    with planting(lab, "api") as on_api, planting(lab, "load") as on_load:
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
