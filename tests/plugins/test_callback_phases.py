"""What a user sees of any playbook: its phases, its failures, and where to find more."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.plugins.playing import play, play_in_terminal, screen

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
# Port 1 of loopback refuses connections.
GONE = {"ansible_host": "127.0.0.1", "ansible_port": 1}
HOSTS = {"all": {"hosts": {"localhost": LOCAL, "near": LOCAL, "far": GONE}}}

SOUND = """\
- name: Install things
  hosts: near
  tasks:
    - name: Change something
      ansible.builtin.command: "true"
    - name: Wait
      ansible.builtin.command: sleep {{ nap | default(0) }}
      changed_when: false
- name: The first part
  hosts: localhost
  vars: {phase: Check all}
  tasks:
    - name: Fail, which is ignored
      ansible.builtin.command: "false"
      ignore_errors: true
    - name: Fail, which is rescued
      block:
        - name: Fail in vain
          ansible.builtin.command: sh -c 'echo rescued error >&2; false'
      rescue:
        - name: Set it right
          ansible.builtin.command: "true"
          changed_when: false
    - name: Warn often
      ansible.builtin.debug: {msg: "{{ [1, 2, 3, 4, 5, 6, 7] | map('noisy') | length }}"}
- name: The second part
  hosts: localhost
  vars: {phase: Check all}
  tasks:
    - name: Read
      ansible.builtin.command: "true"
      changed_when: false
    - name: Say what is to be known
      ansible.builtin.debug: {msg: [one line, another line]}
    - name: Go on elsewhere
      ansible.builtin.include_tasks: more.yml
      vars: {phase: Do more}
- name: Nothing to do
  hosts: localhost
  tasks:
    - name: Leave this out
      ansible.builtin.command: "true"
      when: false
"""
# The first play alone.
INSTALL = SOUND.partition("- name: The first part")[0]
MORE = """\
- name: More | Write a file
  ansible.builtin.copy: {dest: "{{ playbook_dir }}/more.txt", content: more, mode: "0600"}
"""
NOISY = """\
from ansible.utils.display import Display
class FilterModule:
    def filters(self):
        return {"noisy": self.noisy}
    def noisy(self, value):
        Display().deprecated(f"old {value}", version="99.9")
        Display().warning(f"mind this {value}")
        return value
"""
FAULTY = """\
- name: Break things
  hosts: "{{ where | default('localhost') }}"
  tasks:
    - name: Go well
      ansible.builtin.command: "true"
      when: where is not defined
