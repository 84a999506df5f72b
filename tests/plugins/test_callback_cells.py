"""What a user sees of the cells of a sweep."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path

import pytest

from tests.plugins.playing import play, play_in_terminal, screen

SWEEP = """\
name: toy
slo: {p95_ms: 100}
load: {users: 40, spawn_rate: 40, measure_seconds: 1, warmup_seconds: 0}
matrix: {replicas: [1], cpus: [0.1, 0.2], memory: [256M], workers: [1]}
seed: 7
"""
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}
# The same kinds of tasks as in the role: a loop, a skipped task, a changing one, a file of tasks, a verdict.
CELL = """\
- name: Deploy | Make the folder
  ansible.builtin.file: {path: "{{ sweep_step.folder }}", state: directory, mode: "0755"}
- name: Load | Do nothing
  ansible.builtin.command: "true"
  loop: [1, 2]
- name: Load | Leave this out
  ansible.builtin.debug: {msg: never}
  when: false
- name: Load | Take longer
  ansible.builtin.command: sleep {{ nap }}
  when: nap is defined
- name: Load | Break here
  ansible.builtin.command: "false"
  when: breaks is defined
- name: Load | Warn
  ansible.builtin.debug: {msg: "{{ 'x' | noisy }}"}
  when: warns is defined
- name: Read its outcome
  ansible.builtin.include_tasks: after.yml
"""
AFTER = """\
- name: Judge it
  sweep:
    do: harness_failure
    run: "{{ plan.run }}"
    cell_id: "{{ sweep_step.cell_id }}"
    attempt: "{{ sweep_step.attempt }}"
    one_user: "{{ check_only | default(false) }}"
    reason: nothing was measured
- name: Show the outcome
  ansible.builtin.debug: {msg: shown by default}
"""
AGAIN = """\
- name: Keep the first attempt
  sweep:
    do: set_aside
    run: "{{ plan.run }}"
    cell_id: "{{ sweep_step.cell_id }}"
    attempt: "{{ sweep_step.attempt }}"
- name: Measure it
  ansible.builtin.include_tasks: cell.yml
"""
PLAYS = """\
- name: Before
  hosts: localhost
  tasks:
    - name: Change something
      ansible.builtin.command: "true"
- name: The sweep
  hosts: localhost
  tasks:
    - name: Check it
      sweep: {do: check, path: "{{ playbook_dir }}/toy.yml"}
      register: checked
    - name: Plan it
      sweep:
        do: plan
        sweep: "{{ checked.sweep }}"
        hosts: "{{ lab_hosts }}"
        reports: "{{ playbook_dir }}/reports"
        colocated: false
        manifest: {}
        environment: {}
        environment_key: "{{ playbook_dir }}/environment.key"
      register: plan
    - name: Measure each cell
      ansible.builtin.include_tasks: cell.yml
      loop: "{{ plan.steps }}"
      loop_control: {loop_var: sweep_step, label: "{{ sweep_step.cell_id }}"}
    - name: List which were invalid
      sweep: {do: retries, run: "{{ plan.run }}"}
      register: second
    - name: Retry them
      ansible.builtin.include_tasks: again.yml
      loop: "{{ second.steps }}"
      loop_control: {loop_var: sweep_step, label: "{{ sweep_step.cell_id }}"}
    - name: List which are invalid after the retries
      sweep: {do: retries, run: "{{ plan.run }}"}
    - name: Show the end
      ansible.builtin.debug: {msg: {kept: [as, yaml]}}
"""
NOISY = """\
from ansible.utils.display import Display
class FilterModule:
    def filters(self):
        return {"noisy": lambda value: Display().warning("mind this") or value}
