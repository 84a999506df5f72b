"""What a user sees of a sweep: ansible-playbook on this machine, with the settings of the repository."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "sweep_progress"
SWEEP = """\
name: toy
slo: {p95_ms: 100}
load: {users: 40, spawn_rate: 40, measure_seconds: 1, warmup_seconds: 0}
matrix: {replicas: [1], cpus: [0.1, 0.2], memory: [256M], workers: [1]}
seed: 7
"""
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}
# In kind what the role has: a loop, a task that is skipped, one that changes something, a file of tasks, a verdict.
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
  ansible.builtin.command: sleep {{ nap | default(0) }}
- name: Load | Break here
  ansible.builtin.command: "{{ 'false' if breaks is defined else 'true' }}"
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
    reason: nothing was measured
- name: Say how it went
  ansible.builtin.debug: {msg: told by default}
"""
AGAIN = """\
- name: Keep the first try
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
    - name: Plan it
      sweep:
        do: plan
        path: "{{ playbook_dir }}/toy.yml"
        hosts: "{{ lab_hosts }}"
        reports: "{{ playbook_dir }}/reports"
        colocated: false
        manifest: {}
      register: plan
    - name: Measure each cell
      ansible.builtin.include_tasks: cell.yml
      loop: "{{ plan.steps }}"
      loop_control: {loop_var: sweep_step, label: "{{ sweep_step.cell_id }}"}
    - name: Ask which were invalid
      sweep: {do: retries, run: "{{ plan.run }}"}
      register: second
    - name: Measure them once more
      ansible.builtin.include_tasks: again.yml
      loop: "{{ second.steps }}"
      loop_control: {loop_var: sweep_step, label: "{{ sweep_step.cell_id }}"}
    - name: Say the end
      ansible.builtin.debug: {msg: {kept: [as, yaml]}}
"""
NOISY = """\
from ansible.utils.display import Display
class FilterModule:
    def filters(self):
        return {"noisy": lambda value: Display().warning("mind this") or value}
"""
CELL_LINE = re.compile(
    r"(again )?(\d)/2 r1-c0\.\d-m256M-w1: invalid: [^;]*nothing was measured(; [\w ]+ left, until [\w: ]+)?"
)


def make_toy(folder: Path) -> Path:
    """A playbook of two cells, with a play before them and a pass over what was invalid after them."""
    files = {"toy": SWEEP, "cell": CELL, "after": AFTER, "again": AGAIN, "play": PLAYS}
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


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> tuple[Path, int, str, str]:
    """Folder, exit code, output and errors of a play without a terminal."""
    folder = make_toy(tmp_path_factory.mktemp("plain"))
    return folder, *play(folder)


def command(toy: Path, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "-i",
        str(toy / "hosts.json"),
        str(toy / "play.yml"),
        *arguments,
    ]


def environment(toy: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(toy / "tmp")}
    own |= {"ANSIBLE_REMOTE_TEMP": str(toy / "tmp"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "160"}
    return kept | own | more


def play(toy: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command(toy, *arguments), cwd=ROOT, env=environment(toy, **more), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def play_in_terminal(toy: Path, *arguments: str) -> str:
    """What a terminal gets, bytes as they are."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        command(toy, *arguments), cwd=ROOT, env=environment(toy), stdin=subprocess.DEVNULL, stdout=end, stderr=end
    ):
        os.close(end)
        parts = []
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode().replace("\r\n", "\n")


def screen(text: str) -> list[str]:
    """The lines that stay: what is written over or erased is gone."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            column = 0
            for number, piece in enumerate(part.split("\x1b[K")):
                rest = "" if number else shown[column + len(piece) :]
                shown, column = shown[:column] + piece + rest, column + len(piece)
        lines.append(shown)
    return lines


def cell_lines(lines: list[str]) -> list[re.Match]:
    return [found for line in lines if (found := CELL_LINE.fullmatch(line))]


def test_a_cell_is_one_line_and_the_rest_is_as_ever(plain):
    _, code, out, err = plain
    assert (code, err) == (0, "")
    cells = cell_lines(out.splitlines())
    assert [(found[1], found[2]) for found in cells] == [(None, "1"), (None, "2"), ("again ", "1"), ("again ", "2")]
    # Time is left after the last of the first pass too, as its trials are made again; not when all is over.
    assert [bool(found[3]) for found in cells] == [True, True, True, False]
    told = [line.rstrip() for line in out.splitlines() if line and not CELL_LINE.fullmatch(line)]
    assert re.findall(r"(?:PLAY|TASK) \[(.*)\]", "\n".join(told)) == [
        "Before",
        "Change something",
        "The sweep",
        "Plan it",
        "Measure each cell",
        "Ask which were invalid",
        "Measure them once more",
        "Say the end",
    ]
    rest = [line for line in told if not line.startswith(("PLAY", "TASK", "localhost"))]
    # Results are YAML.
    shown = ["changed: [localhost]", "ok: [localhost]", "ok: [localhost]", "ok: [localhost] =>"]
    assert rest == [*shown, "    msg:", "        kept:", "        - as", "        - yaml"]


def test_nothing_moves_where_nobody_looks(plain):
    assert not set("\r\x1b") & set(plain[2])
    assert "measuring" not in plain[2]


def test_what_the_tasks_took_is_kept(plain):
    found = sorted(plain[0].glob("reports/*/cells/*/attempt-1*/tasks.jsonl"))
    assert len(found) == 4
    own = re.findall("name: (.*)", CELL + AFTER)
    for path in found:
        tasks = [json.loads(line) for line in path.read_text().splitlines()]
        second = "retried" not in path.parent.name
        assert [task["name"] for task in tasks] == (["Keep the first try", "Measure it", *own] if second else own)
        assert all(set(task) == {"name", "started", "seconds"} and task["seconds"] >= 0 for task in tasks)
        starts = [task["started"] for task in tasks]
        assert starts == sorted(starts)


def test_with_v_everything_is_shown(toy):
    _, out, _ = play(toy, "-v")
    assert out.count("TASK [Deploy | Make the folder]") == 4
    assert out.count("told by default") == 4
    assert len(cell_lines(out.splitlines())) == 4


def test_a_task_that_fails_is_shown_as_ever(toy):
    by_callback = {name: play(toy, "-e", "breaks=1", ANSIBLE_STDOUT_CALLBACK=name) for name in (NAME, "default")}
    failures = {name: out[out.index("TASK [Load | Break here]") :] for name, (_, out, _) in by_callback.items()}
    assert [code for code, *_ in by_callback.values()] == [2, 2]
    assert "fatal: [localhost]: FAILED! =>" in failures[NAME]
    assert "non-zero return code" in failures[NAME]
    # But for the times that the command took.
    same = {name: re.sub(r"\d[\d:.-]+", "", text) for name, text in failures.items()}
    assert same[NAME] == same["default"]
    assert "Do nothing" not in by_callback[NAME][1]


def test_a_terminal_sees_something_move_and_warnings_on_lines_of_their_own(toy):
    seen = play_in_terminal(toy, "-e", "nap=2.5", "-e", "warns=1")
    moving = re.findall(r"\rmeasuring r1-c0\.\d-m256M-w1: load, (\d+) s of about \d+ s\x1b\[K", seen)
    assert len(set(moving)) >= 2
    stays = screen(seen)
    assert any(line.startswith("[WARNING]: mind this") for line in stays)
    assert not [line for line in stays if "measuring" in line]
    assert len(cell_lines(stays)) == 4
    assert any(line.startswith("PLAY RECAP") for line in stays)
