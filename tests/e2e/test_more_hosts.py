"""A second API host and a second load host join the lab at once.

Replicas and users are on both. One API host is lost under load, and comes back. Each API host has labels.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.machines import HOSTS, NAME, SUBNET
from tests.e2e.planting import TRIAL_FOLDER

pytestmark = pytest.mark.e2e

SWEEP = Path(__file__).with_name("more_hosts.yml")
FIRST, SECOND = "e2e-api", "e2e-api2"
FIRST_LOAD, SECOND_LOAD = "e2e-load", "e2e-load2"
# Under load: the order to begin and the probe of one user take some four seconds, the ramp one, the warm-up two.
IN_THE_WINDOW_SECONDS = 8.0
# Of the order of a cell. After it, the other machine is left as it is.
WATCH_SECONDS = 180.0
# Checks that this computer itself may fail.
OF_THE_COMPUTER = {"steal_cpu", "foreign_cpu", "api_host_alone", "load_host_cpu", "sampling_cheap", "steady_state"}
INFEASIBLE = "r4-c0.6-m256M-w1"
# After a change of a setting of the API, as messages advise.
API_ONLY = ("--tags", "api")
# In the names of the secrets of an API in Swarm. Those of the platform lack it.
OF_THE_API = "_secret_"
CHAMPION = """
import urllib.request
url = "http://127.0.0.1:5000/api/2.0/mlflow/registered-models/alias?name=covertype&alias=champion"
print(urllib.request.urlopen(url, timeout=20).read().decode())
"""
LEFT = f"""
docker stack ls --format '{{{{.Name}}}}'
docker secret ls --format '{{{{.Name}}}}'
ls /opt/swarmsweep/mounts/{NAME} 2> /dev/null
true
"""


@pytest.fixture(scope="module")
def wider(lab):
    """The lab with a second host of each kind in its inventory. The API host cannot reach the manager at first."""
    HOSTS["api2"] = f"{SUBNET}.14"
    hosts = lab.inventory / "hosts.yml"
    first = f"          ansible_host: {HOSTS['api']}\n"
    entry = (
        f"        {SECOND}:\n          ansible_host: {HOSTS['api2']}\n          lab_labels: {{disk: ssd, rack: b}}\n"
    )
    entries = hosts.read_text().replace("    load:\n", f"{entry}    load:\n", 1)
    entries = entries.replace(first, f"{first}          lab_labels: {{rack: a}}\n", 1)
    # The load hosts are the last ones of the file.
    hosts.write_text(f"{entries.rstrip()}\n        {SECOND_LOAD}:\n          ansible_host: {SUBNET}.13\n")
    settings = lab.inventory / "group_vars/all/lab.yml"
    settings.write_text(settings.read_text().replace('lab_api_spread: ""', "lab_api_spread: rack", 1))
    kept = kept_by(lab)
    assert lab.play("playbooks/virtual_lab.yml").status == "successful"
    closed = f"OUTPUT -d {HOSTS['api']} -p tcp --dport 2377 -j REJECT --reject-with tcp-reset"
    assert lab.ssh("api2", f"iptables -I {closed}").returncode == 0
    refused = lab.play("site.yml", "--tags", "provision")
    assert lab.ssh("api2", f"iptables -D {closed}").returncode == 0
    assert lab.play("site.yml").status == "successful"
    return refused, kept


def kept_by(lab) -> tuple[str, set[str]]:
    """The champion, whose data are in MLflow's and PostgreSQL's volumes, and the ids of the platform's secrets."""
    mlflow = f"docker exec -i $(docker ps -q --filter name={NAME}_platform_mlflow) python -"
    champion = lab.ssh("api", mlflow, text=CHAMPION)
    secrets = lab.ssh("api", "docker secret ls --format '{{.ID}} {{.Name}}'")
    assert champion.returncode == secrets.returncode == 0, champion.stderr + secrets.stderr
    named = [line.split() for line in secrets.stdout.splitlines()]
    version = json.loads(champion.stdout)["model_version"]["version"]
    return version, {key for key, name in named if OF_THE_API not in name}


def lose_the_second_host(lab, lost: list[str]) -> None:
    """Stop Docker on the second API host in the window of the first cell, and start it again after that cell."""
    end = time.monotonic() + WATCH_SECONDS

    def seen(name: str) -> str:
        return lab.ssh("api", f"cat {TRIAL_FOLDER}/{name} 2> /dev/null").stdout

    # That of the sweep before, until the first cell is prepared.
    old = seen("deploy.json")
    while time.monotonic() < end and ((text := seen("deploy.json")) == old or '"status": "ready"' not in text):
        time.sleep(0.5)
    time.sleep(IN_THE_WINDOW_SECONDS)
    lost.append(SECOND)
    lab.ssh("api2", "systemctl stop docker.socket docker.service")
    while time.monotonic() < end and not seen("after.json"):
        time.sleep(0.5)
    lab.ssh("api2", "systemctl start docker.service")


