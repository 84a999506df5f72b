"""A second load host joins the lab, and the load comes from both."""

from __future__ import annotations

import json
import shlex
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


# On the load host, where the page is. It orders users where an address is given.
# Then it waits until each of the workers has some.
PAGE = """
import json, sys, time, urllib.parse, urllib.request
users, workers = map(int, sys.argv[1:])

def ask(path, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen("http://127.0.0.1:8010" + path, data=data, timeout=30) as response:
        return json.load(response)

host = sys.stdin.read().strip()
if host:
    print(ask("/swarm", user_count=users, spawn_rate=users, host=host))
for _ in range(300):
    stats = ask("/stats/requests")
    counts = sorted(worker["user_count"] for worker in stats["workers"])
    total = stats["stats"][-1]
    if not workers or len(counts) == workers and all(counts) and sum(counts) == users and total["num_requests"]:
        break
    time.sleep(0.2)
print(json.dumps({"users": counts, "requests": total["num_requests"], "failures": total["num_failures"]}))
"""
# Each process of a page, with its user. The pattern does not match itself.
PAGES = "ps -eo user:32=,args= | grep '[-]-web-port'"


def by_hand(lab, users: int, workers: int, host: str) -> str:
    done = lab.ssh("load", "python3", "-c", shlex.quote(PAGE), str(users), str(workers), text=host)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_load_by_hand_stays_in_the_lab_and_takes_more_workers(wider):
    assert wider.play("playbooks/ui.yml", ui_of="predict.py", ui_workers="2", ui_minutes="10").status == "successful"
    listening = wider.ssh("load", "ss -Hltn | awk '{ print $4 }' | grep ':8010$'").stdout.split()
    assert listening == ["127.0.0.1:8010"]
    assert wider.ssh("api", f"timeout 5 bash -c '< /dev/tcp/{SUBNET}.12/8010'").returncode != 0
    (master,) = wider.ssh("load", PAGES).stdout.splitlines()
    assert master.split()[0] == "swarmsweep"
    assert "The load may not leave the lab" in by_hand(wider, 4, 0, "http://192.0.2.1:8080")
    assert "'success': True" in by_hand(wider, 4, 2, f"http://{SUBNET}.11:8080")
    assert wider.play("playbooks/ui.yml", ui_workers="3").status == "successful"
    shown = json.loads(by_hand(wider, 4, 3, ""))
    assert shown["users"] == [1, 1, 2]
    assert shown["requests"] > shown["failures"]
    stopped = wider.play("playbooks/stop.yml")
    assert stopped.status == "successful"
    for unit in ("page-", "page-worker-0", "page-worker-2"):
        assert f"stopped swarmsweep-e2e-locust-{unit}" in stopped.output
    assert wider.ssh("load", PAGES).stdout == ""
