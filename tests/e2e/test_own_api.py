"""An image and a locustfile that are not the lab's, both unmodified, are measured and judged right."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.machines import REPOSITORY

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
SWEEP = HERE / "own_api.yml"
MAX_SWEEPS = 3
# What other processes of the computer do to a measurement now and then.
OF_THE_COMPUTER = {"steady_state", "foreign_cpu"}
LIMITED = ("threads", "pool", "lock")
# Served at once, as planted: threads of FastAPI, connections of two replicas, one. A closed load and the API's own
# work lower the figure somewhat. A busy computer raises the unloaded latency, and the figure with it. The ranges do not
# touch each other.
SERVED_AT_ONCE = {"threads": (28, 80), "pool": (6.5, 20), "lock": (0.7, 3)}
# In the file that the API and the locustfile read it from, and nowhere else.
TOKEN = "a-token-that-only-its-file-has"
PACKAGE = "humanize==4.9.0"
NOT_READY = HERE / "not_ready.yml"
# Made from the first image, own-api.
OTHERS = {
    "own-api:two": "Dockerfile.two_processes",
    "own-api:settings": "Dockerfile.settings",
}
CANARY = "canary-5e9c1"
# As messages advise after a change of a setting of the API. test_lab.py runs all of site.yml.
API_ONLY = ("--tags", "api")
# Run in the container, as its user.
LOOK = """
import json, os, socket

def can_write(folder):
    try:
        open(folder + "/x", "w").close()
    except OSError:
        return False
    return True

def is_reached(name):
    try:
        socket.getaddrinfo(name, 80)
    except OSError:
        return False
    return True