@pytest.fixture(scope="module")
def run(lab, wider) -> Path:
    """The folder of the run."""
    sweep = shutil.copy(SWEEP, lab.folder)
    lost: list[str] = []
    watcher = threading.Thread(target=lose_the_second_host, args=(lab, lost))
    watcher.start()
    try:
        assert lab.play("sweep.yml", sweep=str(sweep), seed="3").status == "successful"
    finally:
        watcher.join()
    assert lost
    return sorted(lab.reports.glob("*-more-hosts"))[-1]


@pytest.fixture(scope="module")
def steps(run) -> list[dict]:
    """The trials in the order of their deployments. The second host was lost in the first."""
    plan = json.loads((run / "plan.json").read_text())
    folders = [run / "cells" / step["cell_id"] / "attempt-1" for step in plan["steps"]]
    return [json.loads((folder / "trial.json").read_text()) | {"folder": folder} for folder in folders]


def test_a_host_that_cannot_join_is_reported_with_the_reason(wider):
    refused, _ = wider
    assert refused.status == "failed"
    assert refused.failed.keys() == {SECOND}
    words = " ".join(refused.output.split())
    assert f"{SECOND} ({HOSTS['api2']}) did not join the Swarm of {FIRST}" in words
    assert "connection refused" in words.lower()
    assert "SWMTKN" not in words


def test_the_growing_lab_keeps_its_data_and_secrets(lab, wider):
    _, kept = wider
    assert all(kept)
    champion, secrets = kept_by(lab)
    assert champion == kept[0]
    # Those of the registry are new.
    assert kept[1] <= secrets


def test_nothing_is_left_of_the_api_before(lab, wider):
    """The inventory had another API before, with secrets, files and a service beside it (see test_own_api.py)."""
    left = lab.ssh("api", LEFT).stdout.split()
    assert f"{NAME}_platform" in left
    assert [
        name for name in left if "services" in name or OF_THE_API in name or re.fullmatch("[0-9a-f]{16}", name)
    ] == []


def test_the_ports_of_swarm_are_open_to_the_nodes_alone(lab, wider):
    for side, other in (("api", "api2"), ("api2", "api")):
        rules = lab.ssh(side, "iptables -S SWARMSWEEP").stdout.splitlines()
        assert [rule for rule in rules if "RETURN" in rule] == [f"-A SWARMSWEEP -s {HOSTS[other]}/32 -j RETURN"]
    for port in (2377, 5000):
        knock = f"timeout 3 bash -c '</dev/tcp/{HOSTS['api']}/{port}'"
        assert lab.ssh("api2", knock).returncode == 0
        assert lab.ssh("load", knock).returncode != 0


def test_all_hosts_run_the_bytes_that_the_first_one_built(lab, steps):
    """The second host has built nothing: it pulled the digest that the first one pushed, and the stack names it."""
    deploy = json.loads((steps[1]["folder"] / "deploy.json").read_text())
    images = {container["image"] for container in deploy["containers"]}
    (image,) = images
    assert image.startswith(f"{HOSTS['api']}:5000/swarmsweep/api@sha256:")
    ids = {lab.ssh(side, f"docker image inspect --format '{{{{.Id}}}}' {image}").stdout for side in ("api", "api2")}
    assert len(ids) == 1
    assert "swarmsweep/base" not in lab.ssh("api2", "docker image ls").stdout
    # Without the password, the registry gives nothing, and Docker of a node keeps none.
    refused = lab.ssh("api2", f"docker pull {image.replace('api@', 'mlflow@')}")
    assert "no basic auth credentials" in refused.stderr


def test_replicas_are_placed_as_planned(run, steps):
    plan = json.loads((run / "plan.json").read_text())
    planned = {cell["id"]: cell.get("placement") for cell in plan["cells"]}
    trial = steps[1]
    assert planned[trial["id"]] == {FIRST: [1, 1], SECOND: [1, 1]}
    # Both API machines share a core, and so may others of this computer.
    failed = {check["name"] for check in trial["checks"] if check["passed"] is False}
    assert failed <= OF_THE_COMPUTER, trial["reason"]
    deploy = json.loads((trial["folder"] / "deploy.json").read_text())
    assert sorted(container["node"] for container in deploy["containers"]) == [FIRST, SECOND]
    verdicts = {check["name"]: check["passed"] for check in trial["checks"]}
    for name in ("placement_as_planned", "limits_as_labelled", "replicas_all_used", "counted_by_haproxy"):
        assert verdicts[name] is True, [check for check in trial["checks"] if check["name"] == name]


def test_swarm_spreads_over_the_values_of_a_label(lab, steps):
    """Swarm has the label of each node from the inventory, and the order to spread."""
    label = '{{.Description.Hostname}} {{index .Spec.Labels "swarmsweep.spread"}}'
    nodes = lab.ssh("api", f"docker node inspect --format '{label}' $(docker node ls --quiet)").stdout
    assert sorted(nodes.splitlines()) == [f"{FIRST} a", f"{SECOND} b"]
    preferences = "{{json .Spec.TaskTemplate.Placement.Preferences}}"
    service = lab.ssh("api", f"docker service inspect {NAME}_api_api --format '{preferences}'").stdout
    assert "node.labels.swarmsweep.spread" in service


