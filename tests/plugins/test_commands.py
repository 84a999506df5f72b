"""Modules that call systemd or Docker by their commands, when a command is late, silent or fails.

The commands are small scripts first in PATH; the modules run them as they would the real ones.
"""

from __future__ import annotations

import base64
import getpass
import importlib.util
import json
import os
import re
import socket
import subprocess
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible.module_utils import docker_command, model_registry
from ansible.module_utils import load_units as load_units_module

ROOT = Path(__file__).parents[2]
MODULES = Path(__file__).parents[2] / "plugins" / "modules"


class ModuleError(Exception):
    """fail_json was called."""


class Done(Exception):  # noqa: N818 (it is no error)
    """exit_json was called."""

    def __init__(self, result):
        super().__init__(result)
        self.result = result


class Module:
    """The part of AnsibleModule that the modules use."""

    check_mode = False

    def __init__(self, **params):
        self.params = params

    def exit_json(self, **result):
        raise Done(result)

    def run_command(self, command, use_unsafe_shell=False):
        done = subprocess.run(command, capture_output=True, text=True, check=False, shell=use_unsafe_shell)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, msg, **_rest):
        raise ModuleError(msg)


def load(name):
    spec = importlib.util.spec_from_file_location(name, MODULES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return script(name, body), which puts a command first in PATH. It notes its arguments in <name>.said."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name, body):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "$@" >> "{path}.said"\n{body}\n')
        path.chmod(0o755)
        return Path(f"{path}.said")

    return write


# --- locust_attempt -------------------------------------------------------------------------------------------------

MASTER = "swarmsweep-lab-locust-master-7.service"
UNIT = f'[{{"unit":"{MASTER}","active":"active"}}]'
LATE = 'echo "Failed to list units: Connection timed out" >&2; exit 1'


@pytest.fixture
def load_units(monkeypatch):
    locust_attempt = load("locust_attempt")
    monkeypatch.setattr(load_units_module, "QUESTION_PAUSE_SECONDS", 0)
    return locust_attempt.LoadUnits(Module(slice="swarmsweep-lab", output_directory=None, units_directory=None))


@pytest.mark.parametrize(
    ("body", "units", "questions"),
    [
        ("echo '[]'", {}, 1),
        ("true", {}, 1),
        (f"echo '{UNIT}'", {MASTER: "active"}, 1),
        (f"[ $(wc -l < $0.said) -lt 3 ] && {{ {LATE}; }}; echo '{UNIT}'", {MASTER: "active"}, 3),
    ],
)
def test_units_are_those_that_systemd_names(script, load_units, body, units, questions):
    said = script("systemctl", body)
    assert load_units.units() == units
    assert len(said.read_text().splitlines()) == questions


@pytest.mark.parametrize(("body", "word"), [(LATE, "Connection timed out"), ("exit 4", "exit code 4")])
@pytest.mark.parametrize("question", ["units", "running", "finish", "stop"])
def test_a_missing_response_does_not_mean_that_no_unit_runs(script, load_units, question, body, word):
    load_units.given["time_limit_seconds"] = 1
    said = script("systemctl", body)
    with pytest.raises(
        ModuleError, match=rf"did not list the units of swarmsweep-lab-locust in 5 attempts.*{word}.*systemctl status"
    ):
        getattr(load_units, question)()
    assert len(said.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("hosts", "name", "address"),
    [
        ({}, "127.0.0.1", "127.0.0.1"),
        ({}, "198.18.0.12", "198.18.0.12"),
        ({}, "fd00::12", "fd00::12"),
        ({"load.example": "198.18.0.12"}, "load.example", "198.18.0.12"),
    ],
)
def test_the_master_listens_at_one_address(monkeypatch, hosts, name, address):
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real(hosts.get(host, host), *a, **k))
    assert load_units_module.numeric_address(name) == address


def test_a_name_that_means_the_host_itself_is_refused():
    with pytest.raises(ValueError, match="no other host can reach"):
        load_units_module.numeric_address("localhost")


def write_firewall(folder, body="[ $1 = ensure ]"):
    """The script of a load host, which notes that it was run."""
    path = folder / "firewall.sh"
    path.write_text(f'#!/bin/sh\necho "$@" >> {path}.said\n{body}\n')
    path.chmod(0o755)


@pytest.fixture
def started(script, tmp_path, monkeypatch):
    """Return the arguments of systemd-run, line by line, after a start with these parameters."""
    locust_attempt = load("locust_attempt")
    monkeypatch.setattr(locust_attempt.shutil, "chown", lambda *_: None)
    script("systemctl", "echo '[]'")
    said = script("systemd-run", "true")
    (tmp_path / "locustfiles").mkdir()
    (tmp_path / "locustfiles/predict.py").touch()
    (tmp_path / "locustfiles/predict_open.py").touch()
    write_firewall(tmp_path)
    given = {
        "mode": "fixed", "prepare": "",
        "slice": "swarmsweep-lab", "directory": str(tmp_path), "output_directory": str(tmp_path / "out"),
        "units_directory": str(tmp_path / "units"),
        "user": "swarmsweep", "host_name": "lab-load", "target": "http://198.18.0.11:8000", "locustfile": "predict.py",
        "master": True, "master_host": "127.0.0.1", "worker_indices": [0], "workers": 1, "users": 1, "spawn_rate": 1.0,
        "env": {}, "open_files": 1024, "time_limit_seconds": 10, "secrets_directory": None,
    }  # fmt: skip

    def start(**changed):
        locust_attempt.LoadUnits(Module(**given | changed)).start()
        return said.read_text().splitlines()

    return start


