"""Commands of ./lab keep the inventory and the settings of the command before them, and no secret."""

import shlex

import pytest

from swarmsweep.lab.inventory_files import hosts_of, inventory_of, settings_of
from swarmsweep.lab.lab_command import USUAL, commands_like, inventory_prefix, with_prefix
from swarmsweep.lab.mask_secrets import storable

PROGRAM = "/opt/lab/.venv/bin/ansible-playbook"
MINE = "LAB_INVENTORY=inventory/mine ./lab"
SWEEP = ["sweep.yml", "-i", "inventory/mine", "-e", "sweep=sweeps/mine.yml"]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["sweep.yml"], "./lab sweep next.yml"),
        (["sweep.yml", "-i", "inventory/lab", "-e", "sweep=sweeps/quick.yml"], "./lab sweep next.yml"),
        (["sweep.yml", "-i", "inventory/lab/"], "./lab sweep next.yml"),
        (SWEEP, f"{MINE} sweep next.yml"),
        (["sweep.yml", "-iinventory/my lab"], "LAB_INVENTORY='inventory/my lab' ./lab sweep next.yml"),
        (["sweep.yml", "--inventory=/srv/hosts.yml"], "LAB_INVENTORY=/srv/hosts.yml ./lab sweep next.yml"),
        # LAB_INVENTORY has a place for the first one alone.
        (["sweep.yml", "-i", "a", "-i", "b"], "LAB_INVENTORY=a ./lab sweep next.yml -i b"),
        (["sweep.yml", "-i", "inventory/lab", "-i", "my b", "-K"], "./lab sweep next.yml -i 'my b' -K"),
        (["sweep.yml", "-i", "inventory/mine", "-i", "h1,h2"], f"{MINE} sweep next.yml -i h1,h2"),
        # Ansible takes an empty one for no inventory of a lab.
        (["sweep.yml", "-i", ""], "./lab sweep next.yml"),
        (["sweep.yml", "--inventory="], "./lab sweep next.yml"),
        (["sweep.yml", "-i"], "./lab sweep next.yml"),
        # Outside of the working folder.
        (["sweep.yml", "-i", "../mine/"], "LAB_INVENTORY=../mine ./lab sweep next.yml"),
        (["sweep.yml", "-i", "inventory/x/../mine"], f"{MINE} sweep next.yml"),
        # Settings stay, and what belongs to one sweep does not.
        ([*SWEEP, "-e", "lab_api_image=b:2", "-K"], f"{MINE} sweep next.yml -e lab_api_image=b:2 -K"),
        ([*SWEEP, "-eseed=7", "-e", "sweep_only=r2-*", "-e", "sweep_max_minutes=9"], f"{MINE} sweep next.yml"),
        (["sweep.yml", "-e", "resume=2026-a", "-v", "--check", "-t", "measure"], "./lab sweep next.yml"),
        (["sweep.yml", "-e", "sweep=a.yml lab_api_cpus=2 seed=7"], "./lab sweep next.yml -e lab_api_cpus=2"),
        (["sweep.yml", "-e", '{"sweep": "my file.yml"}'], "./lab sweep next.yml"),
        (["sweep.yml", "-e", '{"seed": 7, "lab_api_cpus": 2}'], """./lab sweep next.yml -e '{"lab_api_cpus": 2}'"""),
        (["sweep.yml", "-e", "lab_api_cpus=2"], "./lab sweep next.yml -e lab_api_cpus=2"),
        # Several short options in one word.
        (["sweep.yml", "-Kv"], "./lab sweep next.yml -K"),
        (["sweep.yml", "-CK"], "./lab sweep next.yml -K"),
        (["sweep.yml", "-vvv", "-CDh"], "./lab sweep next.yml"),
        (["sweep.yml", "-vKf", "5", "-Kt", "measure"], "./lab sweep next.yml -K -f 5 -K"),
        (["sweep.yml", "-CKiinventory/mine"], f"{MINE} sweep next.yml -K"),
        (["sweep.yml", "-vKeseed=7 lab_api_cpus=2"], "./lab sweep next.yml -K -e lab_api_cpus=2"),
    ],
)
def test_the_command_of_the_sweep_that_follows(words, command):
    argv = [PROGRAM, *words]
    assert commands_like(argv).noted_sweep("next.yml") == command
    # The manifest has the same line, without what may be secret.
    assert commands_like(shlex.split(storable(argv))).noted_sweep("next.yml") == command


@pytest.mark.parametrize(
    ("words", "typed", "stored"),
    [
        (["-e", "dsn=hunter2"], "-e 'dsn=***'", "-e 'dsn=***'"),
        (["-e", "seed=7 dsn=hunter2"], "-e 'dsn=***'", "-e 'dsn=***'"),
        # What is left after a variable is no file.
        (["-e", "seed=7 @hunter2"], "-e '***'", "-e '***'"),
        (["-e", "seed=7 {hunter2: a}"], "-e '***'", "-e '***'"),
        (["--ssh-common-args", "-o hunter2"], "--ssh-common-args '***'", "--ssh-common-args '***'"),
        # A file is a name that the command needs. The manifest does not have it.
        (["-e", "@vars.yml"], "-e @vars.yml", "-e '@***'"),
        (["-u", "root"], "-u root", "-u '***'"),
    ],
)
def test_a_value_that_may_be_secret_is_hidden_with_a_note(words, typed, stored):
    note = " (replace ***, which hides a value that may be secret)"
    argv = [PROGRAM, *SWEEP, *words]
    for line, options in ((argv, typed), (shlex.split(storable(argv)), stored)):
        command = commands_like(line).noted_sweep("-e resume=2026-a")
        assert command == f"{MINE} sweep -e resume=2026-a {options}" + (note if "***" in options else "")


