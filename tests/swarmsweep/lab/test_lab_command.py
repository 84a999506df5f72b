"""Commands of ./lab keep the inventory and the settings of the command before them, and no secret."""

import shlex

import pytest

from swarmsweep.lab.inventory_files import hosts_of, settings_of
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
        # LAB_INVENTORY has no place for both.
        (["sweep.yml", "-i", "a", "-i", "b"], "./lab sweep next.yml"),
        # Settings stay, and what belongs to one sweep does not.
        ([*SWEEP, "-e", "lab_api_image=b:2", "-K"], f"{MINE} sweep next.yml -e lab_api_image=b:2 -K"),
        ([*SWEEP, "-eseed=7", "-e", "sweep_only=r2-*", "-e", "sweep_max_minutes=9"], f"{MINE} sweep next.yml"),
        (["sweep.yml", "-e", "resume=2026-a", "-v", "--check", "-t", "measure"], "./lab sweep next.yml"),
        (["sweep.yml", "-e", "sweep=a.yml lab_api_cpus=2 seed=7"], "./lab sweep next.yml -e lab_api_cpus=2"),
        (["sweep.yml", "-e", '{"sweep": "my file.yml"}'], "./lab sweep next.yml"),
        (["sweep.yml", "-e", '{"seed": 7, "lab_api_cpus": 2}'], """./lab sweep next.yml -e '{"lab_api_cpus": 2}'"""),
        (["sweep.yml", "-e", "lab_api_cpus=2"], "./lab sweep next.yml -e lab_api_cpus=2"),
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
    assert inventory_prefix([str(tmp_path / "inventory/lab")]) == inventory_prefix([]) == ""


@pytest.mark.parametrize(
    ("inventory", "settings", "hosts"),
    [
        ("inventory/mine", "inventory/mine/group_vars/all/lab.yml", "inventory/mine/hosts.yml"),
        ("/srv/lab/real.yml", "/srv/lab/group_vars/all/lab.yml", "/srv/lab/real.yml"),
        ("hosts.ini", "./group_vars/all/lab.yml", "hosts.ini"),
    ],
)
def test_the_files_of_an_inventory(inventory, settings, hosts):
    assert (settings_of(inventory), hosts_of(inventory)) == (settings, hosts)
