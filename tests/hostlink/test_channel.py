"""The words of ssh, and what sudo reads, with Ansible's own connection plugins."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hostlink import channel
from tests.plugins import playing

ROOT = Path(__file__).parents[2]
# Stands in for ssh: it notes its words, and runs the last one here.
SSH = """\
#!/bin/sh
for word in "$@"; do printf "%s\\n" "$word"; done >> "{words}"
for last in "$@"; do :; done
exec sh -c "$last"
"""
# Stands in for sudo.
SUDO = """\
#!/bin/bash
{reads}
while [[ $1 != -- ]]; do shift; done
shift
exec "$@"
"""


def become(password: str | None = None, name: str = "sudo") -> SimpleNamespace:
    return SimpleNamespace(name=name, get_option=lambda _: password)


def connection(transport: str, user: str = "ubuntu", become: object = None) -> SimpleNamespace:
    return SimpleNamespace(transport=transport, become=become, get_option=lambda name: {"remote_user": user}[name])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (connection("ssh", become=None), ("/bin/sh -c 'run it'", b"")),
        (connection("ssh", user="root", become=become("secret")), ("/bin/sh -c 'run it'", b"")),
        (connection("ssh", become=become()), ("sudo -n -- sh -c 'run it'", b"")),
    ],
)
def test_privilege_only_where_it_is_needed(given, expected):
    assert channel.with_privilege(given, "run it") == expected


def test_another_way_to_root_is_refused():
    with pytest.raises(channel.ChannelError, match="become_method is 'su'; allowed: sudo"):
        channel.with_privilege(connection("ssh", become=become(name="su")), "run it")


@pytest.mark.parametrize("reads", ["read -r line", ":"])
def test_a_password_never_reaches_the_program(tmp_path, reads):
    """sudo reads the password only if it needs one."""
    (tmp_path / "sudo").write_text(SUDO.format(reads=reads))
    (tmp_path / "sudo").chmod(0o755)
    command, first = channel.with_privilege(connection("ssh", become=become("se'cret")), "exec cat")
    assert "se'cret" not in command
    done = subprocess.run(
        ["sh", "-c", command], input=first + b"data\nmore", capture_output=True, check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout == b"data\nmore"


def test_other_connections_are_refused():
    with pytest.raises(channel.ChannelError, match="the connection of this host is 'docker'; allowed: ssh, local"):
        channel.argv_on_host(connection("docker"), "true")


def test_ssh_gets_port_user_and_key_of_the_inventory(tmp_path):
    """A real play: Ansible's connection plugin composes the words."""
    words = tmp_path / "words"
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH.format(words=words))
    ssh.chmod(0o755)
    units = tmp_path / "host/trial-lab/units"
    units.mkdir(parents=True)
    (units / "master.log").write_text("hello\n")
    host = {
        "ansible_host": "192.0.2.1", "ansible_port": 2222, "ansible_user": "root", "ansible_become": True,
        "ansible_ssh_private_key_file": "/keys/mine", "ansible_ssh_executable": str(ssh),
        "ansible_python_interpreter": sys.executable, "ansible_ssh_common_args": "-o ProxyJump=bastion",
        "lab_name": "lab", "lab_host_directory": str(tmp_path / "host"),
    }  # fmt: skip
    (tmp_path / "hosts.json").write_text(json.dumps({"api": {"hosts": {"a": host}}, "load": {"hosts": {"b": host}}}))
    (tmp_path / "play.yml").write_text(
        json.dumps([{"name": "Logs", "import_playbook": str(ROOT / "playbooks/logs.yml")}])
    )
    code, out, errors = playing.play(tmp_path, "-e", "logs_of=locust")
    assert code == 0, out + errors
    assert "master | hello" in out.splitlines()
    # The words of the last call, which ran the program.
    last = words.read_text().rpartition("ControlMaster")[2]
    for word in ("Port=2222", 'User="root"', 'IdentityFile="/keys/mine"', "ProxyJump=bastion", "192.0.2.1"):
        assert word in last.splitlines(), word


def test_a_near_host_is_reached_without_compression_by_a_connection_of_its_own():
    """ssh itself says what it would do with the words."""
    options = {"host": "192.0.2.1", "ssh_executable": "ssh"}
    words = [
        "ssh",
        "-C",
        "-o",
        "ControlMaster=auto",
        "-o",
        "ControlPersist=30m",
        "-o",
        "ControlPath=/tmp/mux",
        "192.0.2.1",
    ]
    built = SimpleNamespace(
        transport="ssh",
        get_option=options.__getitem__,
        _build_command=lambda *_: [word.encode() for word in (*words, "true")],
    )
    for plain, expected in ((False, {"compression yes", "controlmaster auto", "controlpath /tmp/mux"}),
                            (True, {"compression no", "controlmaster false"})):  # fmt: skip
        argv = channel.argv_on_host(built, "true", plain=plain)
        done = subprocess.run([argv[0], "-G", *argv[1:-1]], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        assert expected <= set(lines)
        assert any(line.startswith("controlpath /") for line in lines) is not plain


# A program that writes more errors than a pipe holds before its output, which ends with a line of 3 MB.
NOISY = """
import sys
sys.stderr.write("warning\\n" * 100_000 + "the cause\\n")
sys.stderr.flush()
sys.stdout.write("first\\n" + "x" * 3_000_000 + "\\nlast\\n")
sys.exit(3)
"""


@pytest.fixture
def noisy() -> Iterator[channel.Channel]:
    """The program on this machine. It is ended if it should stop half way, so that the test fails and does not hang."""
    with channel.Channel(connection("local"), shlex.join([sys.executable, "-c", NOISY])) as opened:
        timer = threading.Timer(60, opened.process.kill)
        timer.start()
        yield opened
        timer.cancel()


def test_errors_are_read_beside_the_output(noisy):
    size = sum(map(len, noisy.parts()))
    code, errors = noisy.ended()
    assert (size, code) == (len("first\n\nlast\n") + 3_000_000, 3)
    assert errors.endswith("warning\nthe cause")
    assert len(errors) <= channel.ERROR_BYTES


def test_a_line_without_end_is_read_in_parts(noisy):
    lines = list(noisy.lines())
    assert noisy.ended()[0] == 3
    assert (lines[0], lines[-1]) == ("first", "last")
    assert max(map(len, lines)) == channel.LINE_BYTES
    assert sum(map(len, lines)) == len("firstlast") + 3_000_000


def test_the_last_lines_of_a_program_are_short(noisy):
    code, last = noisy.send([])
    assert code == 3
    assert {"the cause", "last"} & set(last)
    assert max(map(len, last)) <= channel.LINE_BYTES