PREFIX = "LAB_INVENTORY=inventory/mine "


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Run: ./lab site", f"Run: {MINE} site"),
        ("Fix: ./lab down && ./lab up", f"Fix: {MINE} down && {MINE} up"),
        (f"Run: {MINE} site", f"Run: {MINE} site"),
        # A command of another inventory keeps it.
        ("Run: LAB_INVENTORY=../b ./lab site", "Run: LAB_INVENTORY=../b ./lab site"),
        ("`LAB_INVENTORY='my lab' ./lab up` or ./lab up", f"`LAB_INVENTORY='my lab' ./lab up` or {MINE} up"),
        ("LAB_INVENTORY='it'\"'\"'s' ./lab up", "LAB_INVENTORY='it'\"'\"'s' ./lab up"),
        ("LAB_INVENTORY=my\\ lab ./lab up", "LAB_INVENTORY=my\\ lab ./lab up"),
        ("LAB_INVENTORY=b make && ./lab up", f"LAB_INVENTORY=b make && {MINE} up"),
        ("with './lab stop'.\n./lab image x:1", f"with '{MINE} stop'.\n{MINE} image x:1"),
        # They read no inventory.
        ("./lab report RUN, ./lab watch, ./lab new URL", "./lab report RUN, ./lab watch, ./lab new URL"),
        ("in /srv/./lab site and ./labs", "in /srv/./lab site and ./labs"),
    ],
)
def test_the_commands_of_a_text_name_the_inventory(text, shown):
    assert with_prefix(text, PREFIX) == shown
    assert with_prefix(text, "") == USUAL.in_text(text) == text


def test_an_inventory_below_the_working_folder_is_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inventory_prefix([str(tmp_path / "inventory/mine")]) == PREFIX
    for usual in ([], ["inventory/lab/"], [str(tmp_path / "inventory/lab")], ["", "inventory/lab"]):
        assert inventory_prefix(usual) == ""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert inventory_prefix(["~/inventory/mine"]) == PREFIX


def test_the_inventory_that_ansible_read_is_named_where_the_command_does_not_name_it():
    argv = [PROGRAM, "sweep.yml", "-K"]
    assert commands_like(argv, ["inventory/mine"]).sweep("next.yml") == f"{MINE} sweep next.yml -K"
    hidden = commands_like([*argv, "-i", "***"], ["inventory/a@b"])
    assert hidden.sweep("") == "LAB_INVENTORY=inventory/a@b ./lab sweep -K"
    assert commands_like(argv, ["a", "b"]).inventories == ("a", "b")


def test_of_several_inventories_the_last_one_with_settings_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        (tmp_path / name / "group_vars/all").mkdir(parents=True)
        (tmp_path / settings_of(name)).write_text("")
    (tmp_path / "more").mkdir()
    assert inventory_of(["first", "second", "more"]) == "second"
    assert inventory_of(["first", "h1,h2", "more"]) == "first"
    assert inventory_of(["more", "other"]) == "more"
    assert inventory_of([]) == inventory_of(None) == "inventory/lab"


def test_what_is_one_file_is_decided_by_the_file(tmp_path):
    """A script, and an inventory without an ending, are files. A folder may have an ending."""
    for name in ("hosts", "hosts.py"):
        path = tmp_path / name
        path.write_text("")
        assert (settings_of(str(path)), hosts_of(str(path))) == (f"{tmp_path}/group_vars/all/lab.yml", str(path))
    folder = tmp_path / "lab.yml"
    folder.mkdir()
    assert (settings_of(str(folder)), hosts_of(str(folder))) == (
        f"{folder}/group_vars/all/lab.yml",
        f"{folder}/hosts.yml",
    )


@pytest.mark.parametrize(
    ("inventory", "settings", "hosts"),
    [
        ("inventory/mine", "inventory/mine/group_vars/all/lab.yml", "inventory/mine/hosts.yml"),
        ("/srv/lab/real.yml", "/srv/lab/group_vars/all/lab.yml", "/srv/lab/real.yml"),
        ("hosts.ini", "./group_vars/all/lab.yml", "hosts.ini"),
        # They have no file that could be named. Such a list may be longer than a name of a file.
        ("h1,h2,", "the inventory", "the inventory"),
        (",".join(f"host-{number}" for number in range(99)), "the inventory", "the inventory"),
        ("inventory/***", "the inventory", "the inventory"),
    ],
)
def test_the_files_of_an_inventory(inventory, settings, hosts):
    assert (settings_of(inventory), hosts_of(inventory)) == (settings, hosts)


def test_a_folder_with_settings_alone_has_no_file_of_hosts(tmp_path):
    (tmp_path / "group_vars/all").mkdir(parents=True)
    assert hosts_of(str(tmp_path)) == f"{tmp_path}/hosts.yml"
    (tmp_path / "group_vars/all/lab.yml").write_text("")
    assert hosts_of(str(tmp_path)) == "the inventory"
    (tmp_path / "hosts.yml").write_text("")
    assert hosts_of(str(tmp_path)) == f"{tmp_path}/hosts.yml"


@pytest.mark.parametrize(
    ("reports", "command"), [(None, "./lab report r"), ("/my runs", "./lab report r --reports-dir '/my runs'")]
)
def test_the_report_of_a_run_names_another_folder(reports, command):
    assert commands_like(["x"], reports=reports).report("r") == command