@pytest.mark.parametrize("address", ["127.0.0.1", "198.18.0.12"])
def test_the_master_is_started_at_that_address(started, address):
    master, worker = started(master_host=address)
    assert f"--master-bind-host {address} " in master
    assert worker.endswith(f"--worker --master-host {address}")


@pytest.mark.parametrize(
    ("mode", "locustfile", "both", "conductor"),
    [
        ("fixed", "predict.py", "{0}/before_scenario.py,{0}/locustfiles/predict.py,{0}/recorder.py", ""),
        (
            "capacity",
            "predict_open.py",
            "{0}/before_scenario.py,{0}/open_loop.py,{0}/locustfiles/predict_open.py",
            ",{0}/conductor.py",
        ),
        (
            "capacity",
            "predict.py",
            "{0}/before_scenario.py,{0}/locustfiles/predict.py,{0}/recorder.py",
            ",{0}/conductor.py",
        ),
    ],
)
def test_locust_loads_what_the_mode_needs(started, tmp_path, mode, locustfile, both, conductor):
    master, worker = started(mode=mode, locustfile=locustfile, env={"SWEEP_SEARCH": '{"seed": 1}'})
    assert f" -f {(both + conductor).format(tmp_path)} --headless --master " in master
    assert f" -f {both.format(tmp_path)} --worker " in worker
    # Only the master waits for the order to begin.
    assert f"--setenv=SWEEP_START_FILE={tmp_path}/units/start " in master
    assert "SWEEP_START_FILE" not in worker
    for line in (master, worker):
        assert '--setenv=SWEEP_SEARCH={"seed": 1} ' in line


@pytest.mark.parametrize("folder", [None, "/run/x"])
def test_a_unit_gets_the_folder_of_the_secrets_alone(started, folder):
    for line in started(secrets_directory=folder):
        assert ("SWEEP_SECRETS_DIRECTORY" in line) == bool(folder)
        assert not folder or f"--setenv=SWEEP_SECRETS_DIRECTORY={folder} " in line


def test_locust_starts_in_a_folder_with_links_to_the_scenarios(started, tmp_path):
    started()
    assert (tmp_path / "out/predict.py").readlink() == tmp_path / "locustfiles/predict.py"


def test_a_host_is_prepared_before_locust_is_started(started, tmp_path):
    started(prepare=f"[ ! -e {tmp_path}/out ] && echo ready > {tmp_path}/prepared")
    assert (tmp_path / "prepared").read_text() == "ready\n"
    assert (tmp_path / "out").is_dir()


def test_a_host_that_cannot_be_prepared_gets_no_load(started, tmp_path):
    with pytest.raises(ModuleError, match="could not be prepared for the load: spam"):
        started(prepare="echo spam >&2; false")
    assert not (tmp_path / "systemd-run.said").exists()


WORD = "Wrd123"


class Proxy(ThreadingHTTPServer):
    """A server at the target. It sends ``said`` unchanged, then closes the connection."""

    said = f"HTTP/1.0 200 OK\r\ncontent-length: {len(WORD)}\r\n\r\n{WORD}".encode()
    asked = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request, client_address):
        self.asked += request.recv(4096).startswith(b"GET /.swarmsweep/word HTTP/1.0\r\n")
        request.sendall(self.said)


