"""Locust's page for a load by hand: its units, and real processes in which it keeps the load in the lab."""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
import urllib.request

import pytest

from tests.loadgen.locust_run import LOCUST, serve
from tests.plugins.page_run import Module, PageError, load_module, serve_page, wait_until

SCENARIO = """
import os
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0.05)
    host = "http://localhost:1"

    def on_start(self):
        self.client.get(os.environ["OTHER"] + "/in", name="elsewhere")

    @task
    def ask(self):
        self.client.get("/ok")
"""


def respond(handler):
    handler.send_response(200)
    handler.send_header("content-length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


# --- Real processes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Return (the page with two workers, the lab's server, the server of another address)."""
    if LOCUST is None:
        pytest.skip("locust is not installed")
    folder = tmp_path_factory.mktemp("page")
    with serve("127.0.0.1", respond) as lab, serve("127.0.0.2", respond) as other:
        elsewhere = f"http://127.0.0.2:{other.port}"
        with serve_page(folder, SCENARIO, f"http://127.0.0.1:{lab.port}", 2, env={"OTHER": elsewhere}) as page:
            yield page, lab, other


def test_the_page_is_on_the_loopback_address_alone(running):
    page, _, _ = running
    assert page.ask("/")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", page.port), timeout=5)


@pytest.mark.parametrize(
    "host", ["http://127.0.0.2:{1}", "https://127.0.0.1:{0}", "http://127.0.0.1:{1}", "http://127.0.0.1:{0}/", "", "x"]
)
def test_a_load_of_another_address_is_refused_with_the_allowed_one(running, host):
    page, lab, other = running
    answer = page.swarm(3, host.format(lab.port, other.port))
    assert answer["success"] is False
    assert answer["message"].startswith("The load may not leave the lab: Host is ")
    assert answer["message"].endswith(f"allowed: http://127.0.0.1:{lab.port}")
    assert page.stats()["state"] == "ready"


@pytest.mark.parametrize(("own", "status"), [(False, 400), (True, 201)])
def test_a_class_of_users_cannot_be_aimed_elsewhere(running, own, status):
    page, lab, other = running
    host = f"http://127.0.0.1:{lab.port}" if own else f"http://127.0.0.2:{other.port}"
    settings = json.dumps({"user_class_name": "Visitor", "host": host, "weight": 1}).encode()
    assert page.ask("/user", settings, **{"Content-Type": "application/json"})[0] == status


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Origin", "http://example.org"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Host", "example.org"),
        ("Host", "127.0.0.1.example.org:8010"),
    ],
)
def test_other_pages_of_the_browser_control_nothing(running, header, value):
    page, _, _ = running
    form = urllib.parse.urlencode({"user_count": "1", "spawn_rate": "1"}).encode()
    for path, data in (("/swarm", form), ("/stop", b""), ("/stats/requests", None)):
        assert page.ask(path, data, **{header: value})[0] == 403, path
    assert page.stats()["state"] == "ready"


def test_no_other_page_shows_this_one_in_a_frame(running):
    page, _, _ = running
    with urllib.request.urlopen(page.url, timeout=60) as response:
        assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


def rows_of(page):
    """Locust's statistics by the name of the request."""
    return {row["name"]: row for row in page.stats()["stats"] if row["num_requests"]}


# From here on, the tests need the ones before them.
def test_a_load_of_the_lab_starts_and_stays_there(running):
    page, lab, other = running
    answer = page.swarm(4, f"http://127.0.0.1:{lab.port}", Origin=page.url)
    assert answer["success"] is True
    wait_until(lambda: page.stats()["state"] == "running" and page.users_by_worker() == [2, 2])
    wait_until(lambda: lab.asked["GET", "/ok"] > 20)
    wait_until(lambda: {"/ok", "elsewhere"} <= rows_of(page).keys())
    rows = rows_of(page)
    assert rows["/ok"]["num_failures"] == 0
    assert rows["elsewhere"]["num_failures"] == rows["elsewhere"]["num_requests"] > 0
    assert other.connections == 0