"""
# Name of the case -> the task that fails, and the output about it.
FAILURES = {
    "command": (
        {"name": "Run it", "ansible.builtin.shell": "echo noise; seq 1 40 >&2; exit 4"},
        ["The command ended with exit code 4.", *(f"  {number}" for number in range(29, 41))],
    ),
    "loop": (
        {"name": "Run each", "ansible.builtin.shell": "echo of {{ item }} >&2; exit {{ item }}", "loop": [0, 1, 2]},
        [
            "item 1: The command ended with exit code 1.",
            "  of 1",
            "item 2: The command ended with exit code 2.",
            "  of 2",
        ],
    ),
    "module": (
        {"name": "Copy it", "ansible.builtin.copy": {"dest": "/nonexistent/folder/x", "content": "x", "mode": "0600"}},
        ["Destination directory /nonexistent/folder does not exist"],
    ),
    "words": (
        {"name": "Refuse it", "ansible.builtin.fail": {"msg": "x is 3; allowed: 4.\nRun: ./lab site"}},
        ["x is 3; allowed: 4.", "Run: ./lab site"],
    ),
    "secret": (
        {"name": "Hide it", "ansible.builtin.shell": "echo hunter2 >&2; exit 3", "no_log": True},
        ["The result is hidden, because the task handles secrets (no_log)."],
    ),
}  # fmt: skip


def make(folder: Path, plays: str) -> Path:
    """A folder with play.yml, its tasks and filters, and the hosts."""
    folder.mkdir(exist_ok=True)
    (folder / "play.yml").write_text(plays)
    (folder / "more.yml").write_text(MORE)
    (folder / "filter_plugins").mkdir()
    (folder / "filter_plugins/noisy.py").write_text(NOISY)
    (folder / "hosts.json").write_text(json.dumps(HOSTS))
    return folder


def without_seconds(text: str) -> list[str]:
    """The lines, with N for each number of seconds or minutes."""
    return [re.sub(r"(\d+ min )?\b\d+ s\b", "N s", line) for line in text.splitlines()]


def log_of(folder: Path) -> str:
    (path,) = (folder / "log").glob("*.log")
    return path.read_text()


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> tuple[Path, int, str, str]:
    """Folder, exit code, output and errors of a playbook that succeeds in the end."""
    folder = make(tmp_path_factory.mktemp("sound") / "x", SOUND)
    return folder, *play(folder)


def test_a_phase_is_a_line(sound):
    _, code, out, _ = sound
    assert code == 0
    assert without_seconds(out) == [
        "  Install things on near ... N s, 1 changed",
        # Two plays: in one a failure was ignored, and another one was rescued. The second goes on without a change.
        "  Check all ... N s",
        "  7",
        "  one line",
        "  another line",
        "  Do more ... N s, 1 changed",
        "done in N s: 9 tasks, 3 changed, 2 more warnings in the log",
    ]


def test_warnings_are_some_lines_and_deprecations_none(sound):
    assert re.findall("mind this [0-9]", sound[3]) == [f"mind this {number}" for number in range(1, 6)]
    assert len(sound[3].splitlines()) == 5
    assert "old 7" in log_of(sound[0])


def test_nothing_moves_without_a_terminal(sound):
    assert not set("\r\x1b") & set(sound[2])


def test_the_log_has_what_the_screen_has_not(sound):
    log = log_of(sound[0])
    parts = ("PLAY [The first part]", "TASK [Fail in vain]", "rescued error", "...ignoring", "mind this 7", "failed=0")
    assert [part for part in parts if part not in log] == []
    assert "  Install things on near ... " in log
    assert log.startswith(tuple("012"))
    (path,) = (sound[0] / "log").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_with_v_the_tasks_are_shown_and_logged(tmp_path):
    folder = make(tmp_path / "x", SOUND)
    code, out, err = play(folder, "-v")
    assert code == 0
    for part in ("TASK [Change something]", "TASK [More | Write a file]", "PLAY RECAP", "changed: [near] => "):
        assert part in out
    assert " ... " not in out
    assert len(re.findall("mind this [0-9]", err)) == 7
    assert "TASK [Change something]" in log_of(folder)


def test_with_check_and_diff_changes_are_shown(tmp_path):
    code, out, _ = play(make(tmp_path / "x", SOUND), "--check", "--diff")
    assert code == 0
    assert "+more" in out
    assert "  would change localhost: More | Write a file" in out.splitlines()
    assert out.splitlines()[-1].endswith("1 would change, 2 more warnings in the log")
    assert not (tmp_path / "x/more.txt").exists()


@pytest.mark.parametrize(("task", "lines"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_host_task_message_and_the_next_command(tmp_path, task, lines):
    plays = json.dumps([{"name": "Break things", "hosts": "near", "tasks": [task]}])
    folder = make(tmp_path / "x", plays)
    code, out, err = play(folder)
    assert (code, err) == (2, "")
    (path,) = (folder / "log").iterdir()
    repeat = f"ansible-playbook {folder}/play.yml -i {folder}/hosts.json"
    lines = [line.replace("./lab", f"LAB_INVENTORY={folder}/hosts.json ./lab") for line in lines]
    way = (
        f"LAB_INVENTORY={folder}/hosts.json ./lab site, then: {repeat}"
        if "./lab" in lines[-1]
        else f"{repeat} -v (shows every task)"
    )
    assert without_seconds(out) == [
        "  Break things on near ... failed after N s",
        f"FAILED: near failed in task: {task['name']}",
        *(f"  {line}" for line in lines),
        "failed on near after N s: 1 task, 0 changed",
        f"log:  {path}",
        f"next: {way}",
    ]
    assert "hunter2" not in path.read_text()


def test_an_unreachable_host_is_named_and_the_others_go_on(tmp_path):
    plays = [{"name": "Ask all", "hosts": "far,near", "tasks": [{"name": "Ping", "ansible.builtin.ping": {}}]}]
    plays += [{"name": "Go on", "hosts": "far,near", "tasks": [{"name": "Work", "ansible.builtin.command": "true"}]}]
    code, out, _ = play(make(tmp_path / "x", json.dumps(plays)))
    assert code == 4
    lines = without_seconds(out)
    assert "FAILED: far cannot be reached in task: Ping" in lines
    # Which of the two Ansible passes on depends on who is faster: ssh, or Ansible that sends it the task.
    assert "port 1: Connection refused" in out or "Data could not be sent to remote host" in out
    assert "  Go on on near ... N s, 1 changed" in lines
    assert lines[-3] == "failed on far after N s: 3 tasks, 1 changed"
    assert lines[-1].startswith("next: make this work: ssh 127.0.0.1 true, then: ansible-playbook ")


def test_the_same_message_of_more_hosts_is_shown_once(tmp_path):
    task = {"name": "Refuse it", "ansible.builtin.fail": {"msg": "not here"}}
    code, out, _ = play(make(tmp_path / "x", json.dumps([{"name": "Try", "hosts": "near,localhost", "tasks": [task]}])))
    assert code == 2
    lines = out.splitlines()
    assert lines.count("  not here") == 1
    assert lines.count("  The message is the same.") == 1
    # Ansible runs a task on all hosts at once, so either may fail first.
    assert sorted(line for line in lines if line.startswith("FAILED: ")) == [
        f"FAILED: {host} failed in task: Refuse it" for host in ("localhost", "near")
    ]


def test_without_a_folder_for_the_log_all_goes_on(tmp_path):
    folder = make(tmp_path / "x", INSTALL)
    (folder / "log").write_text("a file is in the way")
    code, out, err = play(folder)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("done in ")


def test_the_next_command_has_the_verb_of_lab_and_the_arguments_and_hides_secrets(tmp_path):
    plays = json.dumps([{"name": "Try", "hosts": "localhost", "tasks": [{"name": "Stop", "ansible.builtin.fail": {}}]}])
    folder = make(tmp_path / "x", plays)
    # Every inventory, also a list that is too long for a path.
    hosts = ",".join(f"host-{number}.example" for number in range(40))
    given = ("-i", hosts, "--limit", "localhost", "-e", "lab_api_cpus=2", "-e", "my_pin=hunter2")
    _, out, _ = play(folder, *given, LAB_VERB="site")
    assert out.splitlines()[-1] == (
        f"next: LAB_INVENTORY={folder}/hosts.json ./lab site -i {hosts} --limit localhost "
        "-e lab_api_cpus=2 -e 'my_pin=***' -v (shows every task) (replace ***, which hides a value that may be secret)"
    )
    assert "hunter2" not in out + log_of(folder)
    assert [path.name.partition("-")[0] for path in (folder / "log").iterdir()] == ["site"]


def test_a_terminal_sees_phase_task_and_seconds_move(tmp_path):
    seen = play_in_terminal(make(tmp_path / "x", INSTALL), "-e", "nap=3")
    moving = re.findall(r"\r  Install things \.\.\. (\d+) s: Wait\x1b\[K", seen)
    assert len(set(moving)) >= 2
    stays = screen(seen)
    assert [line for line in stays if "Wait" in line] == []
    assert [line for line in without_seconds("\n".join(stays)) if line.startswith("  Install")] == [
        "  Install things on near ... N s, 1 changed"
    ]
    assert any(line.startswith("done in ") for line in stays)


def processes_with(text: str) -> str:
    """Numbers of the processes that have a text in their command line."""
    return subprocess.run(["pgrep", "-f", text], capture_output=True, text=True, check=False).stdout


def test_ctrl_c_ends_the_playbook_and_its_moving_line(tmp_path):
    seen = play_in_terminal(
        make(tmp_path / "x", SOUND), "-e", "nap=60", interrupt_at=lambda text: "s: Wait\x1b[K" in text
    )
    stays = without_seconds("\n".join(screen(seen)))
    assert any("User interrupted execution" in line for line in stays)
    assert "  Install things on near ... interrupted after N s" in stays
    assert [line for line in stays if "Wait" in line] == []
    # The processes of its tasks end after it.
    deadline = time.monotonic() + 30
    while (left := processes_with(f"{tmp_path}/x/play.yml")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == ""


def test_the_next_command_of_an_error_of_the_lab_comes_last(tmp_path):
    given = [
        {
            "name": "Read a run",
            "hosts": "localhost",
            "tasks": [{"name": "Read", "sweep": {"do": "retries", "run": "none"}}],
        }
    ]
    _, out, _ = play(make(tmp_path / "x", yaml.safe_dump(given)), LAB_VERB="sweep")
    assert re.search(r"so none is not a run folder\. To start a run: LAB_INVENTORY=\S+ \./lab sweep", out)
    assert re.fullmatch(r"next: LAB_INVENTORY=\S+ \./lab sweep", out.splitlines()[-1])


STOP = [
    {
        "name": "Try",
        "hosts": "localhost",
        "tasks": [{"name": "Stop", "ansible.builtin.fail": {"msg": "no rule. Run: ./lab site"}}],
    }
]


def test_with_v_the_commands_of_a_failure_name_the_inventory(tmp_path):
    folder = make(tmp_path / "x", json.dumps(STOP))
    code, out, _ = play(folder, "-v")
    assert code == 2
    # The result is YAML, with line breaks of its own.
    assert f"no rule. Run: LAB_INVENTORY={folder}/hosts.json ./lab site" in " ".join(out.split())


def test_every_inventory_is_repeated_also_a_list_that_is_too_long_for_a_path(tmp_path):
    folder = make(tmp_path / "x", json.dumps(STOP))
    hosts = ",".join(f"host-{number}.example" for number in range(40))
    _, out, _ = play(folder, "-i", hosts, LAB_VERB="sweep")
    mine = f"LAB_INVENTORY={folder}/hosts.json ./lab"
    assert f"  no rule. Run: {mine} site" in out.splitlines()
    assert out.splitlines()[-1] == f"next: {mine} site -i {hosts}"
