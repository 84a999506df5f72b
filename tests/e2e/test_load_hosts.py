"""A second load host joins the lab, and the load comes from both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.machines import SUBNET

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
SECOND = "e2e-load2"


@pytest.fixture(scope="module")
def wider(lab):
    """The lab with one host more in its inventory, as a user adds it."""
    hosts = lab.inventory / "hosts.yml"
    hosts.write_text(f"{hosts.read_text().rstrip()}\n        {SECOND}:\n          ansible_host: {SUBNET}.13\n")
    for playbook in ("playbooks/virtual_lab.yml", "site.yml"):
        assert lab.play(playbook).status == "successful"
    return lab


def measured(lab, sweep: str) -> tuple[Path, dict]:
    """Folder of the attempt at the sweep's one cell, and its figures."""
    path = shutil.copy(HERE / f"{sweep}.yml", lab.folder)
    assert lab.play("sweep.yml", sweep=str(path), seed="3").status == "successful"
    run = sorted(lab.reports.glob(f"*-{sweep.replace('_', '-')}"))[-1]
    (cell,) = run.glob("cells/*/attempt-1")
    return cell, json.loads((cell / "trial.json").read_text())


def passed(trial: dict) -> dict[str, bool | None]:
    """Verdicts by check."""
    return {check["name"]: check["passed"] for check in trial["checks"]}


def test_users_are_spread_over_the_workers_of_both_hosts(wider):
    folder, trial = measured(wider, "load_hosts_users")
    assert {path.name for path in folder.glob("locust/worker-*.json")} == {
        "worker-e2e-load-0.json",
        f"worker-{SECOND}-1.json",
        "worker-e2e-load-2.json",
    }
    requests = [json.loads(path.read_text())["requests"] for path in folder.glob("locust/worker-*.json")]
    assert all(requests)
    assert sum(requests) == json.loads((folder / "locust/timeline.json").read_text())["requests_reported"]
    verdicts = passed(trial)
    for name in ("workers_present", "load_as_planned", "counted_by_locust", "counted_by_haproxy", "littles_law"):
        assert verdicts[name] is True, [check for check in trial["checks"] if check["name"] == name]
    assert {path.name for path in folder.glob("samples-load-*")} == {
        "samples-load-e2e-load.jsonl",
        f"samples-load-{SECOND}.jsonl",
    }


def test_a_search_by_arrivals_orders_the_workers_of_both_hosts(wider):
    folder, trial = measured(wider, "load_hosts")
    record = json.loads((folder / "locust/capacity.json").read_text())
    # With any outcome: if the hypervisor takes CPU time, two generators on one core may be late.
    assert record["error"] is None
    assert record["ended"]
    assert {"probe", "bracket"} <= {trial["purpose"] for trial in record["trials"]}
    apart = []
    for number in range(1, len(record["trials"]) + 1):
        merged = json.loads((folder / f"locust/trial-{number}.json").read_text())
        assert {worker["host"] for worker in merged["workers"]} == {"e2e-load", SECOND}
        assert sum(worker["offered"] for worker in merged["workers"]) == merged["offered"]
        first, second = (worker["window_start"] for worker in merged["workers"])
        apart.append(abs(first - second))
    # Both begin a probe at the same time, to much less than a bin of one second.
    assert max(apart) < 0.25, apart
    verdicts = passed(trial)
    for name in ("workers_present", "requests_conserved", "counted_by_locust", "counted_by_haproxy"):
        assert verdicts[name] is True, [check for check in trial["checks"] if check["name"] == name]