def test_workers_that_join_get_users_of_the_others(running):
    page, lab, _ = running
    assert page.add_workers(3) == [2]
    wait_until(lambda: page.users_by_worker() == [1, 1, 2])
    assert page.stats()["user_count"] == 4
    before = lab.asked["GET", "/ok"]
    wait_until(lambda: lab.asked["GET", "/ok"] > before + 20)
    # All run, so none is started.
    assert page.add_workers(3) == []


def test_a_load_by_hand_is_stopped_in_the_page(running):
    page, _, _ = running
    assert page.ask("/stop", b"", Origin=page.url)[0] == 200
    wait_until(lambda: page.stats()["state"] == "stopped" and page.stats()["user_count"] == 0)


ENDED = """
import sys
import gevent
from locust import FastHttpUser, constant, events, task

class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def end_myself(self):
        raise SystemExit(3)

@events.test_start.add_listener
def end_soon(environment, **_):
    if environment.web_ui:
        gevent.spawn_later(1, sys.modules["loadgen.page.roles"].end, environment.runner, environment.web_ui)
"""


# The time limit calls the same function. A short limit could be over before the first worker is there.
def test_the_end_of_a_page_ends_all_processes_in_order(tmp_path):
    if LOCUST is None:
        pytest.skip("locust is not installed")
    with serve("127.0.0.1", respond) as lab, serve_page(tmp_path, ENDED, f"http://127.0.0.1:{lab.port}", 1) as page:
        # A scenario that ends itself ends no worker.
        page.swarm(1, None)
        assert {name: process.wait(60) for name, process in page.processes.items()} == {"page": 0, "page-worker-0": 0}


# --- The units -------------------------------------------------------------------------------------------------------


class Recorded(Module):
    """Runs no command: it keeps them, and returns what systemd would list."""

    def __init__(self, **params):
        super().__init__(**params)
        self.commands, self.listed, self.code = [], {}, 0

    def run_command(self, command, **_options):
        self.commands.append(command)
        if command[:2] == ["systemctl", "list-units"]:
            units = [{"unit": unit, "active": state} for unit, state in self.listed.items()]
            return 0, json.dumps(units), ""
        return (self.code if command[0] == "systemd-run" else 0), "", "no room"

    def started(self):
        """The commands of systemd-run by the process, without the stamp."""
        runs = [command for command in self.commands if command[0] == "systemd-run"]
        return {run[2].removeprefix("--unit=swarmsweep-lab-locust-").rpartition("-")[0]: run for run in runs}


def listed(*names, state="active"):
    return {f"swarmsweep-lab-locust-{name}-7.service": state for name in names}


@pytest.fixture
def units(tmp_path, monkeypatch):
    """Returns (the units of a load host, the module that they use) for parameters."""
    module = load_module()
    monkeypatch.setattr(module.shutil, "chown", lambda *_: None)
    monkeypatch.setattr(module.PageUnits, "refuse_port", lambda *_: None)
    (tmp_path / "locustfiles").mkdir()
    (tmp_path / "locustfiles/predict.py").touch()
    (tmp_path / "firewall.sh").touch()
    given = {
        "slice": "swarmsweep-lab", "directory": str(tmp_path), "output_directory": str(tmp_path / "out"),
        "units_directory": str(tmp_path / "units"), "user": "swarmsweep", "host_name": "lab-load",
        "target": "http://198.18.0.11:8080", "locustfile": "predict.py", "master": True, "master_host": "127.0.0.1",
        "joins": False, "worker_indices": [0, 2], "workers": 4, "users": 40, "spawn_rate": 2.5, "has_picker": True,
        "env": {"A": "1"}, "secrets_directory": None, "open_files": 1024, "port": 8010, "time_limit_seconds": 600,
    }  # fmt: skip

    def make(**changed):
        host = Recorded(**given | changed)
        return module.PageUnits(host), host

    return make


