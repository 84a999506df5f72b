"""The playbooks as a user runs them: they parse, and bad input is refused before a host is contacted."""

import json
import os
import re
import shutil
import socket
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest
import yaml

from swarmsweep.errors import InputError
from swarmsweep.sweep.sweep_file import load_sweep
from tests.printed import printed, without_inventory

ROOT = Path(__file__).parents[2]
PLAYBOOKS = sorted([ROOT / "site.yml", ROOT / "sweep.yml", *ROOT.glob("playbooks/*.yml")])
Play = Callable[..., subprocess.CompletedProcess]


def inventory(path: Path, api: dict, load: dict) -> Path:
    """An inventory of two hosts with these variables; JSON is YAML."""
    groups = {"api": {"hosts": {"lab-api": api}}, "load": {"hosts": {"lab-load": load}}}
    path.write_text(json.dumps({"lab": {"children": groups}}))
    return path


def said(result: subprocess.CompletedProcess) -> str:
    """Return all output on one line, with its commands as for the default inventory."""
    return printed(result.stdout + result.stderr)


def refusal(result: subprocess.CompletedProcess) -> str:
    """The message of the task that failed, as its role or playbook wrote it."""
    message = re.search(r"^FAILED: .*\n((?:  .*\n)+)", result.stdout, re.MULTILINE)
    assert message, result.stdout + result.stderr
    return without_inventory(textwrap.dedent(message[1]).rstrip("\n"))


