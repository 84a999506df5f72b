"""The firewall of the load, with real iptables in a network namespace: allowed connections, and flushed rules."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

ROLE = Path(__file__).parents[2] / "roles/locust_host"
# No file of this machine belongs to this user. iptables needs a name or a number.
USER = "65533"
API, MASTER, OTHER = "198.18.255.11", "198.18.255.12", "198.18.255.99"
TRY = """
import socket, sys
for pair in sys.argv[1:]:
    host, port = pair.rsplit(":", 1)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(5)
        probe.connect_ex((host, int(port)))
"""


def run(*command, check=True):
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """rendered(load hosts, user) is the script, as the role writes it."""

    def render(load, user=USER):
        names = {"api": API, "load": MASTER, "load2": OTHER}
        text = jinja2.Environment(trim_blocks=True).from_string((ROLE / "templates/firewall.sh.j2").read_text()).render(
            locust_host_user=user, locust_host_proxy_port=8080, locust_host_page_port=8010,
            locust_host_api_hosts=["api"],
            locust_host_load_hosts=load, hostvars={name: {"ansible_host": address} for name, address in names.items()},
        )  # fmt: skip
        path = tmp_path_factory.mktemp("firewall") / "firewall.sh"
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    return render


@pytest.fixture
def space():
    """A network namespace in which all addresses are its own; space(command...) runs there."""
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, who makes network namespaces")
    if tools := [tool for tool in ("ip", "iptables", "ip6tables", "setpriv") if not shutil.which(tool)]:
        pytest.skip(f"not installed: {', '.join(tools)}")
    name = f"sweep-fw-{os.getpid()}"
    if run("ip", "netns", "add", name, check=False).returncode != 0:
        pytest.skip("this machine makes no network namespace")

    def inside(*command, check=True):
        return run("ip", "netns", "exec", name, *command, check=check)

    try:
        inside("ip", "link", "set", "lo", "up")
        for address in (API, MASTER, OTHER):
            inside("ip", "address", "add", f"{address}/32", "dev", "lo")
        yield inside
    finally:
        run("ip", "netns", "delete", name)


def reached(space, user, *targets):
    """Try to connect. Nothing listens, so all attempts are refused. `rejected` shows whether the rules did it."""
    space("setpriv", f"--reuid={user}", "--clear-groups", sys.executable, "-c", TRY, *targets)


def rejected(space):
    """Return the number of packets that the rules have rejected, of both families."""
    counts = []
    for tool in ("iptables", "ip6tables"):
        lines = space(tool, "-nvxL", "SWARMSWEEP-LOAD", check=False).stdout.splitlines()
        counts += [int(line.split()[0]) for line in lines if " REJECT " in line]
    return sum(counts)


@pytest.mark.parametrize(
    ("load", "target", "is_rejected"),
    [
        (["load"], f"{API}:8080", False),
        (["load"], f"{API}:22", True),
        (["load"], f"{OTHER}:8080", True),
        (["load"], "127.0.0.1:5557", False),
        (["load"], "127.0.0.1:22", True),
        (["load"], f"{MASTER}:5557", True),
        (["load"], "::1:8080", True),
        (["load", "load2"], f"{MASTER}:5557", False),
        (["load", "load2"], f"{OTHER}:8080", True),
    ],
)
def test_the_load_s_user_reaches_the_lab_alone(space, rendered, load, target, is_rejected):
    space(rendered(load), "ensure")
    assert rejected(space) == 0
    reached(space, USER, target)
    assert (rejected(space) > 0) is is_rejected
    before = rejected(space)
    reached(space, "0", target)
    assert rejected(space) == before


@pytest.mark.parametrize(
    "change",
    [
        "true",
        "iptables -F",
        "iptables -F SWARMSWEEP-LOAD",
        "iptables -D SWARMSWEEP-LOAD -j REJECT",
        "iptables -I OUTPUT -j ACCEPT",
        "iptables -I SWARMSWEEP-LOAD -j RETURN",
        f"iptables -D OUTPUT -m owner --uid-owner {USER} -j SWARMSWEEP-LOAD",
        "ip6tables -F",
    ],
)
def test_rules_that_were_flushed_or_passed_by_are_put_back(space, rendered, change):
    script = rendered(["load"])
    space(script, "ensure")
    before = space("iptables", "-S", "SWARMSWEEP-LOAD").stdout
    space("sh", "-c", change)
    space(script, "ensure")
    assert space("iptables", "-S", "SWARMSWEEP-LOAD").stdout == before
    reached(space, USER, f"{OTHER}:8080", "::1:8080")
    assert rejected(space) >= 2


def test_nothing_stays_when_it_is_removed(space, rendered):
    script = rendered(["load"])
    empty = [space(tool, "-S").stdout for tool in ("iptables", "ip6tables")]
    for verb in ("remove", "ensure", "ensure", "remove"):
        space(script, verb)
    assert [space(tool, "-S").stdout for tool in ("iptables", "ip6tables")] == empty


def test_a_name_that_leads_nowhere_leaves_no_gap(space, rendered):
    script = Path(rendered(["load"]))
    script.write_text(script.read_text().replace(API, "no-such-host.invalid"))
    failed = space(str(script), "ensure", check=False)
    assert failed.returncode != 0
    assert "no-such-host.invalid does not resolve to an address" in failed.stderr


# --- Locust's page ----------------------------------------------------------------------------------------------------

PAGE_PORT = 8010
# Locust's own.
MASTER_PORT = 5557
# One request to the program of the load's user, from this one.
LOOK = f"""
import socket
with socket.create_connection(("127.0.0.1", {PAGE_PORT}), timeout=5) as connection:
    print(connection.recv(9))