def test_the_units_have_the_limits_of_a_measured_load(units, tmp_path):
    page, host = units()
    page.start()
    assert [str(tmp_path / "firewall.sh"), "ensure"] in host.commands
    runs = host.started()
    assert list(runs) == ["page", "page-worker-0", "page-worker-2"]
    for run in runs.values():
        for option in ("User=swarmsweep", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=",
                       "Slice=swarmsweep-lab.slice", "KillMode=control-group", "LimitNOFILE=1024"):  # fmt: skip
            assert f"--property={option}" in run
        # Locust ends at the limit, and what hangs is ended later.
        (limit,) = [word.rpartition("=")[2] for word in run if "RuntimeMaxSec" in word]
        assert 600 < int(limit) <= 630
        assert "--setenv=A=1" in run
        assert run[run.index("-f") + 1] == ",".join(
            str(tmp_path / name) for name in ("before_scenario.py", "locustfiles/predict.py", "by_hand.py")
        )
        assert run[run.index("--host") + 1] == "http://198.18.0.11:8080"
    line = " ".join(runs["page"])
    assert " --web-host 127.0.0.1 --web-port 8010 --enable-rebalancing --class-picker " in line
    assert " --master --master-bind-host 127.0.0.1 " in line
    assert line.endswith(" --users 40 --spawn-rate 2.5")
    assert "--headless" not in line
    assert "--setenv=SWEEP_PAGE_SECONDS=600" in line
    assert " --worker --master-host 127.0.0.1" in " ".join(runs["page-worker-2"])
    assert "--setenv=SWEEP_WORKER_INDEX=2" in runs["page-worker-2"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "units").glob("*.log")}
    assert modes == dict.fromkeys(("page.log", "page-worker-0.log", "page-worker-2.log"), 0o600)


def test_secrets_are_a_folder_that_goes_with_the_page(units):
    page, host = units(secrets_directory="/run/swarmsweep-lab-load-secrets")
    page.start()
    runs = host.started()
    assert list(runs) == ["page-secrets", "page", "page-worker-0", "page-worker-2"]
    removal = runs.pop("page-secrets")
    assert removal[-2:] == ["630", "/run/swarmsweep-lab-load-secrets"]
    assert {"--property=User=root", "--property=ReadWritePaths=/run"} <= set(removal)
    for run in runs.values():
        assert "--setenv=SWEEP_SECRETS_DIRECTORY=/run/swarmsweep-lab-load-secrets" in run


@pytest.mark.parametrize("changed", [{"locustfile": "none.py"}, {"master_host": "localhost"}, {}])
def test_a_page_that_cannot_start_leaves_no_secrets(units, tmp_path, changed):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "TOKEN").write_text("hunter2")
    page, host = units(secrets_directory=str(folder), **changed)
    host.code = 1
    with pytest.raises(PageError):
        page.start()
    assert not folder.exists()
    # A unit that waits to remove them would keep sweeps out of the lab.
    assert not host.started() if changed else list(host.started()) == ["page-secrets"]


@pytest.mark.parametrize("running", [("page", "page-worker-0", "page-secrets"), ()])
def test_an_end_leaves_no_unit_and_no_secret(units, tmp_path, running):
    folder = tmp_path / "secrets"
    folder.mkdir()
    page, host = units(secrets_directory=str(folder))
    host.listed = listed(*running)
    assert page.end() is bool(running)
    assert not folder.exists()
    killed = [command[3:] for command in host.commands if command[:2] == ["systemctl", "kill"]]
    assert killed == ([list(listed(*running))] if running else [])


def test_classes_that_the_sweep_file_names_are_not_for_the_page_to_choose(units):
    page, host = units(has_picker=False)
    page.start()
    assert "--class-picker" not in host.started()["page"]


def test_workers_that_join_are_started_as_the_others_were(units):
    page, host = units(env={"A": "1"}, target="http://198.18.0.11:8080")
    page.start()
    joining, later = units(
        joins=True, worker_indices=[0, 2, 4], env={}, target="http://198.18.0.99:1", locustfile="other.py"
    )
    later.listed = listed("page", "page-worker-2")
    assert joining.join() == [0, 4]
    runs = later.started()
    assert list(runs) == ["page-worker-0", "page-worker-4"]
    begun = host.started()["page-worker-0"]
    stamped = [word for word in begun if not word.startswith(("--unit=", "--property=RuntimeMaxSec"))]
    assert [word for word in runs["page-worker-0"] if not word.startswith(("--unit=", "--property=RuntimeMaxSec"))] == (
        stamped
    )
    assert not [command for command in later.commands if "kill" in command]