@pytest.fixture
def proxy():
    with Proxy(("127.0.0.1", 0), None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def finishing(script, tmp_path, monkeypatch, proxy):
    """Return (the units of a load, of which one runs while its process does; that process)."""
    locust_attempt = load("locust_attempt")
    process = subprocess.Popen(["sleep", "600"])
    # A process that has ended stays in /proc as a zombie (Z) until this test collects it. systemd does that at once.
    script(
        "systemctl",
        f"""case "$1" in
          list-units)
            case "$(grep ^State: /proc/{process.pid}/status)" in ''|*Z*) echo '[]' ;; *) echo '{UNIT}' ;; esac ;;
          show) echo MainPID=0; echo; echo MainPID={process.pid} ;;
        esac""",
    )
    (tmp_path / "units").mkdir()
    (tmp_path / "word").write_text(f"{WORD}\n")
    write_firewall(tmp_path)
    monkeypatch.setattr(locust_attempt.time, "sleep", lambda _: None)
    given = {"slice": "swarmsweep-lab", "output_directory": str(tmp_path / "out"), "host_name": "lab-load"}
    given |= {"units_directory": str(tmp_path / "units"), "directory": str(tmp_path), "target": proxy.url}
    given["user"] = getpass.getuser()
    yield locust_attempt.LoadUnits(Module(**given, time_limit_seconds=60)), process
    process.kill()
    process.wait()


def test_the_end_of_a_load_is_waited_for_without_asking_systemd(finishing, tmp_path):
    load_units, process = finishing

    def end():
        # The order to begin comes before the wait.
        said = tmp_path / "systemctl.said"
        while not (tmp_path / "units/start").exists() or not said.exists() or "show" not in said.read_text():
            threading.Event().wait(0.01)
        process.terminate()
        process.wait()

    ending = threading.Thread(target=end)
    ending.start()
    assert load_units.finish() == {}
    ending.join()
    said = (tmp_path / "systemctl.said").read_text().splitlines()
    assert len([line for line in said if line.startswith("show")]) == 1
    record = json.loads((tmp_path / "units/units-lab-load.json").read_text())
    assert record == {"schema": 1, "ended_badly": {}, "exit_statuses": {}}


def test_workers_whose_master_died_are_ended_and_its_last_line_is_the_reason(finishing, script, tmp_path, monkeypatch):
    load_units, process = finishing
    monkeypatch.setitem(load_units.finish.__globals__, "ORPHAN_SECONDS", 0.1)
    master, worker = f"{load_units.prefix}-master-7.service", f"{load_units.prefix}-worker-0-7.service"
    (tmp_path / "units/master.log").write_text("Traceback ...\nValueError: no such model\n\n")
    units = [{"unit": master, "active": "failed"}, {"unit": worker, "active": "active"}]
    script(
        "systemctl",
        f"""case "$1" in
          list-units) if kill -0 {process.pid} 2> /dev/null; then echo '{json.dumps(units)}'; else echo '[]'; fi ;;
          show) echo Result=exit-code; echo ExecMainStatus=1 ;;
          kill) kill -9 {process.pid} ;;
        esac""",
    )
    reaper = threading.Thread(target=process.wait)
    reaper.start()
    expected = {master: "exit-code (exit status 1): ValueError: no such model"}
    assert load_units.finish() == expected
    reaper.join()
    assert json.loads((tmp_path / "units/units-lab-load.json").read_text())["ended_badly"] == expected


@pytest.mark.parametrize(
    ("mark", "result", "status", "is_bad"),
    [
        # A scenario's own gate, and a listener of it that raises.
        ("file", "exit-code", "1", False),
        ("file", "exit-code", "2", False),
        # Whatever was recorded before, this is how the process ended.
        ("file", "signal", "9", True),
        ("file", "oom-kill", "9", True),
        ("file", "timeout", "15", True),
        ("file", "core-dump", "11", True),
        # Nothing says that it recorded everything.
        (None, "exit-code", "1", True),
        ("link", "exit-code", "1", True),
        ("folder", "exit-code", "1", True),
    ],
)
def test_the_exit_status_of_a_scenario_is_no_failure_of_its_unit(
    finishing, script, tmp_path, mark, result, status, is_bad
):
    load_units, process = finishing
    process.kill()
    unit, output = f"{load_units.prefix}-worker-0-7.service", tmp_path / "out"
    output.mkdir()
    path = output / "ended-lab-load-worker-0.json"
    if mark == "file":
        path.touch()
    elif mark == "folder":
        path.mkdir()
    elif mark == "link":
        path.symlink_to("/etc/hostname")
    listed = json.dumps([{"unit": unit, "active": "failed"}])
    said = script(
        "systemctl",
        f"""case "$1" in
          list-units) echo '{listed}' ;;
          show) echo Result={result}; echo ExecMainStatus={status} ;;
        esac""",
    )
    assert list(load_units.finish()) == ([unit] if is_bad else [])
    record = json.loads((tmp_path / "units/units-lab-load.json").read_text())
    assert (list(record["ended_badly"]), record["exit_statuses"]) == (([unit], {}) if is_bad else ([], {unit: status}))
    # A later attempt must not find it.
    assert f"reset-failed {unit}" in said.read_text()


def end_with_a_secret_in_the_log(finishing, script, tmp_path):
    """A worker fails after it has printed a secret. Return what the module reports of it."""
    load_units, process = finishing
    process.kill()
    unit = f"{load_units.prefix}-worker-0-7.service"
    (tmp_path / "units/worker-0.log").write_bytes(b"\xff first\nsaid canary-3f9a\nlast canary-3f9a\n")
    load_units.given["secrets_directory"] = str(tmp_path / "secrets")
    listed = json.dumps([{"unit": unit, "active": "failed"}])
    script(
        "systemctl",
        f"""case "$1" in
          list-units) echo '{listed}' ;;
          show) echo Result=exit-code; echo ExecMainStatus=1 ;;
        esac""",
    )
    return load_units.finish()[unit]


def test_a_log_and_the_reason_from_it_have_no_secret(finishing, script, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/API_TOKEN").write_text("Bearer canary-3f9a\n")
    reason = end_with_a_secret_in_the_log(finishing, script, tmp_path)
    assert reason == "exit-code (exit status 1): last ***"
    assert (tmp_path / "units/worker-0.log").read_bytes() == b"\xff first\nsaid ***\nlast ***\n"
    assert b"canary" not in b"".join(path.read_bytes() for path in (tmp_path / "units").iterdir())


def test_a_load_that_is_stopped_has_no_secret_in_its_logs(script, tmp_path, monkeypatch):
    locust_attempt = load("locust_attempt")
    script("systemctl", "echo '[]'")
    for folder in ("units", "secrets"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secrets/API_TOKEN").write_text("canary-3f9a\n")
    (tmp_path / "units/worker-0.log").write_text("said canary-3f9a\n")
    folders = {f"{name}_directory": str(tmp_path / name) for name in ("units", "secrets")}
    monkeypatch.setattr(
        locust_attempt, "AnsibleModule", lambda **_: Module(state="stopped", slice="swarmsweep-lab", **folders)
    )
    with pytest.raises(Done) as done:
        locust_attempt.main()
    assert done.value.result == {"changed": False, "units": []}
    assert (tmp_path / "units/worker-0.log").read_text() == "said ***\n"


def test_a_log_whose_secrets_are_not_known_is_removed(finishing, script, tmp_path):
    reason = end_with_a_secret_in_the_log(finishing, script, tmp_path)
    assert "Removed: the secrets of the load could not be hidden in this log" in reason
    assert "canary" not in (tmp_path / "units/worker-0.log").read_text()


def test_other_users_of_the_host_read_no_log(started, tmp_path):
    started()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "units").glob("*.log")}
    assert modes == {"master.log": 0o600, "worker-0.log": 0o600}


def test_a_load_that_was_never_started_is_not_waited_for(finishing, tmp_path):
    (tmp_path / "units").rmdir()
    with pytest.raises(ModuleError, match="no load ran"):
        finishing[0].finish()
    assert not (tmp_path / "systemctl.said").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\nNo", "gave 'HTTP/1.1 404 Not Found'"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/x\r\n\r\n", "gave 'HTTP/1.1 302 Found'"),
        (b"HTTP/1.1 200 OK\r\n\r\nother", "did not return this lab's identifier"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "did not return this lab's identifier"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, "did not return this lab's identifier"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "gave 'SSH-2.0-OpenSSH_9.2'"),
        (b"", "gave ''"),
        (None, "gave no response"),
    ],
)
def test_what_does_not_say_the_word_of_the_lab_is_not_loaded(finishing, proxy, tmp_path, said, words):
    load_units, _ = finishing
    if said is None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            load_units.given["target"] = f"http://127.0.0.1:{probe.getsockname()[1]}"
    else:
        proxy.said = said
    with pytest.raises(ModuleError, match=r"is not this lab's proxy.*\./lab site") as failure:
        load_units.finish()
    assert words in str(failure.value)
    assert WORD not in str(failure.value)
    assert not (tmp_path / "units/start").exists()