"""
# Of a sweep of one cell, for what is about each cell.
ONE_CELL = SWEEP.replace("[0.1, 0.2]", "[0.1]")
CELL_LINE = re.compile(
    r"(again )?(\d)/[12] r1-c0\.\d-m256M-w1: invalid: [^;]*nothing was measured(; [\w ]+ left, until [\w: ]+)?"
)


def make_toy(folder: Path, sweep: str = SWEEP) -> Path:
    """A playbook of a sweep, with a play before its cells and a pass over what was invalid after them."""
    files = {"toy": sweep, "cell": CELL, "after": AFTER, "again": AGAIN, "play": PLAYS}
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(content)
    (folder / "filter_plugins").mkdir()
    (folder / "filter_plugins/noisy.py").write_text(NOISY)
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "lab_hosts": HOSTS}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"localhost": own}}}))
    return folder


@pytest.fixture
def toy(tmp_path) -> Path:
    return make_toy(tmp_path)


@pytest.fixture
def one_cell(tmp_path) -> Path:
    return make_toy(tmp_path, ONE_CELL)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> tuple[Path, int, str, str]:
    """Folder, exit code, output and errors of a play without a terminal."""
    folder = make_toy(tmp_path_factory.mktemp("plain"))
    return folder, *play(folder)


def cell_lines(lines: list[str]) -> list[re.Match]:
    return [found for line in lines if (found := CELL_LINE.fullmatch(line))]


def test_a_cell_is_one_line_within_its_phase(plain):
    _, code, out, err = plain
    assert (code, err) == (0, "")
    lines = out.splitlines()
    cells = cell_lines(lines)
    assert [(found[1], found[2]) for found in cells] == [(None, "1"), (None, "2"), ("again ", "1"), ("again ", "2")]
    # Time is left after the last cell of the first pass, because of the retries. None is left at the end.
    assert [bool(found[3]) for found in cells] == [True, True, True, False]
    rest = [re.sub(r"(\d+ min )?\d+ s\b", "N s", line) for line in lines if not CELL_LINE.fullmatch(line)]
    assert rest == [
        "  Before ... N s, 1 changed",
        "  The sweep ... N s, 8 changed",
        # Values that are not text are YAML.
        *("  msg:", "      kept:", "      - as", "      - yaml"),
        "done in N s: 34 tasks, 9 changed",
    ]


def test_the_line_of_a_check_has_no_pace_and_with_v_everything_is_shown(one_cell):
    """A check has one cell, and neither a best cell nor a retry."""
    code, out, _ = play(one_cell, "-v", "-e", "{check_only: true}")
    assert code == 0
    assert out.count("TASK [Deploy | Make the folder]") == 2
    assert out.count("shown by default") == 2
    cells = cell_lines(out.splitlines())
    assert len(cells) == 2
    assert not any(found[3] for found in cells)


def test_nothing_moves_without_a_terminal(plain):
    assert not set("\r\x1b") & set(plain[2])
    assert "measuring" not in plain[2]


def test_the_seconds_of_tasks_are_kept(plain):
    found = sorted(plain[0].glob("reports/*/cells/*/attempt-1*/tasks.jsonl"))
    assert len(found) == 4
    own = re.findall("name: (.*)", CELL + AFTER)
    for path in found:
        tasks = [json.loads(line) for line in path.read_text().splitlines()]
        second = "retried" not in path.parent.name
        assert [task["name"] for task in tasks] == (["Keep the first attempt", "Measure it", *own] if second else own)
        assert all(set(task) == {"name", "started", "seconds"} and task["seconds"] >= 0 for task in tasks)
        starts = [task["started"] for task in tasks]
        assert starts == sorted(starts)


def test_a_task_of_a_cell_that_fails_is_named_once(toy):
    code, out, _ = play(toy, "-e", "breaks=1")
    assert code == 2
    lines = out.splitlines()
    assert lines.count("FAILED: localhost failed in task: Load | Break here") == 1
    assert "  The command ended with exit code 1." in lines
    assert not [line for line in lines if "Do nothing" in line]
    assert progress_of(toy)["state"] == "failed"


def test_a_terminal_sees_something_move_and_warnings_on_lines_of_their_own(one_cell):
    seen = play_in_terminal(one_cell, "-e", "nap=2.5", "-e", "warns=1")
    moving = re.findall(r"\rmeasuring r1-c0\.\d-m256M-w1: load, (\d+) s of about \d+ s\x1b\[K", seen)
    assert len(set(moving)) >= 2
    stays = screen(seen)
    assert any(line.startswith("[WARNING]: mind this") for line in stays)
    assert not [line for line in stays if "measuring" in line]
    assert len(cell_lines(stays)) == 2
    assert any(line.startswith("done in ") for line in stays)


def progress_of(folder: Path) -> dict:
    (path,) = folder.glob("reports/*/progress.json")
    return json.loads(path.read_text())


def test_progress_json_has_the_end_of_the_sweep(plain):
    progress = progress_of(plain[0])
    assert (progress["state"], progress["sweep"]) == ("ended", "toy")
    assert (progress["now"], progress["seconds_left"]) == (None, 0)
    # Of the last pass with attempts: the retries.
    assert (progress["steps"], progress["steps_done"]) == (2, 2)
    assert [cell["status"] for cell in progress["cells"]] == ["invalid", "invalid"]
    assert progress["best"] is None
    assert progress["last"].startswith("again 2/2 r1-c0.")
    assert CELL_LINE.fullmatch(progress["last"])


def test_progress_json_of_a_sweep_that_failed_with_v(toy):
    assert play(toy, "-e", "breaks=1", "-v")[0] == 2
    assert progress_of(toy)["state"] == "failed"


def test_progress_json_shows_what_runs_and_an_interruption(toy):
    seen = []

    def is_loading(_: str) -> bool:
        with contextlib.suppress(ValueError):
            seen.append(progress_of(toy)["now"])
        return bool(seen and seen[-1] and seen[-1]["phase"] == "load")

    play_in_terminal(toy, "-e", "nap=30", interrupt_at=is_loading)
    assert seen[-1]["cell_id"].startswith("r1-c0.")
    assert (seen[-1]["position"], seen[-1]["of"], seen[-1]["is_retry"]) == (1, 2, False)
    progress = progress_of(toy)
    assert (progress["state"], progress["now"]) == ("interrupted", None)