def test_a_worker_that_cannot_join_leaves_the_others_alone(units):
    page, _ = units()
    page.start()
    joining, host = units(joins=True, worker_indices=[0, 2, 4])
    host.listed, host.code = listed("page", "page-worker-0", "page-worker-2"), 1
    with pytest.raises(PageError, match="systemd could not start swarmsweep-lab-locust-page-worker-4: no room"):
        joining.join()
    assert not [command for command in host.commands if "kill" in command]


def test_workers_join_no_page_that_has_ended(units):
    joining, _host = units(joins=True)
    message = r"Locust's page has no process on this host\. Its processes ended.*\./lab stop, then \./lab ui"
    with pytest.raises(PageError, match=message):
        joining.join()
    joining.given["time_limit_seconds"] = -1
    joining.start()
    with pytest.raises(PageError, match=message):
        joining.join()


def test_a_host_without_a_worker_gets_its_first_one_later(units):
    page, _ = units(master=False, worker_indices=[])
    page.start()
    joining, host = units(master=False, joins=True, worker_indices=[1])
    assert joining.join() == [1]
    assert list(host.started()) == ["page-worker-1"]


@pytest.mark.parametrize(
    ("running", "has_page", "found"),
    [
        ((), True, None),
        (("page-secrets",), True, None),
        (("page", "page-worker-0", "page-worker-10"), True, (True, [0, 10])),
        (("page-worker-1",), True, (False, [1])),
        # What it was started with is gone.
        (("page",), False, None),
    ],
)
def test_a_page_is_what_runs_and_what_it_was_started_with(units, tmp_path, running, has_page, found):
    page, host = units()
    page.start()
    if not has_page:
        (tmp_path / "units/page.json").unlink()
    host.listed = listed(*running)
    seen = page.page()
    assert (None if seen is None else (seen["has_master"], seen["workers"])) == found
    if found:
        assert seen["ends_at"] > time.time()
        assert (seen["locustfile"], seen["port"], seen["env"]) == ("predict.py", 8010, {"A": "1"})


def test_a_page_does_not_begin_beside_the_load_of_a_sweep(units):
    page, host = units()
    host.listed = listed("master", "worker-0")
    with pytest.raises(PageError, match=r"a load of a sweep runs on this host \(master, worker-0\).*\./lab stop"):
        page.page()


@pytest.mark.parametrize(("running", "refused"), [(("page",), True), (("master", "worker-0"), False), ((), False)])
def test_nothing_is_measured_beside_a_page(units, running, refused):
    page, host = units()
    host.listed = listed(*running)
    if refused:
        with pytest.raises(PageError, match=r"Locust's page runs on this host.*\./lab stop"):
            page.refuse_page()
    else:
        page.refuse_page()


def test_a_port_that_is_in_use_is_named(tmp_path):
    units = load_module().PageUnits(Recorded(slice="swarmsweep-lab", joins=False, units_directory=str(tmp_path)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PageError, match=rf"needs port {port} of 127\.0\.0\.1.*in use.*ss -ltnp 'sport = :{port}'"):
            units.refuse_port(port)


def test_the_report_on_a_page_that_ends_has_no_secret(units, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/TOKEN").write_text("hunter2hunter2\n")
    page, host = units(secrets_directory=str(tmp_path / "secrets"))
    page.start()
    log = tmp_path / "units/page.log"
    log.write_text("ValueError: hunter2hunter2 is refused\n")
    host.listed = listed("page", state="failed")
    with pytest.raises(PageError, match=r" Ended: page: ValueError: \*\*\* is refused\. "):
        page.fail_unready(0, "no response")
    assert log.read_text() == "ValueError: *** is refused\n"


def test_a_page_that_ends_is_reported_with_its_last_line(units, tmp_path, monkeypatch):
    page, host = units()
    page.start()
    (tmp_path / "units/page.log").write_text("Traceback\nValueError: no such rows\n")
    host.listed = listed("page", state="failed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        page.given["port"] = server.getsockname()[1]
    with pytest.raises(
        PageError, match=r"does not respond.*Ended: page: ValueError: no such rows\..*\./lab logs locust"
    ):
        page.wait()