@pytest.mark.parametrize("missing", ["word", "firewall.sh"])
def test_a_host_of_an_earlier_version_is_not_loaded_from(finishing, tmp_path, missing):
    (tmp_path / missing).unlink()
    with pytest.raises(ModuleError, match=rf"{missing} is not on this host.*Run: \./lab site"):
        finishing[0].finish()
    assert not (tmp_path / "units/start").exists()


def test_a_load_without_its_firewall_does_not_begin(finishing, proxy, tmp_path):
    write_firewall(tmp_path, "echo 'no iptables' >&2; exit 1")
    with pytest.raises(ModuleError, match=r"is not active: no iptables\. .*\./lab site"):
        finishing[0].finish()
    assert (proxy.asked, (tmp_path / "units/start").exists()) == (0, False)


# Locust imports the scenario when it starts, before the order to begin.
@pytest.mark.parametrize(
    ("body", "words"),
    [(None, r"firewall.sh is not on this host.*Run: \./lab site"), ("exit 1", r"is not active: .*\./lab site")],
)
def test_locust_does_not_start_without_its_firewall(started, tmp_path, body, words):
    if body is None:
        (tmp_path / "firewall.sh").unlink()
    else:
        write_firewall(tmp_path, body)
    with pytest.raises(ModuleError, match=words):
        started(prepare=f"touch {tmp_path}/prepared")
    assert not (tmp_path / "systemd-run.said").exists()
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(
    ("units", "is_started", "checks"),
    [(UNIT, False, 1), (UNIT, True, 0), (UNIT.replace("-master-", "-worker-0-"), False, 0)],
    ids=["the master waits", "the load runs, as after a lost connection", "workers alone, after the load"],
)
def test_a_proxy_is_checked_only_before_the_load(finishing, script, proxy, tmp_path, units, is_started, checks):
    load_units, process = finishing
    process.kill()
    process.wait()
    ended = units.replace('"active":"active"', '"active":"inactive"')
    script("systemctl", f"[ $1 != list-units ] || echo '{ended}'")
    if is_started:
        (tmp_path / "units/start").touch()
    assert load_units.finish() == {}
    said = tmp_path / "firewall.sh.said"
    assert (proxy.asked, len(said.read_text().splitlines()) if said.exists() else 0) == (checks, checks)
    assert (tmp_path / "units/start").exists() == (is_started or checks == 1)


def test_a_host_without_the_load_s_user_is_reported(finishing, golden):
    finishing[0].given["user"] = "no-such-user"
    with pytest.raises(ModuleError, match=r"no-such-user.* http://.*lab site") as refused:
        finishing[0].check()
    golden("load_user_missing.txt", re.sub(r"http://[^,]+", "URL", str(refused.value)) + "\n")


