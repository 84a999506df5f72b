"""The lock of a lab on its manager, as the playbooks take and release it: one command at a time, from any clone."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from swarmsweep.lab.lock_holder import LEASE_SECONDS, holder_of

sys.path.insert(0, str(Path(__file__).parent))
import playing

NEAR = holder_of(
    os.getpid(), ["ansible-playbook", "sweep.yml"], Path("/srv/b"), 1795000000, "/r/20261129T120000Z-quick"
)
FAR = replace(NEAR, place="another-boot pid:[1]", process=4711, where="eva@far:/home/eva/lab")
HOST = {"ansible_connection": "local", "ansible_become": False, "ansible_host": "192.0.2.1"}


class Lab:
    """A lab whose manager is this machine, with a folder of its own for the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, folder / "host/lab.lock"
        groups = {"api": {"hosts": {"lab-api": HOST}}, "load": {"hosts": {"lab-load": HOST}}}
        given = {
            "lab_host_directory": str(folder / "host/lab"),
            "lab_directory": str(folder / "keys"),
            "lab_name": "lab",
        }
        (folder / "hosts.json").write_text(json.dumps({"all": {"children": groups, "vars": given}}))

    def write(self, text: str, age_seconds: float = 0) -> None:
        self.lock.parent.mkdir(exist_ok=True)
        self.lock.write_text(text)
        os.utime(self.lock, (time.time() - age_seconds,) * 2)

    def play(self, *plays: object, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
        """Exit code, and all that was printed on one line. A text is a playbook of the repository."""
        known = [
            {"name": part, "import_playbook": str(playing.ROOT / part)} if isinstance(part, str) else part
            for part in plays
        ]
        (self.folder / "play.yml").write_text(json.dumps(known))
        code, out, errors = playing.play(self.folder, *arguments)
        return code, " ".join((out + errors).split())

    def show(self) -> dict:
        """A play that prints the lock as it is while the command runs."""
        content = f"lookup('ansible.builtin.file', '{self.lock}')"
        shown = {"ansible.builtin.debug": {"msg": f"lock: {{{{ {content} }}}} went on"}}
        return {"name": "Show it", "hosts": "localhost", "tasks": [{"name": "Show it"} | shown]}


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def test_a_command_has_the_lock_until_it_ends(lab):
    code, said = lab.play("playbooks/lock.yml", lab.show(), "playbooks/unlock.yml")
    assert code == 0, said
    assert 'lock: {"command": "' in said
    assert "went on" in said
    assert lab.lock.read_text() == ""
    assert (lab.folder / "keys/sweep.lock").read_text()


FAIL = {"name": "Fail", "ansible.builtin.fail": {"msg": "no package"}}
FAILING = {
    "on this machine": [{"hosts": "localhost", "tasks": [FAIL]}],
    "on the host of the lock": [{"hosts": "api", "tasks": [FAIL]}],
    "on all hosts": [{"hosts": "api:load", "any_errors_fatal": True, "tasks": [FAIL]}],
    # As in a sweep.
    "after its run was noted": [
        {
            "hosts": "localhost",
            "tasks": [
                {"name": "Take", "lab_lock": {"do": "take", "path": "LOCK", "run": "/r/a"}, "delegate_to": "lab-api"},
                FAIL,
            ],
        }
    ],
}


@pytest.mark.parametrize("plays", FAILING.values(), ids=FAILING)
def test_a_command_that_fails_frees_the_lock(lab, plays):
    failing = [{"name": "Fail"} | play for play in json.loads(json.dumps(plays).replace("LOCK", str(lab.lock)))]
    code, said = lab.play("playbooks/lock.yml", lab.show(), *failing, "playbooks/unlock.yml")
    assert code != 0
    assert 'lock: {"command": "' in said
    assert "no package" in said
    # The last words are those on the failure.
    assert "lock of the lab" not in said.partition("no package")[2]
    assert lab.lock.read_text() == ""


# The prompt is the word after -p. Both plays of the lock ask for it, and the one that comes last must not ask the user.
SUDO = """\
#!/bin/sh
while [ "$1" != -p ]; do shift; done
printf %s "$2" >&2
read -r typed && [ "$typed" = hunter2 ] || exit 1
shift 2
while [ "$1" != -u ]; do shift; done
shift 2
exec "$@"
"""


def test_a_command_that_fails_frees_the_lock_with_the_password_of_sudo(lab):
    sudo, password = lab.folder / "sudo", lab.folder / "password"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    password.write_text("hunter2\n")
    # Ansible asks no sudo to become the user who runs it.
    own = {"ansible_become": True, "ansible_become_exe": str(sudo), "ansible_become_user": "nobody"}
    hosts = json.loads((lab.folder / "hosts.json").read_text())
    hosts["all"]["children"]["api"]["hosts"]["lab-api"] = HOST | own
    (lab.folder / "hosts.json").write_text(json.dumps(hosts))
    failing = {"name": "Fail", "hosts": "localhost", "tasks": [FAIL]}
    given = ("--become-password-file", str(password))
    code, said = lab.play("playbooks/lock.yml", lab.show(), failing, "playbooks/unlock.yml", arguments=given)
    assert code != 0
    assert 'lock: {"command": "' in said
    assert lab.lock.read_text() == "", said


# The second one has ended meanwhile.
@pytest.mark.parametrize("other", [FAR, replace(NEAR, started="1")])
def test_a_command_that_fails_leaves_a_lock_that_is_no_longer_its_own(lab, other):
    take = {"name": "Take it", "ansible.builtin.copy": {"content": other.text(), "dest": str(lab.lock)}}
    code, said = lab.play("playbooks/lock.yml", {"name": "Lose it", "hosts": "localhost", "tasks": [take, FAIL]})
    assert code != 0
    assert lab.lock.read_text() == other.text(), said


def test_a_host_that_was_lost_keeps_the_lock_with_a_word_on_it(lab):
    ssh = lab.folder / "ssh"
    ssh.write_text("#!/bin/sh\nexit 255\n")
    ssh.chmod(0o755)
    given = {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}
    ping = {"name": "Ask", "ansible.builtin.command": "true"}
    code, said = lab.play("playbooks/lock.yml", {"name": "Ask", "hosts": "api", "vars": given, "tasks": [ping]})
    assert code != 0
    assert "The lock of the lab on lab-api could not be freed: no response. The next command of this machine" in said
    assert f"free it with: LAB_INVENTORY={lab.folder}/hosts.json ./lab stop --unlock" in said
    assert lab.lock.read_text()


# The host cannot write it any longer, whether the command fails or not.
@pytest.mark.parametrize("tasks", [[], [FAIL]])
def test_a_lock_that_cannot_be_freed_is_named_with_the_cause(lab, tasks):
    remove = {"name": "Remove it", "ansible.builtin.file": {"path": str(lab.lock), "state": "absent"}}
    folder = {"name": "Make a folder", "ansible.builtin.file": {"path": str(lab.lock), "state": "directory"}}
    spoil = {"name": "Spoil it", "hosts": "localhost", "tasks": [remove, folder, *tasks]}
    code, said = lab.play("playbooks/lock.yml", spoil, "playbooks/unlock.yml")
    assert (code != 0) is bool(tasks), said
    assert "The lock of the lab on lab-api could not be freed: cat: " in said
    assert "Is a directory. The next command of this machine replaces it." in said


# What is printed, with OWN for the inventory of the command that is refused.
HELD = {
    "this machine": (NEAR, 0, [f"kill {os.getpid()} && LAB_INVENTORY=OWN ./lab stop"]),
    "another controller": (
        FAR,
        60,
        [
            "end it there with: kill 4711 && LAB_INVENTORY=inventory/lab ./lab stop",
            "free the lab with: LAB_INVENTORY=OWN ./lab stop --unlock",
        ],
    ),
}


@pytest.mark.parametrize(("holder", "age_seconds", "words"), HELD.values(), ids=HELD)
def test_another_command_is_refused_by_name_before_anything_is_changed(lab, holder, age_seconds, words):
    lab.write(holder.text(), age_seconds)
    code, said = lab.play("playbooks/lock.yml", lab.show())
    assert code != 0
    assert "`ansible-playbook sweep.yml` (run 20261129T120000Z-quick, since 2026-11-18 " in said
    own = str(lab.folder / "hosts.json")
    assert [text for text in words if text.replace("OWN", own) not in said] == []
    assert "went on" not in said
    assert lab.lock.read_text() == holder.text()


LEFT_BEHIND = {
    "this machine": (replace(NEAR, started="1"), 0, "That process has ended."),
    "another controller": (FAR, LEASE_SECONDS + 60, "The lock was last renewed 1 h 1 min ago."),
}


@pytest.mark.parametrize(("holder", "age_seconds", "words"), LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_a_lock_that_was_left_behind_is_replaced_with_a_word_on_it(lab, holder, age_seconds, words):
    lab.write(holder.text(), age_seconds)
    # A dry run changes nothing.
    code, said = lab.play("playbooks/lock.yml", arguments=("--check",))
    assert code == 0, said
    assert lab.lock.read_text() == holder.text()
    code, said = lab.play("playbooks/lock.yml", lab.show())
    assert code == 0, said
    assert f"A lock was left behind, so it was replaced: {holder.words()}. {words}" in said
    assert "went on" in said


def stop_plays() -> dict:
    """The play of stop.yml that frees the lock. The others need systemd."""
    return yaml.safe_load((playing.ROOT / "playbooks/stop.yml").read_text())[-1]


FREED = {
    "left behind": (replace(NEAR, started="1"), (), True),
    "of a process that is seen": (NEAR, (), False),
    "of another controller": (FAR, (), False),
    "of another controller, by force": (FAR, ("-e", "stop_unlock=true"), True),
}


@pytest.mark.parametrize(("holder", "arguments", "freed"), FREED.values(), ids=FREED)
def test_stop_frees_what_was_left_behind_and_the_rest_by_force_alone(lab, holder, arguments, freed):
    lab.write(holder.text())
    code, said = lab.play(stop_plays(), arguments=arguments)
    assert code == 0, said
    assert (lab.lock.read_text() == "") is freed
    assert (f"The lab is free. Its lock was that of {holder.words()}" in said) is freed


def test_a_sweep_notes_its_run_and_how_long_an_attempt_may_take(lab):
    take = {"do": "take", "path": str(lab.lock), "run": "/r/20261129T130000Z-a", "load_seconds": ["16", 9000]}
    note = {"name": "Note it", "lab_lock": take | {"ready_timeout_seconds": "120"}}
    code, said = lab.play("playbooks/lock.yml", {"name": "Note it", "hosts": "api", "tasks": [note]})
    assert code == 0, said
    noted = json.loads(lab.lock.read_text())
    assert (noted["run"], noted["lease_seconds"]) == ("/r/20261129T130000Z-a", 9000 + 120 + 1800)


WHILE_SUSPENDED = {
    "nothing": (None, ""),
    "another controller": (FAR.text(), f"no longer has the lab: {FAR.words()} took its lock. "),
    "a command that has ended": (
        replace(NEAR, started="1").text(),
        f"no longer has the lab: {NEAR.words()} took its lock. ",
    ),
    "freed": ("", "no longer has the lab: its lock was freed. "),
    "another version": ("{}", "no longer has the lab: another command took its lock. "),
}


@pytest.mark.parametrize(("content", "words"), WHILE_SUSPENDED.values(), ids=WHILE_SUSPENDED)
def test_a_sweep_ends_before_its_next_attempt_if_another_command_took_the_lab(lab, content, words):
    file = {
        "path": str(lab.lock),
        "state": "touch",
        "modification_time": "202001010000",
        "modification_time_format": "%Y%m%d%H%M",
    }
    other = (
        []
        if content is None
        else [{"name": "Take it", "ansible.builtin.copy": {"content": content, "dest": str(lab.lock)}}]
    )
    sleep = {"name": "Sleep", "hosts": "localhost", "tasks": [*other, {"name": "Age it", "ansible.builtin.file": file}]}
    role = {"name": "bench_cell", "tasks_from": "lock"}
    given = {"bench_cell_api_hosts": ["lab-api"], "bench_cell_directory": str(lab.folder / "host/lab")}
    step = {"name": "Keep it", "ansible.builtin.include_role": role, "vars": given}
    code, said = lab.play(
        "playbooks/lock.yml", sleep, {"name": "Measure", "hosts": "localhost", "tasks": [step]}, lab.show()
    )
    assert (code == 0) is ("went on" in said) is (content is None), said
    assert words in said
    # A lock of another command is not renewed.
    assert (lab.lock.stat().st_mtime > 1_600_000_000) is (content is None)
    if content is not None:
        assert lab.lock.read_text() == content


def test_a_host_that_cannot_keep_the_lock_ends_the_command_with_the_reason(lab):
    (lab.folder / "host").write_text("no folder")
    code, said = lab.play("playbooks/lock.yml", "playbooks/lock_held.yml")
    assert code != 0
    assert f"The lock of the lab, {lab.lock}, could not be taken: " in said


# Between reading and writing, another command may have taken it.
@pytest.mark.parametrize(("content", "code"), [("", 0), ("it is mine", 75)])
def test_a_lock_that_changed_since_it_was_read_is_not_overwritten(tmp_path, content, code):
    spec = importlib.util.spec_from_file_location("lab_lock_action", playing.ROOT / "plugins/action/lab_lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "deep/lab.lock"
    if content:
        path.parent.mkdir()
        path.write_text(f"{content}\n")
    command = module.WRITE.format(path=path, expected="''", content="mine", changed=module.CHANGED)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert path.read_text() == (f"{content}\n" if content else "mine")


# Without a key for them, another clone cannot ask the machines, but it could remove them.
@pytest.mark.parametrize(("holder", "refused"), [(NEAR, True), (replace(NEAR, started="1"), False)])
def test_virtual_machines_in_use_are_neither_made_nor_removed(lab, holder, refused):
    tree = lab.folder / "trees/lab-api"
    path = tree / str(lab.folder / "host/lab.lock").lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(holder.text())
    (lab.folder / "trees/empty").mkdir()
    arguments = {"do": "refuse", "folder": str(lab.folder / "trees"), "file": str(lab.lock)}
    ask = {"name": "Ask", "lab_lock": arguments | {"own": str(lab.folder / "keys/sweep.lock")}}
    code, said = lab.play({"name": "Ask", "hosts": "localhost", "tasks": [ask]})
    assert (code != 0) is refused, said
    assert ("Another command uses this lab" in said) is refused
    assert not (lab.folder / "keys").exists()
