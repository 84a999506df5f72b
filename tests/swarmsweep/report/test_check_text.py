"""What ./lab check prints of an attempt, and what it says looks wrong."""

import json
from pathlib import Path

import pytest

from swarmsweep.lab.lab_command import commands_like
from swarmsweep.report.check_text import check_sentence, check_text
from swarmsweep.results.measure import measure_attempt
from tests.swarmsweep.run_folder import MIB, Run, Traffic, put

SWEEP = b"""\
name: check-mine
slo: {p95_ms: 100, max_failure_percent: 1}
load: {users: 1, spawn_rate: 1, warmup_seconds: 0, measure_seconds: 12, wait_seconds: [1, 1], locustfile: mine.py}
cells: [{replicas: 1, cpus: 0.5, memory: 256M, workers: 1}]
"""
CELL = "r1-c0.5-m256M-w1"
FIRST = {
    "schema": 1, "name": "/predict", "method": "POST", "url": "http://192.0.2.1:8080/predict", "status": 200,
    "content_type": "application/json", "size_bytes": 31, "start": '{"prediction": "good"}', "latency_ms": 12.25,
    "error": None,
}  # fmt: skip
MANIFEST = {
    "commands": ["ansible-playbook playbooks/check.yml -i inventory/mine -e sweep=sweeps/mine.yml"],
    "images": {"api": "my-api:1 sha256:0123"},
}
SOUND = {"latencies_ms": [10.0] * 12, "think_ms": 1000.0, "outside": 3, "server_processes": 1}


def checked(
    folder: Path,
    first: dict | None = None,
    ready_seconds: float = 3.25,
    of_task: dict | None = None,
    workers: int = 1,
    **traffic,
) -> tuple[list[str], list]:
    """The lines and the problems of an attempt."""
    run = Run(folder, SWEEP.replace(b"workers: 1}", f"workers: {workers}}}".encode()))
    cell = CELL.replace("-w1", f"-w{workers}")
    attempt = run.record(cell, Traffic(**(SOUND | traffic)))
    deploy = attempt / "deploy.json"
    put(deploy, {"schema": 1, "status": "ready", "containers": run.containers(cell), "ready_seconds": ready_seconds})
    if first is not None:
        put(attempt / "locust/first-lab-load-0.json", FIRST | first)
    if of_task is not None:
        put(attempt / "locust/task-first-lab-load-0.json", FIRST | of_task)
    put(run.dir / "manifest.json", MANIFEST)
    measure_attempt(run.dir, cell, 1)
    text = check_text(run.dir, 120)
    assert text.deployed
    return text.lines, text.problems


def test_a_sound_api(tmp_path):
    lines, problems = checked(tmp_path, {})
    assert problems == []
    assert lines == [
        f"{CELL}, scenario mine.py, one user",
        "  inventory       inventory/mine",
        "  image           my-api:1",
        "  ready           after 3.25 s",
        "  first response  POST /predict: status 200, application/json, 31 B, 12.2 ms",
        '                  {"prediction": "good"}',
        "  requests        12, of which 0 failed, median 10.0 ms",
        "  memory          120 MiB at most, of 256M",
        "  processes       serving the port in each replica: 1 (the cell says workers: 1)",
    ]


def test_a_login_does_not_hide_the_first_response_of_a_task(tmp_path):
    login = {"name": "/login", "start": '{"user": "ada"}', "is_setup": True}
    lines, problems = checked(tmp_path, login, of_task={"status": 404})
    assert lines[4:7] == [
        "  first response  POST /login: status 200, application/json, 31 B, 12.2 ms",
        '                  {"user": "ada"}',
        "  first of a task POST /predict: status 404, application/json, 31 B, 12.2 ms",
    ]
    assert problems == ["POST /predict returned status 404. Compare path, method and body with those of the API"]


def test_the_first_request_of_a_task_without_a_response_is_a_problem(tmp_path):
    _, problems = checked(tmp_path, {"is_setup": True}, of_task=NO_RESPONSE)
    assert problems == ["The first request of a task got no response: refused"]


