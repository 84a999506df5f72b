"""The sweep's own play with the real role, on unreachable hosts: each cell is lost, and the sweep continues."""

import hashlib
import json
import re
import shutil
import socket
from pathlib import Path

import jinja2
import pytest
import yaml

from tests.printed import printed

ROOT = Path(__file__).parents[2]
SWEEP = """\
name: lost
slo: {p95_ms: 500}
load: {users: 2, spawn_rate: 2, warmup_seconds: 0, measure_seconds: 1}
matrix: {replicas: [1], cpus: [0.1, 0.2], memory: [256M], workers: [1]}
baseline: none
"""
HOST = {"cpus": 1, "memory_bytes": 4 * 1024**3, "kernel": "6.1", "boot_time": 1}
FACTS = {"api": [HOST | {"name": "lab-api"}], "load": [HOST | {"name": "lab-load", "boot_time": 2}]}
# Of the playbooks of a sweep, in their order: those that contact no host.
LOCAL_PLAYS = (
    "Check the sweep file",
    "Refuse settings that have no effect, or that HAProxy or Docker cannot have",
    "Plan the sweep, and measure its cells",
)
STACK = {
    "stale": [],
    "versions": {},
    "images": {},
    "axis_images": {},
    "haproxy_config": "lab_haproxy_01",
    "model": {},
    "proxy_connections": 12000,
}
MANAGER = {"images_tags": {"api": "a:1"}, "sweep_stack": STACK}


def load_playbook(name):
    return yaml.safe_load((ROOT / name).read_text())


def names_of(tasks):
    """Each task with those of its block, or of the file that it includes, after it, in the order in which they run."""
    for task in tasks:
        yield task["name"]
        included = task.get("ansible.builtin.include_tasks", "")
        if included.startswith("tasks/"):
            yield from names_of(load_playbook(f"playbooks/{included}"))
        for part in ("block", "rescue", "always"):
            yield from names_of(task.get(part, []))


def test_the_summary_is_written_before_the_api_is_deployed_again():
    imported = [play["import_playbook"] for play in load_playbook("sweep.yml")]
    assert imported[-5:] == [
        "playbooks/sweep.yml",
        "playbooks/report.yml",
        "playbooks/deploy.yml",
        "playbooks/unlock.yml",
        "playbooks/ended_early.yml",
    ]
    assert not any("import_playbook" in play for play in load_playbook("playbooks/sweep.yml"))


def test_a_check_removes_no_files_of_another_that_still_runs():
    (play,) = [
        play for play in load_playbook("playbooks/check.yml") if play["name"] == "Remove the files of the last check"
    ]
    lock, removal = play["tasks"]
    (first, *_) = load_playbook("playbooks/sweep.yml")
    # The sweep that the check runs takes the same lock again.
    assert lock["sweep"] == first["tasks"][0]["sweep"] == {"do": "lock", "path": "{{ lab_directory }}/sweep.lock"}
    assert removal["ansible.builtin.file"]["state"] == "absent"


def test_a_scenario_that_hides_a_module_is_refused_wherever_the_sweep_file_lies(play, lost, tmp_path):
    playbook, inventory, *given = lost
    locustfiles = tmp_path / "lab/locustfiles"
    locustfiles.unlink()
    shutil.copytree(ROOT / "locustfiles", locustfiles)
    check = playbook.with_name("check_sweep.yml")
    (locustfiles / "io.py").touch()
    done = play(check, inventory, *given)
    assert done.returncode != 0
    assert "mv locustfiles/io.py locustfiles/my_io.py" in " ".join(done.stdout.split())