@pytest.mark.parametrize("name", ["start", "units-lab-load.json", "commands.txt", "master.log", "worker-0.log"])
def test_root_follows_no_link_of_the_load_s_user(started, finishing, tmp_path, name):
    """A user's files can only be in the user's own folder. Root's files are elsewhere."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "units").rmdir()
    lines = started()
    # The scenario runs now, before the order to begin.
    (tmp_path / "out" / name).symlink_to(victim)
    load_units, process = finishing
    process.kill()
    process.wait()
    load_units.finish()
    assert victim.read_text() == "untouched"
    assert [f"=file:{tmp_path}/units/" in line for line in lines] == [True, True]
    assert f"file:{tmp_path}/out" not in "".join(lines)
    assert (tmp_path / "units").stat().st_uid == os.getuid()
    assert (tmp_path / "units").stat().st_mode & 0o022 == 0


def test_a_folder_that_was_replaced_by_a_link_is_neither_emptied_nor_used(started, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").touch()
    (tmp_path / "out").symlink_to(victim)
    with pytest.raises(FileExistsError):
        started()
    assert [path.name for path in victim.iterdir()] == ["kept"]
    assert not (tmp_path / "systemd-run.said").exists()


@pytest.mark.parametrize(
    "option",
    ["CapabilityBoundingSet=", "ProtectSystem=strict", "ReadWritePaths={}/out", "ProtectHome=yes", "PrivateTmp=yes",
     "PrivateDevices=yes", "NoNewPrivileges=yes", "LimitCORE=0", "TasksMax=4096", "UMask=0077", "User=swarmsweep"],
)  # fmt: skip
def test_a_unit_may_do_no_more_than_load(started, tmp_path, option):
    assert [f" --property={option.format(tmp_path)} " in line for line in started()] == [True, True]


@pytest.mark.parametrize("option", ["MemoryMax", "LimitDATA"])
def test_a_unit_gets_a_share_of_the_memory(started, option):
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = started()
    assert len(lines) == 2
    for line in lines:
        (found,) = [word for word in line.split() if word.startswith(f"--property={option}=")]
        assert 0 < int(found.rpartition("=")[2]) <= total * 80 // 100


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Result=oom-kill\nExecMainStatus=9", "oom-kill (exit status 9): "),
        ("Result=signal\nExecMainStatus=9", "signal (exit status 9)"),
    ],
)
def test_a_unit_that_ran_out_of_memory_is_called_so(script, load_units, monkeypatch, said, words):
    monkeypatch.setitem(load_units.result.__func__.__globals__, "total_memory_bytes", lambda: 10 << 20)
    script("systemctl", f"printf '{said}\n'")
    assert load_units.result(load_units.properties("x")).startswith(words)


# --- swarm_job, lab_stack_facts -------------------------------------------------------------------------------------

JOB = {"name": "lab_train", "image": "i:1", "command": ["true"], "env": {}, "secrets": [], "mounts": [],
       "networks": [], "labels": {}, "timeout_seconds": 5}  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    """A deadline that a test can wait for."""
    monkeypatch.setattr(docker_command.run_docker, "__defaults__", (1,))


def test_a_docker_that_hangs_is_named(script, short, golden):
    script("docker", "exec sleep 30")
    messages = {}
    for question in ("state", "create", "wait"):
        with pytest.raises(ModuleError, match=r"lab_train: docker service \w+ .* restart docker") as refused:
            getattr(load("swarm_job").Job(Module(**JOB)), question)()
        messages[question] = str(refused.value)
    golden("swarm_job_hangs.yml", messages)


def test_words_that_do_not_come_do_not_hide_why_a_job_failed(script, short, golden):
    task = '{"CurrentState":"Failed 1 second ago","Error":"task: non-zero exit (1)"}'
    script("docker", f"case $2 in ps) echo '{task}';; logs) echo last words; exec sleep 30;; esac")
    with pytest.raises(ModuleError, match=r"task: non-zero exit \(1\).*last words.* docker .*logs") as refused:
        load("swarm_job").Job(Module(**JOB)).wait()
    golden("swarm_job_failed.txt", f"{refused.value}\n")


def test_no_such_service_is_no_failure(script):
    script("docker", "echo 'no such service' >&2; exit 1")
    assert load("swarm_job").Job(Module(**JOB)).state() == (None, "")


# A Docker whose job is in a file. Creating a job completes it.
JOBS = """case $2 in
  inspect) [ -e {state} ];;
  create) echo Complete > {state};;
  rm) rm {state};;
  ps) printf '{{"CurrentState":"%s 1 second ago","Error":""}}' $(cat {state});;
  logs) echo words;;