def test_a_request_without_a_response_is_named_once(tmp_path):
    _, problems = checked(tmp_path, NO_RESPONSE, of_task=NO_RESPONSE)
    assert problems == ["The first request got no response: refused"]


def test_the_inventories_that_ansible_read_are_named(tmp_path):
    """Those of ansible.cfg are not in the command. The manifest hides a path that is not known to be harmless."""
    run = Run(tmp_path, SWEEP)
    put(run.dir / "manifest.json", MANIFEST | {"commands": ["ansible-playbook playbooks/check.yml -i '***'"]})
    run.record_death(CELL, "not_ready", "not ready: replica 1 listens on 5000; lab_api_port is 8000")
    measure_attempt(run.dir, CELL, 1)
    text = check_text(run.dir, 120, commands_like(["x"], ["inventory/a@b", "h1,h2"]))
    assert "  inventory       inventory/a@b, h1,h2" in text.lines
    assert text.problems[-1].endswith("(inventory/a@b/group_vars/all/lab.yml)")
    hidden = check_text(run.dir, 120)
    assert "  inventory       ***" in hidden.lines
    assert hidden.problems[-1].endswith("(the inventory)")


def test_a_task_without_a_request_is_shown_after_a_login(tmp_path):
    lines, _ = checked(tmp_path, {"is_setup": True})
    assert "  first of a task not measured" in lines


def test_one_response_is_shown_once(tmp_path):
    lines, _ = checked(tmp_path, {"is_setup": False}, of_task={})
    assert sum("POST /predict" in line for line in lines) == 1


def test_redirects_that_were_followed_are_shown(tmp_path):
    """Each of the 15 requests, of which three were outside of the window, went to /predict and then to /predict/."""
    run = Run(tmp_path, SWEEP)
    attempt = run.record(CELL, Traffic(**SOUND, haproxy_extra=15))
    worker = attempt / "locust/worker-lab-load-0.json"
    sent = {"sent": 30, "redirects": 15, "retries": 0, "other_sends": 0, "own_timings": 0}
    put(worker, json.loads(worker.read_text()) | sent)
    measure_attempt(run.dir, CELL, 1)
    text = check_text(run.dir, 120)
    shown = "  redirects       15 followed. To measure one request, write the final path into the locustfile"
    assert shown in text.lines
    assert text.problems == []


NO_RESPONSE = {"status": None, "content_type": None, "size_bytes": None, "start": "", "error": "refused"}


def test_both_ways_to_make_the_number_of_workers_right_are_named(tmp_path):
    """With lab_api_workers_env: "", the image sets the number, and no variable helps."""
    _, (problem,) = checked(tmp_path, {}, server_processes=4)
    assert "lab_api_workers_env" in problem and problem.endswith("Or write workers: 4 in the sweep file")


def test_a_single_process_is_one(tmp_path):
    _, (problem,) = checked(tmp_path, {}, workers=2)
    assert problem.startswith("1 server process runs, and the cell says workers: 2. ")


@pytest.mark.parametrize(
    ("first", "traffic", "problem"),
    [
        ({"status": 404}, {}, "POST /predict returned status 404. Compare path, method and body with those of the API"),
        ({"size_bytes": 0, "start": ""}, {}, "POST /predict returned an empty body"),
        ({"content_type": "text/html; charset=utf-8"}, {}, "POST /predict returned a page of HTML."),
        (NO_RESPONSE, {}, "The first request got no response: refused"),
        ({}, {"failures": 3}, "3 of 12 requests failed"),
        ({}, {"raised": {"KeyError: 'label'": 4}}, "A task raised KeyError: 'label' (4 times)"),
        ({}, {"raised": {"KeyError: 'API_TOKEN' (in on_start)": 2}}, "If API_TOKEN is a variable of the environment,"),
        ({}, {"memory_peak_bytes": 250 * MIB}, "Memory is at 98 % of the limit with one user."),
        ({}, {"server_processes": 4}, "4 server processes run, and the cell says workers: 1."),
        ({}, {"ready_seconds": 80.0}, "The API took 80 s of 120 s to start. Set lab_api_ready_timeout_seconds higher"),
    ],
)
def test_what_looks_wrong(tmp_path, first, traffic, problem):
    _, problems = checked(tmp_path, first, **traffic)
    assert any(found.startswith(problem) for found in problems), problems