# The order is the check, then minutes of work on the hosts, then the plan.
def test_the_sweep_that_was_checked_is_planned_although_its_file_was_changed(play, lost, tmp_path):
    playbook, inventory, *given = lost
    check, settings, sweep = yaml.safe_load(playbook.read_text())
    sweep["tasks"] = [task for task in sweep["tasks"] if task["name"] == "Plan the sweep"]
    edit = {"ansible.builtin.copy": {"content": "no sweep", "dest": str(tmp_path / "lost.yml")}}
    between = {"name": "Edit it", "hosts": "localhost", "tasks": [{"name": "Edit it"} | edit]}
    playbook.write_text(yaml.safe_dump([check, settings, between, sweep]))
    done = play(playbook, inventory, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    (plan,) = tmp_path.glob("reports/*-lost/plan.json")
    assert json.loads(plan.read_text())["sweep_sha256"] == hashlib.sha256(SWEEP.encode()).hexdigest()


def test_scenarios_are_tried_before_there_is_a_run_or_a_deployment():
    names = [name for play in load_playbook("playbooks/sweep.yml") for name in names_of(play.get("tasks", []))]
    order = ["Make sure that a load reaches this lab and nothing else", "Copy the scenarios",
             "Copy the secrets that the scenarios read",
             "Load each scenario once", "Remove the secrets", "Refuse scenarios that Locust cannot run",
             "Plan the sweep"]  # fmt: skip
    assert [name for name in names if name in order] == order
    assert names.index("Plan the sweep") < names.index("Measure all cells, and retry invalid attempts")


@pytest.mark.parametrize(
    ("running", "setting", "most"), [(4000, 24000, "4000"), (24000, 4000, "24000"), (None, 500, "500")]
)
def test_a_search_starts_no_more_users_than_the_running_haproxy_takes(running, setting, most):
    plan = next(play for play in load_playbook("playbooks/sweep.yml") if play["name"] == LOCAL_PLAYS[-1])
    given = {"sweep_manager": {"sweep_stack": {"proxy_connections": running}}, "lab_proxy_max_connections": setting}
    assert jinja2.Template(plan["vars"]["bench_cell_max_users"]).render(given) == most


@pytest.mark.parametrize("name", ["sweep", "deploy"])
def test_a_slow_model_may_take_as_long_in_a_cell_as_after_a_site(name):
    text = (ROOT / f"playbooks/{name}.yml").read_text()
    passed = re.findall(r'(?:bench_cell_ready|api_stack)_timeout_seconds: "(.+)"', text)
    given = {"lab_api_ready_timeout_seconds": 300}
    assert [jinja2.Template(value).render(given) for value in passed] == ["300"]


def test_haproxy_gets_changed_settings_after_all_checks_and_before_the_plan(play, tmp_path):
    plays = load_playbook("playbooks/sweep.yml")
    names = [play["name"] for play in plays]
    renewal = names.index("Give HAProxy the changed settings")
    assert names[renewal - 1 : renewal + 2 : 2] == [
        "Copy and check the scenarios",
        "Plan the sweep, and measure its cells",
    ]
    # The files of the real play, each with a task that records what it would do.
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    fact = {"name": "Note it", "ansible.builtin.set_fact": {"deployed": True}}
    (tasks / "platform.yml").write_text(json.dumps([fact]))
    seen = {"name": "Read it", "ansible.builtin.set_fact": {"sweep_stack": {"stale": [], "read": "again"}}}
    (tasks / "read_stack.yml").write_text(json.dumps([seen]))
    show = {
        "name": "Show it",
        "ansible.builtin.debug": {"msg": "deployed {{ deployed | default(false) }}, {{ sweep_stack.read }}"},
    }
    part = plays[renewal] | {"become": False, "tasks": [*plays[renewal]["tasks"], show]}
    # A fact of the play has precedence over its variable, so the case without a change comes first.
    changed = ["lab_api_port is 9000, but HAProxy still has 8000"]
    cases = [{"sweep_stack": {"stale": stale, "read": "once"}} for stale in ([], changed)]
    (tmp_path / "play.yml").write_text(json.dumps([part | {"vars": part["vars"] | case} for case in cases]))
    host = {"ansible_connection": "local"}
    (tmp_path / "hosts.yml").write_text(json.dumps({"api": {"hosts": {"lab-api": host}}}))
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"deployed \w+, \w+", done.stdout) == ["deployed False, once", "deployed True, again"]
    assert done.stdout.count(changed[0]) == 1