esac"""


@pytest.mark.parametrize(
    ("keep", "before", "changed", "after"),
    [
        (True, None, True, "Complete"),
        (True, "Complete", False, "Complete"),
        (True, "Failed", True, "Complete"),
        (False, None, True, None),
        (False, "Complete", True, None),
        (False, "Failed", True, None),
    ],
)
def test_a_job_is_a_record_only_when_it_is_to_be_one(script, tmp_path, monkeypatch, keep, before, changed, after):
    state = tmp_path / "state"
    if before:
        state.write_text(before)
    said = script("docker", JOBS.format(state=state))
    swarm_job = load("swarm_job")
    monkeypatch.setattr(swarm_job, "AnsibleModule", lambda **_: Module(**JOB, keep=keep))
    with pytest.raises(Done) as done:
        swarm_job.main()
    assert done.value.result == {"changed": changed, "output": ["words"]}
    assert (state.read_text().strip() if state.exists() else None) == after
    assert ("create" in said.read_text()) == changed


def test_a_job_runs_on_a_manager(script):
    said = script("docker", "true")
    load("swarm_job").Job(Module(**JOB)).create()
    assert "--constraint node.role == manager " in said.read_text()


# --- model_registry -------------------------------------------------------------------------------------------------

# Responses of MLflow 3.17. A version has more keys than are read.
CHAMPION = (
    '{"model_version": {"name": "covertype", "version": "3", "run_id": "ab12", "tags": ['
    '{"key": "accuracy", "value": "0.831200"}, {"key": "data_source", "value": "generated (seed 0)"}]}}'
)
NO_MODEL = '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Registered Model with name=covertype not found"}'
NO_ALIAS = '{"error_code": "INVALID_PARAMETER_VALUE", "message": "Registered model alias champion not found."}'
# A Docker that knows the service and one container of it. The test sets the response inside the container.
RUNNING = "case $1 in service) echo id;; ps) echo 0123456789ab;; exec) {answer};; esac"


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(model_registry, "POLL_SECONDS", 0)
    return lambda wait_seconds=0: model_registry.look_up(Module(), "lab", wait_seconds)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (CHAMPION, {"version": "3", "accuracy": "0.831200", "data_source": "generated (seed 0)"}),
        ('{"model_version": {"version": 12}}', {"version": "12"}),
        (NO_MODEL, None),
        (NO_ALIAS, None),
    ],
)
def test_the_champion_is_what_the_registry_says(script, patient, answer, found):
    said = script("docker", RUNNING.format(answer=f"echo '{answer}'"))
    assert patient() == found
    *_, question = [line for line in said.read_text().splitlines() if line.endswith("covertype champion")]
    assert "label=com.docker.swarm.service.name=lab_platform_mlflow" in said.read_text()
    assert question


def test_a_lab_without_mlflow_has_no_champion(script, patient):
    script("docker", "echo 'no such service' >&2; exit 1")
    assert patient(60) is None


def test_mlflow_may_just_have_been_started(script, patient, tmp_path):
    tries = f'n=$(cat {tmp_path}/n 2> /dev/null); echo "x$n" > {tmp_path}/n'
    late = f"{tries}; [ \"$n\" = xx ] || {{ echo 'Connection refused' >&2; exit 1; }}; echo '{CHAMPION}'"
    script("docker", RUNNING.format(answer=late))
    assert patient(60)["version"] == "3"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (RUNNING.format(answer="echo 'Connection refused' >&2; exit 1"), "Connection refused"),
        (RUNNING.format(answer="echo oops"), "it returned 'oops"),
        (RUNNING.format(answer='echo "[]"'), "it returned"),
        (RUNNING.format(answer="""echo '{"error_code": "INTERNAL_ERROR"}'"""), "INTERNAL_ERROR"),
        ("[ $1 = service ]", "no container of lab_platform_mlflow runs"),
    ],
)
def test_a_registry_that_does_not_say_is_named(script, patient, body, words):
    script("docker", body)
    with pytest.raises(
        model_registry.RegistryError, match=rf"{words}.*run: \./lab logs mlflow\. Then run: \./lab site"
    ):
        patient()


def test_a_docker_that_hangs_is_not_taken_for_no_registry(script, patient, short):
    script("docker", "exec sleep 30")
    with pytest.raises(model_registry.RegistryError, match="did not respond within"):
        patient(60)


@pytest.mark.parametrize(("answer", "version"), [(CHAMPION, "3"), (NO_MODEL, "")])
def test_a_module_returns_the_version(script, monkeypatch, answer, version):
    script("docker", RUNNING.format(answer=f"echo '{answer}'"))
    lab_champion = load("lab_champion")
    monkeypatch.setattr(lab_champion, "AnsibleModule", lambda **_: Module(lab_name="lab", wait_seconds=0))
    with pytest.raises(Done) as done:
        lab_champion.main()
    assert done.value.result == {"changed": False, "version": version}


# --- lab_stack_facts ------------------------------------------------------------------------------------------------

# A Docker with the services and images of the lab, without those that a test removes.
FACTS = """case "$1 $2" in
  'version --format') echo 20.10.24;;
  'service ls') printf '%s\\n' {services};;
  'service inspect') case $4 in *json*) echo '[{{"ConfigID":"c1"}}]';; *) echo lab_haproxy_0123456789ab;; esac;;
  'config inspect') echo '"{config}"';;
  'network inspect') case $5 in {network}) echo 0a1b;; *) exit 1;; esac;;
  'image inspect') case $5 in {missing}) exit 1;; *) echo sha256:$5;; esac;;
  'ps --quiet') echo 0123456789ab;;
  exec*) echo '{champion}';;
