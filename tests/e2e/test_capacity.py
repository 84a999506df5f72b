"""A search on a real deployment: its result, the evidence for it, and the same figures from the raw files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from swarmsweep.results.measure import measure_run

pytestmark = pytest.mark.e2e

SWEEP = Path(__file__).with_name("capacity.yml")
SWEEP_OF_USERS = Path(__file__).with_name("capacity_users.yml")
# TASK_SECONDS of loadgen/master/users_conductor.py, which needs Locust.
TASK_SECONDS = 30.0


def search_of(lab, sweep: Path, name: str) -> Path:
    """The folder of the run of a sweep with one search.

    It is that of a second one, where the generator ended the first search or the cell is not valid: a computer whose
    hypervisor takes its cores away for a minute cannot make the load, and both say so.
    """
    copy = shutil.copy(sweep, lab.folder / sweep.name)
    for _ in range(2):
        assert lab.play("sweep.yml", sweep=str(copy), seed="11").status == "successful"
        folder = sorted(lab.reports.glob(f"*-{name}"))[-1]
        (record,) = folder.glob("cells/*/attempt-1/locust/capacity.json")
        (cell,) = folder.glob("cells/*/cell.json")
        if json.loads(record.read_text())["ended"] != "generator" and json.loads(cell.read_text())["status"] == "valid":
            break
    return folder


@pytest.fixture(scope="module")
def run(lab) -> Path:
    """The run of a search for a rate."""
    return search_of(lab, SWEEP, "e2e-capacity")


@pytest.fixture(scope="module")
def run_of_users(lab) -> Path:
    """The run of a search for a number of users."""
    return search_of(lab, SWEEP_OF_USERS, "e2e-users")


@pytest.fixture(scope="module")
def cell(run) -> dict:
    """Its one cell, with all that was noted of it."""
    (path,) = run.glob("cells/*/cell.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def search(run) -> dict:
    """The search on Locust's master."""
    (path,) = run.glob("cells/*/attempt-1/locust/capacity.json")
    return json.loads(path.read_text())


def test_the_search_came_to_its_end_within_its_budget(search):
    assert search["error"] is None
    assert search["ended"] in ("done", "budget")
    assert [trial["purpose"] for trial in search["trials"]][:3] == ["unloaded", "probe", "bracket"]
    assert {"good", "bad"} <= {trial["verdict"] for trial in search["trials"]}
    assert 0 < search["load_seconds"] <= 60


def test_the_capacity_lies_below_what_the_probes_could_do_and_is_believed(cell, search):
    assert cell["status"] == "valid", cell["reason"]
    # Any probe: the first ones last a second or two, in which a throttled replica may be slower than on average.
    achieved = max(probe["achieved_rps"] for probe in cell["attempts"][0]["load_trials"])
    assert 0 < cell["capacity"]["estimate_rps"] < 1.5 * achieved
    trials = search["trials"]
    failed, held = ([one["rate_rps"] for one in trials if one["verdict"] == verdict] for verdict in ("bad", "good"))
    # None where the budget ended before a rate was held for long enough.
    assert cell["capacity_rps"] in {None, *(rate for rate in held if rate < min(failed))}


def test_generator_proxy_and_locust_counted_the_same(cell):
    passed = {check["name"]: check["passed"] for check in cell["checks"]}
    for name in ("counted_by_haproxy", "counted_by_locust", "requests_conserved", "littles_law", "replicas_all_used"):
        assert passed[name] is True, [check for check in cell["checks"] if check["name"] == name]


def test_what_held_it_back_is_its_cpu_limit(cell):
    assert cell["bottleneck"] == "cpu_throttled", cell["bottleneck_evidence"]


def test_one_start_of_locust_made_all_probes(run, search):
    (folder,) = run.glob("cells/*/attempt-1/locust")
    commands = (folder.parent / "units/commands.txt").read_text().splitlines()
    assert len(commands) == 3, commands
    assert len(list(folder.glob("open-trial-*.json"))) == 2 * len(search["trials"])


def test_the_raw_files_give_the_same_figures_again(run, cell):
    assert measure_run(run) == 1
    (path,) = run.glob("cells/*/cell.json")
    assert json.loads(path.read_text()) == cell


def test_a_search_with_users_finds_their_number_in_one_start_of_locust(run_of_users):
    (folder,) = run_of_users.glob("cells/*/attempt-1/locust")
    search = json.loads((folder / "capacity.json").read_text())
    assert (search["error"], search["ended"] in ("done", "budget")) == (None, True), search["ended"]
    first = search["trials"][0]
    assert (first["purpose"], first["users"]) == ("unloaded", 1)
    held, missed = ([one["users"] for one in search["trials"] if one["verdict"] == word] for word in ("good", "bad"))
    assert held and missed
    # The budget, and the longest wait for users in the last probe, which a busy machine may need.
    assert 0 < search["load_seconds"] <= 60 + TASK_SECONDS
    commands = (folder.parent / "units/commands.txt").read_text().splitlines()
    assert len(commands) == 3, commands


def test_the_number_of_users_is_believed_and_shown(run_of_users):
    (path,) = run_of_users.glob("cells/*/cell.json")
    cell = json.loads(path.read_text())
    assert cell["status"] == "valid", cell["reason"]
    passed = {check["name"]: check["passed"] for check in cell["checks"]}
    for name in ("counted_by_haproxy", "counted_by_locust", "workers_present", "users_stayed", "generator_cpu"):
        assert passed[name] is True, [check for check in cell["checks"] if check["name"] == name]
    if cell["capacity_users"] is not None:
        page = (run_of_users / "summary.md").read_text()
        assert f"({cell['capacity_users']} user" in page
    assert measure_run(run_of_users) == 1
    assert json.loads(path.read_text()) == cell