@pytest.fixture(scope="module")
def closed_port():
    """A local port on which nothing listens. It is bound, so that no other process takes it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


OUTDATED = "is not on this host, because an earlier version of the lab provisioned it. Run: ./lab site"
# The files that a load host has, and words of its failure.
LOAD_HOSTS = {
    # By an earlier version.
    "lab-load": ([], f"locust/firewall.sh {OUTDATED}"),
    "lab-load2": (["firewall.sh"], f"locust/word {OUTDATED}"),
    # Nothing listens there, and this machine has no user of a load host.
    "lab-load3": (["firewall.sh", "word"], "http://127.0.0.1:{port}"),
}


def test_load_hosts_that_would_load_in_vain_end_the_sweep_once(play, closed_port, tmp_path):
    (scenarios,) = [
        play for play in load_playbook("playbooks/sweep.yml") if play["name"] == "Copy and check the scenarios"
    ]
    names = [task["name"] for task in scenarios["tasks"]]
    first, last = names.index("Look up the target of the load"), names.index("Copy the scenarios, and load each once")
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([scenarios | {"tasks": scenarios["tasks"][first:last]}]))
    host = {"ansible_host": "127.0.0.1", "ansible_connection": "local", "ansible_become": False}
    loads = {}
    for name, (installed, _) in LOAD_HOSTS.items():
        loads[name] = host | {"lab_host_directory": str(tmp_path / name)}
        (tmp_path / name / "locust").mkdir(parents=True)
        for file, text in {"firewall.sh": "#!/bin/sh\n", "word": "Wrd123\n"}.items():
            if file in installed:
                (tmp_path / name / "locust" / file).write_text(text)
                (tmp_path / name / "locust" / file).chmod(0o755)
    groups = {"api": {"hosts": {"lab-api": host}}, "load": {"hosts": loads}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"lab": {"children": groups}}))
    given = {"lab_name": "lab", "lab_proxy_port": closed_port}
    done = play(playbook, tmp_path / "hosts.yml", "-e", json.dumps(given))
    assert done.returncode != 0
    said = printed(done.stdout)
    for name, (_, words) in LOAD_HOSTS.items():
        message = said.partition(f"FAILED: {name} failed in task: ")[2].partition("FAILED: ")[0]
        assert words.format(port=closed_port) in message, said


# An attempt whose first steps fail has the same outcome for the sweep, without the tasks of a deployment.
FAILS_EARLY = {"__bench_cell_prepare": "{{ no_such_variable }}"}


def lay_out(folder, port):
    """Arguments of `play` for the check and the sweep's own play, with hosts behind a port on which nothing listens."""
    plays = [play for name in ("check_sweep", "preflight", "sweep") for play in load_playbook(f"playbooks/{name}.yml")]
    # Beside the real one, whose files it names: a copy of its folder.
    shutil.copytree(ROOT / "playbooks", folder / "lab/playbooks")
    for name in ("swarmsweep", "loadgen", "sampler", "plugins", "roles", "locustfiles", "app"):
        (folder / "lab" / name).symlink_to(ROOT / name)
    playbook = folder / "lab/playbooks/sweep.yml"
    playbook.write_text(yaml.safe_dump([play for play in plays if play["name"] in LOCAL_PLAYS]))
    (folder / "lost.yml").write_text(SWEEP)
    shutil.copytree(ROOT / "inventory/lab", folder / "inventory")
    host = {"ansible_host": "127.0.0.1", "ansible_port": port, "lab_machine_is_virtual": False}
    host["scenarios_accepted"] = {"packages": {}}
    groups = {"api": {"hosts": {"lab-api": host}}, "load": {"hosts": {"lab-load": host}}}
    (folder / "inventory/hosts.yml").write_text(json.dumps({"lab": {"children": groups}}))
    given = {"sweep": str(folder / "lost.yml"), "sweep_hosts": FACTS, "sweep_manager": MANAGER}
    given["sweep_packages"] = {}
    given |= {"lab_directory": str(folder / "own"), "lab_reports": str(folder / "reports")}
    return playbook, folder / "inventory", "-e", json.dumps(given)