esac"""
SERVICES = ("postgres", "redis", "mlflow", "proxy")


def deployed_config(**given):
    """The configuration that the role platform makes of its template, with other values for some variables."""
    names = yaml.safe_load((ROOT / "roles/platform/defaults/main.yml").read_text()) | given
    return jinja2.Template((ROOT / "roles/platform/templates/haproxy.cfg.j2").read_text()).render(names)


BOTH = {"api": "swarmsweep/api:1", "api_full": "swarmsweep/mlflow:2"}


READY_CHECK = {"port": 8000, "path": "/ready", "host": "api"}


def stack_facts(
    script,
    monkeypatch,
    images,
    services=SERVICES,
    missing="none",
    champion=CHAMPION,
    check=READY_CHECK,
    config=None,
    axis_images=(),
    network="lab_api_net",
    platform_images=(),
):
    """What the module returns on a host with these services, without the image that is missing."""
    listed = " ".join(f"'lab_platform_{name} swarmsweep/{name}:2'" for name in services)
    config = base64.b64encode((deployed_config() if config is None else config).encode()).decode()
    body = FACTS.format(
        services=f"{listed} 'other_x y'", missing=missing, champion=champion, config=config, network=network
    )
    script("docker", body)
    module = load("lab_stack_facts")
    monkeypatch.setattr(module, "send_command", lambda *_: "Name: HAProxy\nVersion: 2.6.12\n")
    given = {"lab_name": "lab", "images": images, "axis_images": axis_images, "ready_check": check}
    given = Module(**given, haproxy_socket="/run/haproxy.sock", platform_images=platform_images)
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: given)
    with pytest.raises(Done) as done:
        module.main()
    return done.value.result


def test_the_images_of_all_stages_are_named_with_their_ids(script, monkeypatch):
    found = stack_facts(script, monkeypatch, BOTH)
    assert set(found["images"]) == {*SERVICES, "api", "api_full"}
    assert found["images"]["api_full"] == found["images"]["mlflow"] == "swarmsweep/mlflow:2 sha256:swarmsweep/mlflow:2"
    assert found["versions"] == {"docker": "20.10.24", "haproxy": "2.6.12"}


def test_images_of_cells_and_the_configuration_of_haproxy_are_named(script, monkeypatch):
    found = stack_facts(script, monkeypatch, BOTH, missing="gone:1", axis_images=["mine:1", "gone:1"])
    assert found["axis_images"] == {"mine:1": "sha256:mine:1", "gone:1": None}
    assert found["haproxy_config"] == "lab_haproxy_0123456789ab"


@pytest.mark.parametrize(
    ("given", "check"),
    [
        ({}, {}),
        ({"platform_api_port": 5000, "platform_proxy_slots": 7}, {"port": 5000}),
        ({"platform_api_ready_path": "/v1/health?full=1"}, {"path": "/v1/health?full=1"}),
        ({"platform_api_ready_host": "my.example:80"}, {"host": "my.example:80"}),
    ],
)
def test_a_ready_check_as_it_was_deployed_is_accepted(script, monkeypatch, given, check):
    found = stack_facts(script, monkeypatch, BOTH, check=READY_CHECK | check, config=deployed_config(**given))
    assert found["stale"] == []


@pytest.mark.parametrize(
    ("check", "stale"),
    [
        ({"port": 9000}, ["lab_api_port is 9000, but HAProxy still has 8000"]),
        (
            {"path": "/health", "host": "my.example"},
            [
                "lab_api_ready_path is /health, but HAProxy still has /ready",
                "lab_api_ready_host is my.example, but HAProxy still has api",
            ],
        ),
    ],
)
def test_settings_that_haproxy_does_not_have_yet_are_named(script, monkeypatch, check, stale):
    assert stack_facts(script, monkeypatch, BOTH, check=READY_CHECK | check)["stale"] == stale


def test_haproxy_is_deployed_again_only_where_the_images_of_this_version_are(script, monkeypatch):
    given = {"platform_images": ["swarmsweep/haproxy:2", "swarmsweep/haproxy:3"], "missing": "swarmsweep/haproxy:3"}
    assert stack_facts(script, monkeypatch, BOTH, **given)["stale"] == []
    words = (
        r"still has 8000\. HAProxy must be deployed again, but this host has no image swarmsweep/haproxy:3.*\./lab site"
    )
    with pytest.raises(ModuleError, match=words):
        stack_facts(script, monkeypatch, BOTH, check=READY_CHECK | {"port": 9000}, **given)


@pytest.mark.parametrize(
    ("champion", "model"),
    [
        (NO_MODEL, {}),
        (
            CHAMPION,
            {"model": "covertype", "version": "3", "accuracy": 0.8312, "data_source": "generated (seed 0)"}
            | {"data_sha256": None, "onnx_sha256": None},
        ),
    ],
)
def test_the_manifest_gets_the_champion_as_the_registry_has_it(script, monkeypatch, champion, model):
    assert stack_facts(script, monkeypatch, BOTH, champion=champion)["model"] == model


# What a host lacks, and the words that the message must contain.
MISSING = {
    "a service": ({"services": ("postgres", "mlflow", "proxy")}, r"redis.*./lab site"),
    "an image of the lab": (
        {"missing": "swarmsweep/mlflow:2"},
        r"swarmsweep/mlflow:2 \(for mlflow\).*./lab site",
    ),
    "the network of the API, before ./lab site of this version": (
        {"network": "lab_net"},
        r"^the lab lacks the network lab_api_net\..*./lab site$",
    ),
    "no ready check": ({"config": "global\n"}, "no line `http-check send`, which this version writes.*./lab site"),
    "an image of the user": (
        {"missing": "mine:1", "images": {"api": "mine:1"}},
        r"mine:1 \(for api\).*./lab image mine:1 --copy-only$",
    ),
}


def test_what_a_sweep_would_miss_is_named_with_the_command_that_helps(script, monkeypatch, golden):
    messages = {}
    for name, (differs, words) in MISSING.items():
        with pytest.raises(ModuleError, match=words) as refused:
            stack_facts(script, monkeypatch, **({"images": BOTH} | differs))
        messages[name] = str(refused.value)
    golden("stack_facts.yml", messages)


# --- host_images ----------------------------------------------------------------------------------------------------

WANTED = {"mine:1": "lab_api_image", "mine:2": "the key image of the sweep file"}


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ("exit 0", []),
        ('case "$*" in *mine:1) exit 1;; esac', ["mine:1"]),
        ('case "$1" in image) exit 1;; esac', ["mine:1", "mine:2"]),
    ],
)
def test_each_image_that_a_host_lacks_is_named_with_host_and_command(script, monkeypatch, body, missing):
    said = script("docker", body)
    module = load("host_images")
    given = Module(images=WANTED, host_name="lab-api (192.0.2.1)", required=True, need_shell=[])
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: given)
    with pytest.raises(ModuleError if missing else Done) as ended:
        module.main()
    lines = str(ended.value).splitlines() if missing else []
    assert lines == [
        f"lab-api (192.0.2.1) has no image {image}, which {WANTED[image]} names. "
        f"Copy it with: ./lab image {image} --copy-only"
        for image in missing
    ]
    assert said.read_text().splitlines()[1:] == [
        f"image inspect --format {{{{.Id}}}} {{{{json .RepoDigests}}}} -- {image}" for image in WANTED
    ]


def test_images_are_not_looked_for_where_docker_does_not_respond(script, monkeypatch):
    script("docker", "exit 1")
    module = load("host_images")
    given = Module(images=WANTED, host_name="lab-api (192.0.2.1)", required=True, need_shell=[])
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: given)
    with pytest.raises(Done) as done:
        module.main()
    assert done.value.result == {"changed": False, "docker": False}


# `docker run` of an image with a shell, and of one without, whose message is that of Docker 20.10.
NO_SHELL = """case "$1 $*" in
  run*mine:2*)
    echo 'docker: Error response from daemon: failed to create shim task: OCI runtime create failed:' >&2
    echo 'unable to start container process: exec: "sh": executable file not found in $PATH: unknown.' >&2
    exit 127;;
  wait*) echo 0;;
  *) echo sha256:01;;
