"""Each fault that can be planted in a measurement is reported by its check, and the attempt is retried."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.e2e.planting import planting, planting_beside

pytestmark = pytest.mark.e2e

SWEEP = Path(__file__).with_name("doubts.yml")
WORDS = [cell["PLANT"] for cell in yaml.safe_load(SWEEP.read_text())["cells"]]
# It is found while the cell is deployed. Then no load is made, and no check is needed.
REFUSED = "limits_as_labelled"
# Checks that this computer itself may fail, without any planted fault.
OF_THE_COMPUTER = {"steal_cpu", "foreign_cpu", "api_host_alone", "load_host_cpu", "sampling_cheap"}
# Other checks that fail for the same fault. While a killed replica restarts, users are refused at once, and send more
# requests. No sample has it from first to last, and a response that it had begun ends in the middle.
SYMPTOMS = {
    "replicas_unchanged": {
        *("errors_explained", "counted_by_haproxy"),
        *("littles_law", "steady_state", "window_sampled"),
    },
}


@pytest.fixture(scope="module")
def run(lab) -> Path:
    """The folder of the run."""
    sweep = shutil.copy(SWEEP, lab.folder / SWEEP.name)
    core = lab.ssh("api", "grep Cpus_allowed_list /proc/self/status").stdout.split()[-1]
    with planting(lab, "api") as on_api, planting_beside(core) as beside:
        assert lab.play("sweep.yml", sweep=str(sweep), seed="5").status == "successful"
    # Each once, though most cells were deployed twice.
    assert sorted([*on_api, *beside]) == sorted(set(WORDS))
    return sorted(lab.reports.glob("*-doubts"))[-1]


@pytest.fixture(scope="module")
def rows(run) -> dict[str, dict]:
    """The sweep's rows by what was planted."""
    return {row["config"]["PLANT"]: row for row in json.loads((run / "summary.json").read_text())["cells"]}


def tries(run: Path, row: dict) -> list[dict]:
    """What was measured of a cell, in the order of time."""
    folder = run / "cells" / row["id"]
    names = ("attempt-1.retried-1", "attempt-1")
    return [json.loads(path.read_text()) for name in names if (path := folder / name / "trial.json").exists()]


def failed(trial: dict) -> dict[str, str]:
    """Sentences of the checks that failed, by name."""
    return {check["name"]: check["sentence"] for check in trial["checks"] if check["passed"] is False}


@pytest.mark.parametrize("word", [word for word in WORDS if word != REFUSED])
def test_a_planted_fault_is_reported_by_its_check(run, rows, word):
    first = tries(run, rows[word])[0]
    found = failed(first)
    assert word in found, (found, [check for check in first["checks"] if check["name"] == word])
    assert found.keys() - {word} <= SYMPTOMS.get(word, set()) | OF_THE_COMPUTER, found


def test_replicas_with_another_limit_are_not_even_loaded(run, rows):
    first = tries(run, rows[REFUSED])[0]
    assert (first["status"], first["checks"], first["requests"]) == ("invalid", [], None)
    assert "NanoCpus 300000000, but the cell requires 500000000" in first["reason"]


def test_invalid_attempts_were_retried_without_the_fault(run, rows):
    for word, row in rows.items():
        first, *second = tries(run, row)
        assert len(second) == (first["status"] == "invalid"), word
        if second:
            assert second[0]["requests"] > 0, word
            assert failed(second[0]).keys() <= OF_THE_COMPUTER, failed(second[0])


def test_a_cell_far_from_its_limits_is_not_saturated(rows):
    row = rows[REFUSED]
    assert row["bottleneck"] == "not_saturated", row