def add_the_end(playbook):
    """Let the playbook end as a sweep does, which fails if cells were left out."""
    playbook.write_text(
        yaml.safe_dump(yaml.safe_load(playbook.read_text()) + load_playbook("playbooks/ended_early.yml"))
    )


@pytest.fixture
def lost(closed_port, tmp_path):
    return lay_out(tmp_path, closed_port)


@pytest.fixture(scope="module")
def first_sweep(play, closed_port, tmp_path_factory):
    """The folder of a sweep whose cells were lost twice each, and the finished process."""
    folder = tmp_path_factory.mktemp("first")
    done = play(*lay_out(folder, closed_port))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done


@pytest.fixture
def begun(lost, first_sweep, tmp_path):
    """The folder of that run, copied, so that a test may change it and resume it with the arguments `lost`."""
    for name in ("own", "reports"):
        shutil.copytree(first_sweep[0] / name, tmp_path / name, symlinks=True)
    (run,) = tmp_path.glob("reports/*-lost")
    return run


def test_lost_cells_are_retried_and_the_sweep_goes_on(play, lost, first_sweep, begun):
    _, done = first_sweep
    for number in (1, 2):
        assert f"\n{number}/2 r1-c0." in done.stdout
        assert f"\nagain {number}/2 r1-c0." in done.stdout
    assert "invalid attempts that are retried: 2" in done.stdout
    assert "invalid attempts that were retried: 2. Now: 2 invalid" in done.stdout
    # The line of each cell has the reason.
    assert done.stdout.count("invalid: the test bench failed: ") == 4
    for cell in ("r1-c0.1-m256M-w1", "r1-c0.2-m256M-w1"):
        row = json.loads((begun / "cells" / cell / "cell.json").read_text())
        assert row["status"] == "invalid"
        assert row["reason"].startswith("the test bench failed: ")
        assert [retry["attempt"] for retry in row["retries"]] == [1]
    # When the run is resumed, attempts that the bench broke are retried under the name of a retry. No third is kept.
    again = play(*lost, "-e", json.dumps(FAILS_EARLY | {"resume": begun.name}))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "attempts to measure: 0" in again.stdout
    assert "again 2/2 r1-c0." in again.stdout
    kept = {path.name.partition(".broken")[0] for path in begun.glob("cells/*/attempt-*")}
    assert kept == {"attempt-1", "attempt-1.retried-1"}


def test_a_check_has_one_cell_and_one_attempt_and_says_what_looks_wrong(play, lost, tmp_path):
    playbook, inventory, *given = lost
    parts = load_playbook("playbooks/check.yml")
    local = [part for part in parts if part.get("hosts") == "localhost"]
    imported = next(part for part in parts if part.get("import_playbook") == "sweep.yml")
    variables = {"sweep_is_check": True}
    assert imported["vars"] == variables | {"lab_reports": "{{ lab_directory }}/check"}
    sweep = [part | {"vars": part.get("vars", {}) | variables} for part in yaml.safe_load(playbook.read_text())]
    # An extra variable has precedence over lab_reports of the playbook.
    given[-1] = json.dumps(json.loads(given[-1]) | FAILS_EARLY | {"lab_reports": str(tmp_path / "own/check")})
    playbook.write_text(yaml.safe_dump([local[0], *sweep, *local[1:]]))
    (tmp_path / "own/check").mkdir(parents=True)
    (tmp_path / "own/check/of-the-last-check").touch()
    done = play(playbook, inventory, *given)
    assert done.returncode == 2
    assert "attempts to measure: 1," in done.stdout, done.stdout
    assert "retried" not in done.stdout
    (attempt,) = tmp_path.glob("own/check/*-check-lost/cells/*/attempt-*")
    assert attempt.parent.name == "r1-c0.1-m256M-w1"
    assert not (tmp_path / "own/check/of-the-last-check").exists()
    assert "r1-c0.1-m256M-w1, scenario predict.py, one user" in done.stdout
    said = printed(done.stdout)
    assert "FAILED: localhost failed in task: Name what looks wrong the test bench failed: " in said