def test_a_response_cannot_move_the_cursor(tmp_path):
    lines, _ = checked(tmp_path, {"start": "\x1b[2Ja\r\nb" + 500 * "c", "content_type": "a\x07"})
    assert r"\x1b[2Ja\r\nbccc" in lines[5]
    assert lines[5].endswith(" ...")
    assert all(line.isprintable() for line in lines)


def test_an_api_that_never_started(tmp_path):
    run = Run(tmp_path, SWEEP)
    run.record_death(CELL, "not_ready", "not ready after 120 s: GET /ready returned 404")
    measure_attempt(run.dir, CELL, 1)
    text = check_text(run.dir, 120)
    assert not text.deployed
    assert len(text.problems) == 1
    assert "GET /ready returned 404" in text.problems[0]
    assert "  last lines of the log:" in text.lines
    assert "  first response  not measured" in text.lines
    assert all(line.isprintable() for line in text.lines)


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        (
            "replica 1 exited with code 0 (it ended by itself); 2 times",
            "set lab_api_command to the command that starts",
        ),
        ("replica 1 was rejected by its node: No command specified", "set lab_api_command"),
        ("not ready: GET /ready (Host: api) got status 401 from api-1", "set lab_api_ready_path to a path without a"),
        ("not ready: replica 1 listens on 5000; lab_api_port is 8000", "set lab_api_port"),
        (
            "replica 1 needed more than its memory limit of 32M: killed (exit 137, OOM)",
            "set a larger memory in the sweep",
        ),
        # Its log shows which of the usual causes it was.
        ("replica 1 exited with code 1 (error)", None),
    ],
)
def test_an_api_that_did_not_start_has_the_setting_that_helps(tmp_path, reason, fix):
    run = Run(tmp_path, SWEEP)
    put(run.dir / "manifest.json", MANIFEST)
    run.record_death(CELL, "crash", reason)
    measure_attempt(run.dir, CELL, 1)
    first, *more = check_text(run.dir, 120).problems
    assert reason in first
    assert [text.startswith(f"Fix: {fix}") for text in more] == ([] if fix is None else [True])
    # The file that was read.
    assert not [text for text in more if "lab_api" in text and "(inventory/mine/group_vars/all/lab.yml)" not in text]


def test_a_load_that_did_not_run(tmp_path):
    run = Run(tmp_path, SWEEP)
    put(run.attempt(CELL) / "harness.json", {"schema": 1, "reason": "lab-load could not be reached"})
    row = measure_attempt(run.dir, CELL, 1)
    (problem,) = check_text(run.dir, 120).problems
    assert "lab-load could not be reached" in problem
    assert check_sentence(row) == f"invalid: {row.reason}"


def test_a_few_requests_get_no_judgement_of_a_load(tmp_path):
    """Figures that would make a load invalid, such as a busy machine, say nothing about an API that responds."""
    run = Run(tmp_path, SWEEP)
    run.record(CELL, Traffic(**SOUND, worker_cpu_percent=97.0))
    row = measure_attempt(run.dir, CELL, 1)
    assert row.status == "invalid" and "busiest Locust worker" in (row.reason or "")
    assert check_text(run.dir, 120).problems == []
    assert check_sentence(row) == "12 requests, of which 0 failed"


def test_a_load_that_failed_on_a_busy_host_is_named(tmp_path):
    """The busy host fails a check of its own, which says nothing about an API. It hides no other reason."""
    run = Run(tmp_path, SWEEP)
    attempt = run.record(CELL, Traffic(**SOUND, worker_cpu_percent=97.0))
    put(attempt / "units/units-lab-load.json", {"schema": 1, "ended_badly": {"locust-worker-0": "oom-kill"}})
    row = measure_attempt(run.dir, CELL, 1)
    assert check_sentence(row) == f"invalid: {row.reason}"
    assert check_text(run.dir, 120).problems == ["the systemd unit locust-worker-0 of the load failed: oom-kill"]
