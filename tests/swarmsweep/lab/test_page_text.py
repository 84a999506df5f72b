"""What `./lab ui` prints: the tunnel by which a person opens Locust's page."""

import shlex

import pytest

from swarmsweep.lab.page_text import page_lines, ssh_line

# As group_vars/lab/connection.yml writes them for a virtual machine.
VIRTUAL = {
    "ansible_user": "root",
    "ansible_ssh_common_args": (
        "-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -i '/home/me/my lab/ssh/id_ed25519' "
        "-o 'UserKnownHostsFile=\"/home/me/my lab/ssh/known_hosts\"'"
    ),
}
PAGE = {"target": "http://198.18.0.11:8080", "locustfile": "predict.py", "ends_at": 1_764_460_800}


@pytest.mark.parametrize(
    ("address", "connection", "words"),
    [
        ("192.0.2.7", {}, ["192.0.2.7"]),
        ("192.0.2.7", {"ansible_user": "me", "ansible_port": 2222, "ansible_ssh_extra_args": ""},
         ["-p", "2222", "me@192.0.2.7"]),
        ("2001:db8::7", {"ansible_user": "me", "ansible_ssh_private_key_file": "/k/a key"},
         ["-i", "/k/a key", "me@2001:db8::7"]),
        ("198.18.0.12", VIRTUAL,
         ["-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-i", "/home/me/my lab/ssh/id_ed25519",
          "-o", 'UserKnownHostsFile="/home/me/my lab/ssh/known_hosts"', "root@198.18.0.12"]),
        ("load.example", {"ansible_ssh_common_args": "-o ProxyJump=a", "ansible_ssh_extra_args": "-v"},
         ["-o", "ProxyJump=a", "-v", "load.example"]),
    ],
)  # fmt: skip
def test_the_tunnel_has_the_connection_of_the_inventory(address, connection, words):
    line = ssh_line(address, 8010, connection)
    assert shlex.split(line) == ["ssh", "-N", "-L", "8010:127.0.0.1:8010", *words]


def test_a_key_in_the_home_folder_is_named_in_full(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert " -i /home/me/.ssh/lab " in ssh_line("192.0.2.7", 8010, {"ansible_ssh_private_key_file": "~/.ssh/lab"})


@pytest.mark.parametrize(("connection", "is_local"), [("ssh", False), ("", False), ("local", True)])
def test_the_lines_say_where_the_page_is_and_until_when(connection, is_local):
    lines = page_lines("lab-load", "198.18.0.12", 8010, PAGE, 2, VIRTUAL | {"ansible_connection": connection})
    assert lines[0] == (
        "Locust's page runs on lab-load with 2 workers, until 00:00 UTC. "
        "It loads http://198.18.0.11:8080 with predict.py."
    )
    assert ("ssh -N" in " ".join(lines)) is not is_local
    assert any("http://127.0.0.1:8010" in line for line in lines[1:-1])
    assert lines[-1] == "To add workers, also while a test runs: ./lab ui --workers 3. To end all: ./lab stop"


def test_one_worker_is_one_worker():
    assert " with 1 worker, until " in page_lines("a", "192.0.2.7", 8010, PAGE, 1, {})[0]