def test_a_run_is_not_resumed_after_a_change_and_keeps_no_value_of_the_environment(play, lost, tmp_path):
    *command, given = lost
    given = json.loads(given) | {"lab_api_env": {"WORK": "hunter2"}, "lab_api_command": "serve --api-key hunter3"}
    token = tmp_path / "token"
    token.write_text("canary-5e9c1")
    given |= {"lab_api_secrets": {"API_TOKEN": str(token)}, "lab_api_secret_env": ["API_TOKEN"]}
    # One cell is enough.
    given |= {"sweep_only": "*-c0.2-*"}
    begun = play(*command, json.dumps(given), "-vvv")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert "canary" not in begun.stdout + begun.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path != token]
    assert len(kept) > 10
    assert [path for path in kept if b"canary" in path.read_bytes()] == []
    (run,) = tmp_path.glob("reports/*-lost")
    assert (tmp_path / "own/secrets/environment.key").stat().st_mode & 0o777 == 0o600
    assert "hunter" not in (run / "manifest.json").read_text()
    assert json.loads((run / "manifest.json").read_text())["api"]["lab_api_command"] == "serve --api-key '***'"
    token.write_text("canary-other")
    other = {"lab_api_env": {"WORK": "0.3"}, "lab_api_command": "serve --api-key hunter4", "resume": run.name}
    again = play(*command, json.dumps(given | other))
    assert again.returncode != 0
    said = printed(again.stdout)
    assert "variable WORK of lab_api_env: planned one value, now another value" in said
    assert "setting lab_api_command: planned one value, now another value" in said
    assert "setting lab_api_secrets API_TOKEN: planned lab_secret_" in said
    assert "1/2 r1-c0." not in said
    # Before any host is contacted: the file has other content than the plan.
    (tmp_path / "lost.yml").write_text(SWEEP.replace("users: 2,", "users: 1,"))
    check = play(command[0].with_name("check_sweep.yml"), *command[1:], json.dumps(given | {"resume": run.name}))
    assert check.returncode != 0
    assert "- load.users: planned 2, now 1" in check.stdout


# The summary and the API are those of a good sweep. Only the end reports that cells were not measured.
def test_a_sweep_whose_load_left_the_lab_fails_at_its_end(play, lost):
    playbook, inventory, *given = lost
    reason = "5 to http://a:80. Serve"
    (end,) = load_playbook("playbooks/ended_early.yml")
    # The first is the end of a sweep whose load did not leave the lab.
    playbook.write_text(yaml.safe_dump([end, end | {"vars": end.get("vars", {}) | {"bench_cell_left_lab": reason}}]))
    done = play(playbook, inventory, *given)
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    words = "The sweep ended early. The summary has only the cells that were measured before: "
    assert said.count(words) == 1 and words + reason in said


