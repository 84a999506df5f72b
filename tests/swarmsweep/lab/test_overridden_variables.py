"""Variables of groups in hosts.yml that files in group_vars/ override, with the file to change."""

import shutil
from pathlib import Path

import pytest

from swarmsweep.lab.overridden_variables import overridden_problems

LAB = Path(__file__).parents[3] / "inventory/lab"
HOSTS = """\
lab:
  children:
    api: {hosts: {lab-api: {ansible_host: 192.0.2.1, ansible_user: ubuntu, ansible_port: 2222}}}
    load: {hosts: {lab-load: {ansible_host: 192.0.2.2}}}
"""


@pytest.fixture
def inventory(tmp_path) -> Path:
    """The lab's own inventory, with other hosts."""
    folder = tmp_path / "mine"
    shutil.copytree(LAB, folder)
    (folder / "hosts.yml").write_text(HOSTS)
    return folder


def test_the_lab_s_own_inventory_overrides_nothing(inventory):
    assert overridden_problems([LAB]) == []
    # A host may have variables of its own.
    assert overridden_problems([inventory]) == []
    assert overridden_problems(None) == overridden_problems(["localhost,"]) == []


@pytest.mark.parametrize(
    ("group", "variable", "file"),
    [
        ("lab", "ansible_user: ubuntu", "lab/connection.yml"),
        ("lab", "ansible_ssh_common_args: -o ProxyJump=bastion", "lab/connection.yml"),
        # A group below it, and the group above all.
        ("api", "ansible_user: ubuntu", "lab/connection.yml"),
        ("all", "ansible_user: !vault x", "lab/connection.yml"),
        ("lab", "lab_api_port: 5000", "all/lab.yml"),
        ("load", "lab_remote_user: me", "all/lab.yml"),
    ],
)
def test_a_variable_of_a_group_without_effect_is_named_with_the_file(inventory, group, variable, file):
    hosts = inventory / "hosts.yml"
    hosts.write_text(f"{HOSTS}{'' if group == 'lab' else f'{group}:'}\n  vars: {{{variable}}}\n")
    name = variable.partition(":")[0]
    for source in (inventory, hosts):
        (problem,) = overridden_problems([source])
        assert problem.startswith(f"{hosts} sets {name} for the group '{group}'. This has no effect, because ")
        assert f"{inventory}/group_vars/{file} overrides it" in problem
        # A setting of the lab for one host alone would not reach the controller.
        assert ("below each host" in problem) is name.startswith("ansible_")


@pytest.mark.parametrize(
    "text",
    [
        "  vars: {ansible_port: 2222, ansible_become_method: su}\n",
        "  vars: {lab_api_port: 8000}\n",
        "other: {vars: {mine: 1}, hosts: {other: {}}}\n",
        "  vars: [ansible_user]\n",
        "  vars: {ansible_user\n",
        "\tx",
    ],
)
def test_what_has_an_effect_or_is_no_variable_is_left_to_ansible(inventory, text):
    (inventory / "hosts.yml").write_text(HOSTS + text)
    (inventory / "group_vars/other.yml").write_text("mine: 1\n")
    assert overridden_problems([inventory]) == []


@pytest.mark.parametrize("file", ["other", "other.yaml", "other/more/x.yml", "other.json"])
def test_every_file_that_ansible_reads_counts(inventory, file):
    (inventory / "hosts.yml").write_text(f"{HOSTS}other: {{vars: {{mine: 1}}, hosts: {{lab-api: {{}}}}}}\n")
    path = inventory / "group_vars" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"mine": 2}')
    (problem,) = overridden_problems([inventory])
    assert f"{path} overrides it" in problem


def test_a_file_that_contains_itself_is_left_to_ansible(inventory):
    (inventory / "hosts.yml").write_text("lab: &a {children: {lab: *a}}\n")
    assert overridden_problems([inventory]) == []


def test_a_file_of_one_group_below_leaves_the_variable_its_other_hosts(inventory):
    (inventory / "hosts.yml").write_text(f"{HOSTS}  vars: {{ansible_port: 22}}\n")
    (inventory / "group_vars/api.yml").write_text("ansible_port: 2222\n")
    assert overridden_problems([inventory]) == []


@pytest.mark.parametrize("group", ["all", "lab", "api"])
def test_groups_may_be_placed_below_another_one_by_name_alone(inventory, group):
    places = {
        "lab": "  children: {api: , load: }\n",
        "api": "  hosts: {lab-api: {}}\n",
        "load": "  hosts: {lab-load: {}}\n",
        "all": "",
    }
    places[group] += "  vars: {ansible_user: ubuntu}\n"
    (inventory / "hosts.yml").write_text("".join(f"{name}:\n{text}" for name, text in places.items()))
    (problem,) = overridden_problems([inventory])
    assert f"for the group '{group}'" in problem
    assert f"{inventory}/group_vars/lab/connection.yml overrides it" in problem


def test_files_that_ansible_does_not_read_override_nothing(inventory):
    (inventory / "hosts.yml").write_text(f"{HOSTS}  vars: {{ansible_port: 22}}\n")
    # There is a folder of this name.
    for name in ("lab.yml", "lab/.old.yml", "lab/connection.yml~", "lab/old.bak/connection.yml"):
        path = inventory / "group_vars" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("ansible_port: 2222\n")
    assert overridden_problems([inventory]) == []