"""
OPEN = f"""
import socket
with socket.create_server(("127.0.0.1", {PAGE_PORT})) as server:
    print(flush=True)
    connection, _ = server.accept()
    connection.sendall(b"the page")
"""
# From that port to another program of the host.
CONNECT = f"""
import socket
with socket.socket() as client:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("127.0.0.1", {PAGE_PORT}))
    client.settimeout(5)
    client.connect_ex(("127.0.0.1", 22))
"""


def as_user(user, program):
    """The command of a Python program of this user in the namespace of `space`."""
    enter = ["ip", "netns", "exec", f"sweep-fw-{os.getpid()}", "setpriv", f"--reuid={user}", "--clear-groups"]
    return [*enter, sys.executable, "-c", program]


@pytest.mark.parametrize("port", [PAGE_PORT, MASTER_PORT])
def test_page_and_master_respond_on_the_host_and_open_nothing_else(space, rendered, port):
    serve, look, connect = (text.replace(str(PAGE_PORT), str(port)) for text in (OPEN, LOOK, CONNECT))
    space(rendered(["load"]), "ensure")
    with subprocess.Popen(as_user(USER, serve), stdout=subprocess.PIPE) as server:
        try:
            server.stdout.readline()
            assert space(sys.executable, "-c", look).stdout == "b'the page'\n"
        finally:
            server.kill()
    assert rejected(space) == 0
    run(*as_user(USER, connect))
    assert rejected(space) > 0


# --- A machine that is API host and load host ------------------------------------------------------------------------

# HAProxy's container. Docker publishes its port by nat, as with `mode: host`.
CONTAINER = "198.18.255.77"
DOCKER = [
    "iptables -t nat -N DOCKER",
    "iptables -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    f"iptables -t nat -A DOCKER -p tcp --dport 8080 -j DNAT --to-destination {CONTAINER}:8080",
]


@pytest.mark.parametrize(
    ("target", "is_rejected"),
    [(f"{API}:8080", False), (f"{API}:22", True), (f"{OTHER}:8080", True), (f"{CONTAINER}:8080", True)],
)
def test_a_load_host_reaches_the_port_that_docker_publishes_on_itself(space, rendered, target, is_rejected):
    space("ip", "address", "add", f"{CONTAINER}/32", "dev", "lo")
    for command in DOCKER:
        space(*command.split())
    script = rendered(["load"])
    space(script, "ensure")
    reached(space, USER, target)
    assert (rejected(space) > 0) is is_rejected
    # The kernel finds the rules again, and nothing is written.
    before = space("iptables", "-nvxL", "SWARMSWEEP-LOAD").stdout
    space(script, "ensure")
    assert space("iptables", "-nvxL", "SWARMSWEEP-LOAD").stdout == before


def test_connections_to_another_host_are_not_tracked(space, rendered):
    space("ip", "address", "delete", f"{API}/32", "dev", "lo")
    space(rendered(["load"]), "ensure")
    assert "conntrack" not in space("iptables", "-S").stdout


# --- The user that requests the word ---------------------------------------------------------------------------------

WORD = "Wrd123"
SERVE = f"""
import socket, sys
with socket.create_server(("{API}", 8080)) as server:
    print(flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n{WORD}")
"""
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import lab_word
print(json.dumps(lab_word.why_not_loaded(*sys.argv[2:])))
"""


# Every host has this user, whose name is looked up.
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("true", None),
        # The state after ansible_host or lab_proxy_port was changed, with the previous rules.
        (f"iptables -D SWARMSWEEP-LOAD -d {API} -p tcp --dport 8080 -j RETURN",
         f"the firewall of this host does not let the user nobody connect to http://{API}:8080, although "
         "root reaches the lab's proxy there"),
    ],
)  # fmt: skip
def test_the_load_s_user_requests_the_word(space, rendered, change, problem):
    space(rendered(["load"], "nobody"), "ensure")
    # The rule for a host that is also an API host would allow it too: in this namespace, all addresses are local.
    space("iptables", "-D", "SWARMSWEEP-LOAD", *f"-p tcp -m conntrack --ctorigdst {API} --ctorigdstport 8080".split(),
          "-j", "RETURN")  # fmt: skip
    space("sh", "-c", change)
    command = ["ip", "netns", "exec", f"sweep-fw-{os.getpid()}", sys.executable, "-c", SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            server.stdout.readline()
            utils = str(ROLE.parents[1] / "plugins/module_utils")
            said = json.loads(space(sys.executable, "-c", ASK, utils, f"http://{API}:8080", WORD, "nobody").stdout)
        finally:
            server.kill()
    if problem is None:
        assert said is None
    else:
        assert said.startswith(problem)
        assert "Connection refused" in said
        assert said.endswith("Run: ./lab site")