# The names of the cells come from the module that judged the cell before.
def test_cells_that_would_fail_in_the_same_way_are_left_out(play, lost, tmp_path):
    playbook, inventory, *given = lost
    add_the_end(playbook)
    known = {"bench_cell_left_out": ["r1-c0.2-m256M-w1"]}
    known["sweep_outcome"] = {"outcome": "3 attempts were not measured"}
    done = play(playbook, inventory, *given, "-e", json.dumps(FAILS_EARLY | known))
    assert done.returncode == 2, done.stdout + done.stderr
    assert [path.parent.name for path in tmp_path.glob("reports/*-lost/cells/*/attempt-1")] == ["r1-c0.1-m256M-w1"]
    assert "The sweep ended early. 3 attempts were not measured" in " ".join(done.stdout.split())


# What the role found when it renewed the lock.
LOST = {"bench_cell_lock": {"lost": "Another command took its lock."}}


def test_a_sweep_that_lost_the_lab_deploys_nothing_and_says_how_to_go_on(play, lost, tmp_path):
    done = play(*lost, "-e", json.dumps(LOST))
    assert done.returncode != 0
    said = printed(done.stdout)
    (run,) = tmp_path.glob("reports/*-lost")
    assert (
        "Another command took its lock. No cell was measured, so no summary was written. "
        f"To resume the sweep, run: ./lab sweep -e resume={run.name}" in said
    )
    assert not list(run.glob("cells/*/attempt-1"))


def test_the_secrets_of_the_command_that_took_the_lab_stay(play, tmp_path):
    (plan,) = [part for part in load_playbook("playbooks/sweep.yml") if part["name"] == LOCAL_PLAYS[-1]]
    (measure,) = [task for task in plan["tasks"] if "always" in task]
    cases = {"taken": LOST, "kept": {"bench_cell_lock": {"lost": ""}}, "not renewed": {}}
    book = []
    for name, known in cases.items():
        (tmp_path / "secrets" / name).mkdir(parents=True)
        given = {"bench_cell_secrets_directory": str(tmp_path / "secrets" / name)}
        given["sweep_checked"] = {"secrets": [{"name": "TOKEN"}]}
        book.append({"hosts": "localhost", "vars": given | known, "tasks": measure["always"]})
    (tmp_path / "play.yml").write_text(json.dumps(book))
    host = {"ansible_connection": "local", "ansible_become": False}
    (tmp_path / "hosts.yml").write_text(json.dumps({"load": {"hosts": {"lab-load": host}}}))
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["taken"]


def test_cells_that_do_not_match_are_left_out_and_the_sweep_ends_well(play, lost, tmp_path):
    playbook, inventory, *given = lost
    add_the_end(playbook)
    given = [*given, "-e", json.dumps(FAILS_EARLY)]
    done = play(playbook, inventory, *given, "-e", json.dumps({"sweep_only": "*-c0.2-*"}))
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = tmp_path.glob("reports/*-lost")
    assert {path.parent.name for path in run.glob("cells/*/attempt-1")} == {"r1-c0.2-m256M-w1"}
    said = printed(done.stdout)
    assert "attempts to measure: 1, in about" in said and "1/1 r1-c0.2-m256M-w1" in said
    assert "Left out: 1 attempt of cells that do not match --only '*-c0.2-*'." in said
    assert f"To measure the rest, run: ./lab sweep -e resume={run.name}" in said
    rest = play(playbook, inventory, *given, "-e", f"resume={run.name}")
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert {path.parent.name for path in run.glob("cells/*/attempt-1")} == {"r1-c0.1-m256M-w1", "r1-c0.2-m256M-w1"}


# The deadline of the role has passed long ago on this clock. That of the retries is still far.
def test_a_step_that_would_end_too_late_does_not_begin(play, lost, tmp_path):
    playbook, inventory, *given = lost
    late = {"sweep_max_minutes": 600, "bench_cell_deadline_seconds": 1}
    done = play(playbook, inventory, *given, "-e", json.dumps(late))
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = tmp_path.glob("reports/*-lost")
    assert not list(run.glob("cells/*/attempt-1"))
    said = printed(done.stdout)
    assert "Left out: 2 attempts that could not end within --max-minutes 600." in said