print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "model": open("/model/weights.txt").read(),
    "token": open(os.environ["API_TOKEN_FILE"]).read(),
    "writable": [folder for folder in ("/tmp", "/var/cache/own", "/opt/own", "/model") if can_write(folder)],
    "reached": [name for name in ("side", "proxy", "mlflow") if is_reached(name)],
    "variables": {name: os.environ.get(name) for name in ("VERSION", "OPTIONS", "API_TOKEN", "MLFLOW_TRACKING_URI")},
}))
"""
# The variables of the API itself: the only child of Docker's init in its container.
OF_THE_API = """
init=$(docker inspect --format '{{.State.Pid}}' $(docker ps -q --filter name=e2e_api_api | head -1))
tr '\\0' '\\n' < /proc/$(pgrep -P $init | head -1)/environ
"""
# What every user of the host, or every reader of a report, may see.
VISIBLE = """
docker ps -q | xargs docker inspect
docker service ls -q | xargs docker service inspect
docker secret ls -q | xargs docker secret inspect
docker service logs e2e_api_api 2>&1
cat /proc/[0-9]*/cmdline | tr '\\0' ' '
journalctl --no-pager
cat /opt/swarmsweep/stacks/*
"""


@pytest.fixture(scope="module")
def images(lab) -> None:
    """Bring the images to the API host. The first is a folder of this machine, which that host builds."""
    listed = lab.ssh("api", "docker images --format '{{.Repository}}:{{.Tag}}' swarmsweep/api")
    assert listed.returncode == 0, listed.stderr
    folder = lab.folder / "own-api"
    shutil.copytree(HERE / "own_api", folder)
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("swarmsweep/api:TAG", listed.stdout.split()[0]))
    play = lab.play("playbooks/image.yml", image_of=str(folder), image_copy_only=True)
    assert play.status == "successful"
    (built,) = set(re.findall(r"own-api:[0-9a-f]{12}", play.output))
    assert lab.ssh("api", f"docker tag {built} own-api").returncode == 0
    for tag, file in OTHERS.items():
        made = lab.ssh("api", f"docker build -t {tag} - 2>&1", text=(folder / file).read_text())
        assert made.returncode == 0, made.stdout


@pytest.fixture(scope="module")
def settings(lab) -> dict[str, object]:
    """The settings of the inventory that the API needs: a model and a token of this machine."""
    (lab.folder / "labels.json").write_text('["spruce"]')
    (lab.folder / "token.txt").write_text(f"{TOKEN}\n")
    return {
        "lab_api_mounts": {"/model/labels.json": str(lab.folder / "labels.json")},
        "lab_api_secrets": {"API_TOKEN": str(lab.folder / "token.txt")},
        "lab_api_secret_env": ["API_TOKEN"],
    }


@pytest.fixture(scope="module")
def locustfile():
    """The user's locustfile in its folder, with its data and its package, while the module runs."""
    folder = REPOSITORY / "locustfiles"
    path, rows, packages = folder / "e2e_visitor.py", folder / "e2e_rows", folder / "requirements.txt"
    assert not packages.exists(), f"{packages} is a user's: move it away for this test"
    try:
        shutil.copy(HERE / "own_api/visitor.py", path)
        rows.mkdir(exist_ok=True)
        (rows / "names.txt").write_text("a\nb\n")
        packages.write_text(f"{PACKAGE}\n")
        yield path
    finally:
        path.unlink(missing_ok=True)
        packages.unlink(missing_ok=True)
        shutil.rmtree(rows, ignore_errors=True)


@pytest.fixture(scope="module")
def sweep(lab) -> str:
    """The sweep file. One in tests/ would take the scenarios of tests/."""
    return str(shutil.copy(SWEEP, lab.folder / SWEEP.name))


@pytest.fixture(scope="module")
def run(lab, images, locustfile, settings, sweep) -> Path:
    """The folder of the run. It is swept again, twice at most, where only this computer disturbed a cell."""
    for _ in range(MAX_SWEEPS):
        assert lab.play("sweep.yml", sweep=sweep, seed="3", **settings).status == "successful"
        run = sorted(lab.reports.glob("*-own-api"))[-1]
        if not any(disturbed(run, row) for row in rows_of(run)):
            break
    return run


def rows_of(run: Path) -> list[dict]:
    """The rows of a sweep."""
    return json.loads((run / "summary.json").read_text())["cells"]


def disturbed(run: Path, row: dict) -> bool:
    """Only checks that this computer's noise fails speak against the attempt."""
    cell = json.loads((run / "cells" / row["id"] / "cell.json").read_text())
    against = {check["name"] for check in cell["checks"] if check["passed"] is False and not check["warning"]}
    return row["status"] == "invalid" and bool(against) and against <= OF_THE_COMPUTER


@pytest.fixture(scope="module")
def cells(run) -> list[dict]:
    """The sweep's rows."""
    return rows_of(run)


@pytest.fixture(scope="module")
def rows(cells) -> dict[str, dict]:
    """The rows of the cells that serve a limited number of requests at once, by the limit."""
    return {row["config"]["LIMIT"]: row for row in cells if row["config"]["LIMIT"] in LIMITED}


@pytest.mark.parametrize("limit", LIMITED)
def test_a_limit_inside_the_api_is_named_with_its_figure(rows, limit):
    row = rows[limit]
    # An own exit code, own timings, a redirect within the API and a constant X-Served-By spoil nothing.
    assert row["status"] == "valid", row["reason"]
    assert row["bottleneck"] == "concurrency", row
    low, high = SERVED_AT_ONCE[limit]
    assert low <= row["served_at_once"] <= high, row
    assert row["failures"] == 0


@pytest.mark.parametrize("limit", LIMITED)
def test_think_time_is_that_of_the_locustfile(rows, limit):
    # Uniform from 0.01 to 0.03 s.
    assert rows[limit]["think_time_seconds"] == pytest.approx(0.02, rel=0.2)


def test_the_page_does_not_ask_for_more_load(run):
    assert "raise the load" not in (run / "summary.md").read_text().lower()


def test_an_axis_without_effect_makes_its_cells_invalid(cells):
    same = [row for row in cells if row["config"]["LIMIT"] == "none"]
    assert {row["status"] for row in same} == {"invalid"}, [row["reason"] for row in same]
    for row in same:
        assert row["server_processes"] == 2
        assert "lab_api_workers_env" in row["reason"]


def test_the_token_leaves_its_file_only_for_the_container_and_for_locust(lab, run):
    kept = [path for path in run.rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    # The API prints it in one of the cells.
    assert any("The token is ***" in path.read_text() for path in kept if path.name == "service.log")
    everything = (
        "docker ps -aq | xargs -r docker inspect; docker service ls -q | xargs -r docker service inspect",
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl --no-pager",
        "grep -rl --devices=skip a-token-that /opt/swarmsweep /etc /run/systemd /var/log | grep -v '^/var/log/journal'",
    )
    for side in ("api", "load"):
        seen = lab.ssh(side, "; ".join(everything)).stdout
        assert "systemd" in seen
        assert TOKEN not in seen
        assert "/opt/swarmsweep" not in re.findall(r"^/\S+$", seen, flags=re.MULTILINE)


def test_packages_and_files_of_the_locustfile_are_recorded(run):
    manifest = json.loads((run / "manifest.json").read_text())
    assert "==".join(*manifest["packages"].items()) == PACKAGE
    assert manifest["api"]["lab_api_mounts /model/labels.json"].startswith("10 B in 1 file")
    assert "locustfiles/e2e_rows" in manifest["programs"]


def test_a_check_shows_the_first_response(lab, run, locustfile, settings, sweep):
    play = lab.play("playbooks/check.yml", sweep=sweep, **settings)
    assert play.status == "successful"
    shown = " ".join(play.output.split())
    # The locustfile names its requests at random.
    assert re.search(r"GET predict [ab]: status 200, application/json", shown)
    assert '{"label":"spruce","protected":true' in shown


def test_an_image_that_the_host_lacks_is_named_before_anything_is_deployed(lab):
    play = lab.play("site.yml", lab_api_image="no-such-image:1")
    assert play.status == "failed"
    assert "no-such-image:1" in play.output
    assert "e2e-api" in play.output
    assert not play.changed.get("e2e-api")


@pytest.fixture(scope="module")
def not_ready(lab) -> str:
    """The sweep whose cells no axis can make ready. A sweep file in tests/ would take the scenarios of tests/."""
    return str(shutil.copy(NOT_READY, lab.folder / NOT_READY.name))


def test_a_path_that_the_api_lacks_ends_the_wait_and_the_sweep(lab, not_ready):
    play = lab.play("sweep.yml", sweep=not_ready, lab_api_ready_path="/nowhere")
    assert play.status == "failed"
    # No site.yml is needed before it.
    assert "lab_api_ready_path is /nowhere, but HAProxy still has /" in play.output
    assert "The API cannot run with the settings of the inventory" in play.output
    run = sorted(lab.reports.glob("*-not-ready"))[-1]
    rows = rows_of(run)
    # The third was not measured, so it has a reason and no status.
    assert [row["status"] for row in rows].count("failed") == 2
    assert [row["status"] for row in rows].count(None) == 1
    assert all("404" in row["reason"] for row in rows)
    assert "404" in (run / "summary.md").read_text()


def test_the_container_has_what_the_inventory_says_and_nothing_shows_a_secret(lab, images):
    token, model = lab.folder / "token", lab.folder / "model"
    token.write_text(f"{CANARY}\n")
    model.mkdir()
    (model / "weights.txt").write_text("weights")
    variables = {"VERSION": "1.10", "OPTIONS": "--x 'a,b'=c $HOME"}
    site = lab.play(
        "site.yml",
        *API_ONLY,
        lab_api_image="own-api:settings",
        lab_api_command=["--workers", "1"],
        lab_api_user="1234:5678",
        lab_api_writable=["/var/cache/own"],
        lab_api_mounts={"/model": str(model)},
        lab_api_secrets={"API_TOKEN": str(token)},
        lab_api_secret_env=["API_TOKEN"],
        lab_api_env=variables,
        lab_api_services={"side": {"image": "own-api:settings", "memory": "256M"}},
    )
    assert site.status == "successful", site.output
    looked = lab.ssh("api", "docker exec -i $(docker ps -q --filter name=e2e_api_api | head -1) python -", text=LOOK)
    assert looked.returncode == 0, looked.stderr
    assert json.loads(looked.stdout) == {
        "user": [1234, 5678],
        "model": "weights",
        "token": f"{CANARY}\n",
        "writable": ["/tmp", "/var/cache/own"],
        # Neither MLflow nor its address.
        "reached": ["side", "proxy"],
        "variables": variables | {"API_TOKEN": None, "MLFLOW_TRACKING_URI": None},
    }
    assert f"API_TOKEN={CANARY}" in lab.ssh("api", OF_THE_API).stdout.splitlines()
    visible = lab.ssh("api", VISIBLE)
    assert "API_TOKEN_FILE" in visible.stdout
    for form in (CANARY, base64.b64encode(token.read_bytes()).decode()):
        assert form not in visible.stdout
        assert form not in site.output