esac"""


# A service beside the API needs no shell.
@pytest.mark.parametrize("need_shell", [["mine:1", "mine:2"], ["mine:1"], []])
def test_an_image_without_a_shell_is_refused_only_where_one_is_needed(script, monkeypatch, need_shell):
    said = script("docker", NO_SHELL)
    module = load("host_images")
    given = Module(images=WANTED, host_name="lab-api (192.0.2.1)", required=True, need_shell=need_shell)
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: given)
    with pytest.raises(ModuleError if "mine:2" in need_shell else Done) as ended:
        module.main()
    started = [line for line in said.read_text().splitlines() if line.startswith("run ")]
    assert [re.search(r"--entrypoint=sh -- (mine:\d) ", line)[1] for line in started] == need_shell
    for limit in (
        *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--memory=64m", "--memory-swap=64m", "--pids-limit=16", "--log-opt=max-size=64k", "--pull=never"),
    ):
        assert all(limit in line.split() for line in started), limit
    if "mine:2" in need_shell:
        (problem,) = str(ended.value).splitlines()
        assert problem.startswith(
            "lab-api (192.0.2.1): the image mine:2, which the key image of the sweep file names, "
        )
        assert 'exec: "sh": executable file not found' in problem
        assert "remove lab_api_secret_env" in problem


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('case "$1" in wait) exit 124;; esac', "(not ended after 30 s)"),
        ('case "$1" in wait) echo 2;; logs) echo "sh: out of memory" >&2;; esac', "(sh: out of memory)"),
        ('case "$1" in wait) echo 137;; esac', "(exit code 137)"),
        # Docker 28.
        (
            'case "$1" in run) printf "docker: no sh\\n\\nRun \'docker run --help\' for more information\\n" >&2; '
            "exit 127;; esac",
            "(docker: no sh)",
        ),
    ],
)
def test_a_shell_that_does_not_end_well_is_named_and_removed(script, monkeypatch, body, why):
    said = script("docker", body)
    module = load("host_images")
    given = Module(images={"mine:1": "lab_api_image"}, host_name="lab-api", required=True, need_shell=["mine:1"])
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: given)
    with pytest.raises(ModuleError, match=re.escape(f"cannot run sh and cat {why}. lab_api_secret_env")):
        module.main()
    lines = said.read_text().splitlines()
    (name,) = {re.search(r"--name=(\S+)", line)[1] for line in lines if line.startswith("run ")}
    assert lines[-1] == f"rm --force --volumes {name}"