def test_both_api_hosts_leave_evidence(steps):
    folder = steps[1]["folder"]
    assert {path.name for path in folder.glob("samples-api-*")} == {
        f"samples-api-{FIRST}.jsonl",
        f"samples-api-{SECOND}.jsonl",
    }
    after = json.loads((folder / "after.json").read_text())
    assert [container["inspected"] for container in after["containers"]] == [True, True]
    assert after["metrics_problem"] is None
    assert len(list(folder.glob("metrics-*.prom"))) == 2
    assert len(json.loads((folder / f"inspect-{SECOND}.json").read_text())) == 1


def test_users_are_spread_over_the_workers_of_both_load_hosts(steps):
    folder = steps[1]["folder"]
    assert {path.name for path in folder.glob("locust/worker-*.json")} == {
        f"worker-{FIRST_LOAD}-0.json",
        f"worker-{SECOND_LOAD}-1.json",
        f"worker-{FIRST_LOAD}-2.json",
    }
    workers = [json.loads(path.read_text()) for path in folder.glob("locust/worker-*.json")]
    assert all(worker["requests"] for worker in workers)
    reported = json.loads((folder / "locust/timeline.json").read_text())["requests_reported"]
    # A request in flight at the end is recorded, and Locust does not report it.
    assert sum(worker["requests"] - worker["unreported"] for worker in workers) == reported
    verdicts = {check["name"]: check["passed"] for check in steps[1]["checks"]}
    for name in ("workers_present", "load_as_planned", "counted_by_locust", "littles_law"):
        assert verdicts[name] is True, [check for check in steps[1]["checks"] if check["name"] == name]
    assert {path.name for path in folder.glob("samples-load-*")} == {
        f"samples-load-{FIRST_LOAD}.jsonl",
        f"samples-load-{SECOND_LOAD}.jsonl",
    }


def test_the_hop_to_the_second_host_is_measured_and_shown(run, steps):
    deploy = json.loads((steps[1]["folder"] / "deploy.json").read_text())
    assert deploy["hop_problem"] is None
    assert all(container["connect_ms"] > 0 for container in deploy["containers"])
    assert f"a connection to a replica on {SECOND} takes" in " ".join((run / "summary.md").read_text().split())


def test_a_cell_whose_host_is_lost_fails_with_the_name_of_the_host(run, steps):
    trial = steps[0]
    assert trial["status"] == "failed"
    assert f"API host {SECOND}" in trial["reason"]
    # The page writes some signs of a reason in another way.
    assert f"replicas were lost with their host. API host {SECOND}" in (run / "summary.md").read_text()


def test_the_room_is_counted_host_by_host(run):
    row = next(row for row in json.loads((run / "summary.json").read_text())["cells"] if row["id"] == INFEASIBLE)
    assert row["status"] == "infeasible"
    assert f"By host: {FIRST} 1, {SECOND} 1" in row["reason"]


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


def test_a_load_by_hand_stays_in_the_lab_and_takes_more_workers(lab, run):
    assert lab.play("playbooks/ui.yml", ui_of="predict.py", ui_workers="2", ui_minutes="10").status == "successful"
    listening = lab.ssh("load", "ss -Hltn | awk '{ print $4 }' | grep ':8010$'").stdout.split()
    assert listening == ["127.0.0.1:8010"]
    assert lab.ssh("api", f"timeout 5 bash -c '< /dev/tcp/{SUBNET}.12/8010'").returncode != 0
    (master,) = lab.ssh("load", PAGES).stdout.splitlines()
    assert master.split()[0] == "swarmsweep"
    assert "The load may not leave the lab" in by_hand(lab, 4, 0, "http://192.0.2.1:8080")
    assert "'success': True" in by_hand(lab, 4, 2, f"http://{SUBNET}.11:8080")
    assert lab.play("playbooks/ui.yml", ui_workers="3").status == "successful"
    shown = json.loads(by_hand(lab, 4, 3, ""))
    assert shown["users"] == [1, 1, 2]
    assert shown["requests"] > shown["failures"]
    stopped = lab.play("playbooks/stop.yml")
    assert stopped.status == "successful"
    for unit in ("page-", "page-worker-0", "page-worker-2"):
        assert f"stopped swarmsweep-e2e-locust-{unit}" in stopped.output
    assert lab.ssh("load", PAGES).stdout == ""


def test_replicas_run_only_where_the_labels_are(lab, run):
    """The first API host, which is the manager, lacks the label."""
    given = {"lab_api_placement": {"disk": "ssd"}, "lab_api_replicas": 2}
    assert lab.play("site.yml", *API_ONLY, **given).status == "successful"
    tasks = f"docker service ps {NAME}_api_api --filter desired-state=running --format '{{{{.Node}}}}'"
    assert lab.ssh("api", tasks).stdout.split() == [SECOND, SECOND]