# An attempt without a retry stays as it is.
def test_an_invalid_attempt_is_not_set_aside_where_its_retry_would_end_too_late(play, lost, begun):
    playbook, inventory, *given = lost
    for folder in begun.glob("cells/*/attempt-1.retried-1"):
        shutil.rmtree(folder)
    for harness in begun.glob("cells/*/attempt-1/harness.json"):
        harness.unlink()
    # The tasks of a retry with a deadline that has passed.
    retry = playbook.with_name("tasks") / "retry.yml"
    retry.write_text(retry.read_text().replace("sweep_plan.deadline_seconds | default(0, true)", "1"))
    playbook.write_text(playbook.read_text().replace("sweep_plan.deadline_seconds | default(0, true)", "1"))
    late = {"sweep_max_minutes": 600, "resume": begun.name}
    done = play(playbook, inventory, *given, "-e", json.dumps(late))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(begun.glob("cells/*/attempt-1.retried-1"))
    assert len(list(begun.glob("cells/*/attempt-1/trial.json"))) == 2
    said = " ".join(done.stdout.split())
    assert "invalid attempts: 2. No retry of them would end within --max-minutes 600" in said
    assert "that are retried" not in said
    assert "Left out: 2 invalid attempts without a retry." in said


# The evidence is as a load host leaves it. The run cannot be planned, and its scenarios cannot be copied again.
def test_a_run_whose_load_left_the_lab_is_not_resumed(play, lost, begun):
    locust = begun / "cells/r1-c0.2-m256M-w1/attempt-1/locust"
    locust.mkdir()
    (locust / "worker-lab-load-0.json").write_text(json.dumps({"left_lab": {"http://example.com:80": 7}}))
    before = (begun / "manifest.json").read_text()
    again = play(*lost, "-e", f"resume={begun.name}")
    assert again.returncode == 2
    said = printed(again.stdout)
    assert "ended at r1-c0.2-m256M-w1" in said
    assert "7 to http://example.com:80" in said
    assert (begun / "manifest.json").read_text() == before


def test_a_phase_has_one_line_where_nothing_is_retried(play, lost, begun):
    for harness in begun.glob("cells/*/attempt-1/harness.json"):
        harness.unlink()
    for path in [*begun.glob("cells/*/attempt-1/trial.json"), *begun.glob("cells/*/cell.json")]:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed", "reason": "it died"}))
    again = play(*lost, "-e", f"resume={begun.name}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "attempts to measure: 0" in again.stdout
    assert again.stdout.count("  Measure the cells ... ") == 1
    assert "Retry invalid attempts" not in again.stdout


# After a full disk or a locked folder, the step that records the failure fails as well.
def test_a_step_that_ends_the_sweep_leaves_the_summary_of_what_was_measured(play, lost, begun, tmp_path):
    # The first cell was measured, and died. The second was not measured yet.
    done, cell = begun / "cells/r1-c0.1-m256M-w1", begun / "cells/r1-c0.2-m256M-w1"
    (done / "attempt-1/harness.json").unlink()
    for path in (done / "attempt-1/trial.json", done / "cell.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed", "reason": "it died"}))
    shutil.rmtree(cell)
    cell.mkdir()
    (cell / "attempt-1").symlink_to(tmp_path / "nowhere/attempt")
    for path in [tmp_path / "reports/summary.md", *begun.glob("summary.*")]:
        path.unlink(missing_ok=True)
    again = play(*lost, "-e", json.dumps(FAILS_EARLY | {"resume": begun.name}))
    assert again.returncode != 0
    said = printed(again.stdout)
    assert "1 of 2 cells" in said and f"{begun.resolve()}/summary.md" in said
    assert f"./lab sweep -e resume={begun.name}" in said
    assert "failed: it died" in (begun / "summary.md").read_text()
    assert begun.name in (tmp_path / "reports/summary.md").read_text()