def failures_of_each(play: Play, folder: Path, name: str, variables: list[dict], *tasks: str) -> list[str]:
    """What each host reports in the first play on localhost of a playbook with the variables of that host."""
    parts = yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())
    local = next(part for part in parts if part.get("hosts") == "localhost")
    wanted = [task for task in local["tasks"] if not tasks or task["name"] in tasks]
    # Beside the folder of the scenarios, as the real one.
    playbook = folder / "playbooks/play.yml"
    playbook.parent.mkdir()
    (folder / "locustfiles").symlink_to(ROOT / "locustfiles")
    playbook.write_text(yaml.safe_dump([local | {"hosts": "all", "tasks": wanted}]))
    own = {"ansible_connection": "local", "lab_directory": str(folder / "own")}
    hosts = {f"case-{number}.": own | given for number, given in enumerate(variables)}
    (folder / "cases.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    result = play(playbook, folder / "cases.yml")
    assert result.returncode != 0
    parts = [said(result).partition(f"FAILED: {host} failed in task: ")[2].partition("FAILED: ")[0] for host in hosts]
    assert all(parts), result.stdout + result.stderr
    return parts


class Watched:
    """Two hosts of the documentation range, and whether ssh was ever started to reach one."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "ssh-was-called"
        ssh = folder / "ssh"
        ssh.write_text(f'#!/bin/sh\necho "$@" >> "{self.marker}"\necho "nobody is reached here" >&2\nexit 255\n')
        ssh.chmod(0o755)
        hosts = [{"ansible_host": f"192.0.2.{number}", "ansible_ssh_executable": str(ssh)} for number in (1, 2)]
        self.inventory = inventory(folder / "hosts.yml", *hosts)
        # The lock of this clone may be in use.
        given = json.loads(self.inventory.read_text()) | {"all": {"vars": {"lab_directory": str(folder / "own")}}}
        self.inventory.write_text(json.dumps(given))

    @property
    def touched(self) -> bool:
        return self.marker.exists()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.fixture(scope="session")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory for plays that connect to nothing."""
    folder = tmp_path_factory.mktemp("inventory")
    return inventory(folder / "hosts.yml", {"ansible_host": "192.0.2.1"}, {"ansible_host": "192.0.2.2"})


def test_playbooks_parse(play: Play, anywhere):
    """Check all playbooks in one process. An error is reported with its file."""
    *others, last = PLAYBOOKS
    result = play(last, anywhere, "--syntax-check", *map(str, others))
    assert result.returncode == 0, said(result)
    assert "WARNING" not in result.stderr
    assert [f"playbook: {path}" for path in PLAYBOOKS] == [line for line in result.stdout.splitlines() if line]


def test_a_changed_setting_of_the_api_needs_only_a_part_of_site(play: Play, anywhere):
    result = play(ROOT / "site.yml", anywhere, "--tags", "api", "--list-tasks")
    assert result.returncode == 0, said(result)
    # Checks of the arguments of roles change nothing.
    tasks = [line.partition("TAGS:")[0].strip() for line in result.stdout.splitlines() if "TAGS" in line]
    tasks = [task for task in tasks if "Validating arguments" not in task]
    wanted = ["Read the settings of the API's container", "Look for each image",
              "platform : Write HAProxy's configuration", "api_mounts : Copy what the host does not have",
              "api_secrets : Make a Swarm secret of each file", "api_services : Deploy the stack",
              "api_stack : Deploy what changed"]  # fmt: skip
    assert [task for task in dict.fromkeys(tasks) if task in wanted] == wanted
    assert [task for task in tasks if task.startswith(("docker_engine", "locust_host", "images : Build"))] == []
    # No model is trained. Its version is looked up.
    assert {task for task in tasks if task.startswith("model : ")} == {
        "model : Champion | Look up the version in MLflow",
        "model : Champion | Keep the version",
    }


# --- A bad sweep file -----------------------------------------------------------------------------------------------

GOOD = """\
name: quick
slo: {p95_ms: 500}
load: {users: 50}
matrix:
  replicas: [1, 2]
  cpus: [0.5, 1]
  memory: [600M]
  workers: [2]
"""


def swap(old: str, new: str) -> str:
    """The good file with one thing changed."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


# `swarmsweep/sweep/` has the tests of all errors in a file. This test checks that each kind reaches the user.
BAD_SWEEPS = {
    "empty": ("", None),
    "unknown key": (swap("cpus", "cpu"), 6),
    "a template": (swap("quick", "'{{ lookup(7) }}'"), 1),
}


def assert_complete(words: str, path: Path, line: int | None) -> None:
    """The user gets the complete message of the package."""
    with pytest.raises(InputError) as refused:
        load_sweep(path)
    assert f"{path}:{line}: " in words if line else f"{path}: " in words
    assert " ".join(str(refused.value).split()) in words
    assert "Traceback" not in words


def test_bad_sweep_is_refused_before_any_host_is_touched(play: Play, watched, tmp_path):
    text, line = BAD_SWEEPS["a template"]
    path = tmp_path / "bad.yml"
    path.write_text(text)
    result = play(ROOT / "sweep.yml", watched.inventory, "-e", f"sweep={path}")
    assert result.returncode != 0
    assert_complete(said(result), path, line)
    assert not watched.touched


def test_each_kind_of_mistake_in_a_sweep_reaches_the_user(play: Play, tmp_path):
    cases = [case for name, case in BAD_SWEEPS.items() if name != "a template"]
    paths = [tmp_path / f"{number}.yml" for number in range(len(cases))]
    for path, (text, _) in zip(paths, cases, strict=True):
        path.write_text(text)
    variables = [{"sweep": str(path)} for path in [*paths, "sweeps/quik.yml"]]
    *refused, missing = failures_of_each(play, tmp_path, "check_sweep", variables)
    for words, path, (_, line) in zip(refused, paths, cases, strict=True):
        assert_complete(words, path, line)
    # A file that is not there is refused with those that are.
    assert "sweeps/quik.yml" in missing
    assert "quick.yml" in missing
    assert "Traceback" not in missing


# The sweep file is not there either: a resumed run needs none.
@pytest.mark.parametrize("run", ["20261122T114512Z-quick", ""])
def test_a_run_that_is_unknown_is_refused_before_any_host_is_touched(play: Play, watched, tmp_path, run):
    known = tmp_path / "reports/20261121T114512Z-quick"
    known.mkdir(parents=True)
    (known / "plan.json").touch()
    given = {"resume": run, "lab_reports": str(tmp_path / "reports")}
    result = play(ROOT / "sweep.yml", watched.inventory, "-e", json.dumps(given))
    assert result.returncode != 0
    assert f"resume is '{run}'; allowed: a run in {tmp_path}/reports: {known.name}. To resume the " in said(result)
    # The other arguments are repeated. Of two values, Ansible takes the last.
    next_command = said(result).rpartition("next: ")[2]
    assert " ./lab sweep " in f" {next_command}"
    assert next_command.endswith(f" -e resume={known.name}")
    assert not watched.touched


# This shows that the marker above can appear at all.
def test_good_sweep_goes_on_to_the_hosts(play: Play, watched):
    result = play(ROOT / "sweep.yml", watched.inventory, "-e", "sweep=sweeps/quick.yml")
    assert result.returncode != 0
    assert watched.touched
    assert "The lab cannot work:" in said(result)


# --- Invalid names and addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("playbook", ["site.yml", "sweep.yml"])
def test_a_bad_name_is_refused_before_any_host_is_touched(play: Play, watched, tmp_path, playbook):
    given = {"lab_name": "lab\n", "lab_directory": str(tmp_path / "keys")}
    result = play(ROOT / playbook, watched.inventory, "-e", json.dumps(given))
    assert result.returncode != 0
    assert r"lab_name is 'lab\n'; " in said(result)
    assert not watched.touched
    assert not (tmp_path / "keys").exists()


def test_hosts_of_another_name_are_refused_before_any_host_is_touched(play: Play, watched, tmp_path):
    groups = yaml.safe_load(watched.inventory.read_text())["lab"]["children"]
    names = ["../x", "-rf", "a b", "x;id", "localhost"]
    groups["load"]["hosts"] = dict.fromkeys(names, groups["load"]["hosts"]["lab-load"])
    path = tmp_path / "other.yml"
    path.write_text(json.dumps({"lab": {"children": groups}}))
    result = play(ROOT / "site.yml", path)
    assert result.returncode != 0
    assert [name for name in names if f"the host '{name}'" not in said(result)] == []
    assert said(result).count(f" in {path}") == len(names)
    assert not watched.touched


@pytest.mark.parametrize(
    ("given", "addresses", "words"),
    [
        (
            {"lab_subnet": "198.18.300.0/24", "lab_bridge": "x;id", "lab_release": "sid"},
            ["198.18.0.11", "198.18.0.12"],
            ["lab_subnet is '198.18.300.0/24'; ", "lab_bridge is 'x;id'; ", "lab_release is 'sid'; "],
        ),
        (
            {"lab_subnet": "198.18.0.0/24\n", "lab_bridge": None},
            ["198.18.0.11", "198.18.0.12"],
            [r"lab_subnet is '198.18.0.0/24\n'; ", "lab_bridge is None; "],
        ),
        # The address of the bridge, for both.
        (
            {},
            ["198.18.0.1", "198.18.0.1"],
            ["ansible_host of 'lab-api' is '198.18.0.1'; ", "ansible_host of 'lab-load' is 198.18.0.1, "],
        ),
    ],
)
def test_no_machine_is_made_for_an_invalid_lab(play: Play, tmp_path, given, addresses, words):
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory/lab", folder)
    inventory(folder / "hosts.yml", *({"ansible_host": address} for address in addresses))
    # Not the name of a lab that may exist.
    given = {"lab_name": "nobodys", "lab_directory": str(tmp_path / "keys"), **given}
    result = play(ROOT / "playbooks/virtual_lab.yml", folder, "-e", json.dumps(given))
    assert result.returncode != 0
    assert [word for word in words if word not in said(result)] == []
    assert ", 0 changed" in said(result)
    assert not (tmp_path / "keys").exists()


def test_machines_are_removed_whatever_hosts_the_inventory_has(play: Play, tmp_path):
    """No API host, and more hosts than a machine has memory for. The name of the bridge ends it before any change."""
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory/lab", folder)
    hosts = {f"load{number}": {"ansible_host": f"198.18.0.{number}"} for number in range(11, 254)}
    (folder / "hosts.yml").write_text(json.dumps({"lab": {"children": {"load": {"hosts": hosts}}}}))
    given = {"lab_name": "nobodys", "lab_directory": str(tmp_path / "keys"), "lab_bridge": "x;id"}
    result = play(ROOT / "playbooks/virtual_lab.yml", folder, "-e", json.dumps(given | {"virtual_lab_state": "absent"}))
    assert result.returncode != 0
    assert "lab_bridge is 'x;id'; " in said(result)
    assert ", 0 changed" in said(result)


@pytest.mark.skipif(os.geteuid() != 0, reason="root asks whose an interface is")
def test_an_interface_without_the_mark_is_refused_before_any_change(play: Play, tmp_path, golden):
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory/lab", folder)
    # A network that no other lab of this machine has.
    hosts = [{"ansible_host": f"198.19.254.{number}"} for number in (11, 12)]
    inventory(folder / "hosts.yml", *hosts)
    given = {"lab_name": "nobodys", "lab_directory": str(tmp_path / "keys"), "lab_subnet": "198.19.254.0/24"}
    # lo exists everywhere, and is never a bridge.
    result = play(ROOT / "playbooks/virtual_lab.yml", folder, "-e", json.dumps({**given, "lab_bridge": "lo"}))
    assert result.returncode != 0
    assert "lab_bridge is 'lo'" in said(result)
    golden("virtual_lab_bridge.txt", f"{refusal(result)}\n")
    assert ", 0 changed" in said(result)
    assert not (tmp_path / "keys").exists()


def test_a_variable_without_effect_is_refused_before_any_host_is_touched(play: Play, watched, tmp_path):
    """The files of group_vars override it, so the hosts would be reached as another user."""
    shutil.copytree(ROOT / "inventory/lab/group_vars", tmp_path / "group_vars")
    text = json.loads(watched.inventory.read_text())
    del text["all"]
    text["lab"]["vars"] = {"ansible_user": "ubuntu"}
    watched.inventory.write_text(json.dumps(text))
    result = play(ROOT / "site.yml", watched.inventory)
    assert result.returncode != 0
    assert f"{watched.inventory} sets ansible_user for the group 'lab'. This has no effect" in said(result)
    assert f"{tmp_path}/group_vars/lab/connection.yml overrides it" in said(result)
    assert not watched.touched


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/virtual_lab.yml", "playbooks/compose.yml"])
def test_a_setting_that_nothing_reads_is_refused_before_any_host_is_touched(play: Play, watched, tmp_path, playbook):
    """Ansible ignores it in silence."""
    settings = tmp_path / "group_vars/all/lab.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text('lab_api_wrtiable: [/a]\nlab_own: eva\nown: "{{ lab_own }}"\n')
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/lab-load.yml").write_text("lab_label: {disk: ssd}\n")
    result = play(ROOT / playbook, watched.inventory, "-e", "lab_api_cpu=2")
    assert result.returncode != 0
    assert [line.partition(" Correct")[0] for line in refusal(result).splitlines()] == [
        f"{name} is no setting of the lab, so it has no effect; allowed: {allowed}. It is set by {place}."
        for name, allowed, place in (
            ("lab_api_cpu", "lab_api_cpus", "the option -e"),
            ("lab_api_wrtiable", "lab_api_writable", settings),
            ("lab_label", "lab_labels", tmp_path / "host_vars/lab-load.yml"),
        )
    ]
    assert not watched.touched


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads the machines")
def test_machines_of_another_release_are_refused_before_any_change(play: Play, tmp_path, golden):
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory/lab", folder)
    hosts = [{"ansible_host": f"198.19.254.{number}"} for number in (11, 12)]
    inventory(folder / "hosts.yml", *hosts)
    release = tmp_path / "state/lab-load/etc/os-release"
    release.parent.mkdir(parents=True)
    release.write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n')
    given = {"lab_name": "nobodys", "lab_directory": str(tmp_path / "keys"), "lab_subnet": "198.19.254.0/24"}
    given |= {"lab_bridge": "nobodys0", "virtual_lab_state_directory": str(tmp_path / "state"), "lab_release": "trixie"}
    result = play(ROOT / "playbooks/virtual_lab.yml", folder, "-e", json.dumps(given))
    assert result.returncode != 0
    golden("virtual_lab_release.txt", f"{refusal(result)}\n")
    assert ", 0 changed" in said(result)
    assert not (tmp_path / "keys").exists()


# --- A host that is down --------------------------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A local port on which nothing listens. It is bound, so that no other process takes it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_unreachable_hosts_are_named_with_cause_and_fix(play: Play, closed_port, tmp_path):
    folder = tmp_path / "lab"
    shutil.copytree(ROOT / "inventory/lab", folder)
    host = {"ansible_host": "127.0.0.1", "ansible_port": closed_port}
    inventory(folder / "hosts.yml", host, host)
    result = play(ROOT / "playbooks/preflight.yml", folder)
    assert result.returncode != 0
    for name in ("lab-api", "lab-load"):
        assert f"- {name} (127.0.0.1) " in said(result)
    assert f"port {closed_port}: Connection refused" in said(result)
    assert "ssh 127.0.0.1 true" in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize("groups", ["{api: {hosts: {}}, load: {hosts: {}}}", "{}"], ids=["empty", "missing"])
def test_a_group_without_hosts_is_named_with_the_file_to_edit(play: Play, tmp_path, groups):
    path = tmp_path / "hosts.yml"
    path.write_text(f"lab: {{children: {groups}}}\n")
    result = play(ROOT / "playbooks/preflight.yml", path)
    assert result.returncode != 0
    for side in ("api", "load"):
        assert f"the group '{side}' " in said(result)
    assert f"edit {path}" in said(result)
    assert "Traceback" not in said(result)


# `clean` imports this check after another playbook.
@pytest.mark.parametrize("playbook", ["status", "clean"])
def test_an_inventory_that_does_not_exist_is_refused(play: Play, tmp_path, playbook):
    """Without this, `./lab status` would succeed, and show nothing."""
    result = play(ROOT / f"playbooks/{playbook}.yml", tmp_path / "none")
    assert result.returncode != 0
    assert f"the inventory '{tmp_path / 'none'}' does not exist; allowed: " in said(result)


@pytest.mark.parametrize("playbook", ["status", "logs", "compose", "preflight", "retrain"])
def test_the_names_of_an_inventory_are_checked_first(playbook):
    first = yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text())[0]
    assert first["import_playbook"] == "check_names.yml"
    assert not {"when", "tags"} & set(first)


@pytest.mark.parametrize(
    ("playbook", "given", "refused"),
    [("virtual_lab", "absent", False), ("virtual_lab", "present", True), ("compose", "present", False)],
    ids=["down", "up", "compose"],
)
def test_a_command_that_contacts_no_host_needs_none(play: Play, tmp_path, playbook, given, refused):
    """`./lab down` removes machines whose hosts are no longer in the inventory. Only the checks run here."""
    path = tmp_path / "hosts.yml"
    path.write_text("lab: {children: {api: {hosts: {}}, load: {hosts: {}}}}\n")
    only = ("-e", f"virtual_lab_state={given}", "--skip-tags", "virtual_lab,compose")
    result = play(ROOT / f"playbooks/{playbook}.yml", path, *only)
    assert (result.returncode != 0) is refused, said(result)
    assert ("the group 'api' of the inventory has no host" in said(result)) is refused


def test_a_setting_that_is_used_late_is_refused_before_any_host_is_touched(play: Play, watched):
    wrong = {"lab_api_memory": "512Q", "lab_api_cpus": "half"}
    result = play(ROOT / "playbooks/preflight.yml", watched.inventory, "-e", json.dumps(wrong))
    assert [line.partition(";")[0] for line in refusal(result).splitlines()] == [
        "lab_api_cpus is 'half'",
        "lab_api_memory is '512Q'",
    ]
    result = play(ROOT / "playbooks/preflight.yml", watched.inventory, "-e", "lab_api_ready_timeout_seconds=2m")
    assert refusal(result).startswith("lab_api_ready_timeout_seconds is '2m'; allowed: ")
    result = play(ROOT / "playbooks/preflight.yml", watched.inventory, "-e", "lab_proxy_max_connections=28001")
    assert refusal(result).startswith("lab_proxy_max_connections is '28001'; allowed: ")
    assert not watched.touched


# --- An invalid retraining --------------------------------------------------------------------------------------------


def test_an_invalid_seed_is_refused_before_any_host_is_touched(play: Play, watched, tmp_path, golden):
    result = play(ROOT / "playbooks/retrain.yml", watched.inventory, "-e", "seed=-1", "-e", f"lab_directory={tmp_path}")
    assert result.returncode != 0
    message = refusal(result)
    assert message.startswith("seed is '-1';")
    golden("retrain_seed.txt", message.replace(message.split(";")[0], "seed is 'SEED'") + "\n")
    assert not watched.touched


def test_each_invalid_seed_is_refused(play: Play, tmp_path):
    seeds = ["1.5", "seven", "1234567890", ""]
    tasks = ("Choose a seed, unless it is given", "Refuse an invalid seed")
    told = failures_of_each(play, tmp_path, "retrain", [{"seed": seed} for seed in seeds], *tasks)
    assert [words for words, seed in zip(told, seeds, strict=True) if f"seed is '{seed}';" not in words] == []


# --- A role with invalid input ----------------------------------------------------------------------------------------


REFUSED_ARGUMENTS = {
    "docker_engine": ({"docker_engine_source": "podman"}, "one of: distribution, docker-ce, present, got: podman"),
    "swarm": ({"swarm_subnet_size": "wide"}, "'swarm_subnet_size' is of type"),
    "api_stack": ({"api_stack_replicas": 1.5}, "'api_stack_replicas' is of type"),
    "virtual_lab": ({"virtual_lab_machines": [{"name": "x"}]}, "required arguments: address, cores, memory_bytes"),
}


def test_roles_refuse_other_arguments_before_they_start(play: Play, tmp_path):
    # Each role has a host of its name.
    task = {"name": "Start", "ansible.builtin.include_role": {"name": "{{ inventory_hostname }}"}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "tasks": [task]}]))
    hosts = {role: {"ansible_connection": "local"} | given for role, (given, _) in REFUSED_ARGUMENTS.items()}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    result = play(tmp_path / "play.yml", tmp_path / "hosts.yml")
    assert result.returncode != 0
    for role, (_, words) in REFUSED_ARGUMENTS.items():
        assert words in said(result).partition(f"FAILED: {role} failed in task: ")[2].partition("FAILED: ")[0]
    # On each host the task of the play, and the check of the arguments.
    assert f"{2 * len(REFUSED_ARGUMENTS)} tasks, 0 changed" in said(result)


# --- Hosts of another version -----------------------------------------------------------------------------------------

SITE = {"preflight_locks": True, "preflight_is_site": True}


# The play gives this to the action: the arguments of the play, the tags, and whether hosts must have this version.
@pytest.mark.parametrize(
    ("given", "tags", "needed"),
    [
        ({"preflight_locks": True}, ["all"], True),
        (SITE, ["all"], False),
        # This part of site.yml needs what the other parts installed.
        (SITE, ["api"], True),
        (SITE, ["provision"], False),
        ({}, ["all"], False),
    ],
    ids=["sweep", "site", "site --tags api", "site --tags provision", "preflight"],
)
def test_a_command_that_does_not_provision_needs_hosts_of_its_version(given, tags, needed):
    parts = yaml.safe_load((ROOT / "playbooks/preflight.yml").read_text())
    (task,) = (task for part in parts for task in part.get("tasks", []) if "preflight" in task)
    world = jinja2.Environment()
    world.filters["intersect"] = lambda one, other: [item for item in one if item in other]
    assert world.from_string(task["preflight"]["provisioned"]).render(given, ansible_run_tags=tags) == str(needed)


# This machine may lack what a host needs, which is reported too.
@pytest.mark.parametrize(
    ("tags", "disk", "value", "refused"), [(("--tags", "api"), "hdd", "", True), ((), "ssd", None, False)]
)
def test_all_problems_of_the_hosts_and_the_settings_are_named_together(
    play: Play, tmp_path, tags, disk, value, refused
):
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_host": "127.0.0.1"}
    path = inventory(tmp_path / "hosts.yml", host | {"lab_labels": {"disk": disk}}, host)
    given = SITE | {"lab_directory": str(tmp_path / "own"), "lab_host_directory": str(tmp_path / "lab")}
    given |= {"lab_api_placement": {"disk": "ssd"}}
    # With lab_api_spread empty too: null is as no spread.
    given |= {"lab_registry": value, "lab_api_on_manager": "maybe", "lab_api_spread": None}
    result = play(ROOT / "playbooks/preflight.yml", path, "-e", json.dumps(given), *tags)
    # Hosts of another version.
    for name in ("lab-api", "lab-load"):
        assert (f"- {name} (127.0.0.1) has no lab yet. Fix: ./lab site" in said(result)) is refused
    # A lab without a host for the replicas.
    words = "- lab_api_placement is {disk: ssd}, and no API host that may carry replicas has these labels: "
    assert (f"{words}lab-api has disk: hdd. Fix: " in said(result)) is refused
    # Settings that are no truth value.
    assert f"- lab_registry is {value!r}; allowed: true or false. Fix: change it in " in said(result)
    assert "- lab_api_on_manager is 'maybe'; allowed: true or false. Fix: change it in " in said(result)
    assert "lab_api_spread is" not in said(result)


def test_a_page_that_can_load_nothing_is_refused_before_any_host_is_touched(play: Play, watched):
    result = play(ROOT / "playbooks/ui.yml", watched.inventory, "-e", "ui_of=nothing.py")
    assert result.returncode != 0
    assert "'nothing.py' is not in locustfiles/; available: " in said(result)
    assert not watched.touched


# The variables of `./lab ui`, and words of the refusal.
REFUSED_PAGES = [
    ({"ui_of": "sweeps/nothing.yml"}, "sweeps/nothing.yml: no such sweep file"),
    ({"ui_of": "sweeps/capacity.yml"}, "is an open loop, and Locust's page starts users"),
    ({"ui_workers": "129"}, "--workers is '129'; allowed: a whole number from 1 to 128"),
    ({"ui_minutes": "1441"}, "--minutes is '1441'; allowed: a whole number from 1 to 1440"),
]


def test_each_mistake_in_the_order_of_a_page_is_refused(play: Play, tmp_path):
    told = failures_of_each(play, tmp_path, "ui", [given for given, _ in REFUSED_PAGES])
    assert [words for words, (_, wanted) in zip(told, REFUSED_PAGES, strict=True) if wanted not in words] == []
