"""Names of settings that nothing reads, with the place and the names that may be meant."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from swarmsweep.lab.setting_names import problems_in_files, setting_names, unknown_problems, unknown_settings

ROOT = Path(__file__).parents[3]
LAB = ROOT / "inventory/lab"
SETTINGS = "group_vars/all/lab.yml"


@pytest.fixture
def inventory(tmp_path) -> Path:
    """The lab's own inventory."""
    folder = tmp_path / "mine"
    shutil.copytree(LAB, folder)
    return folder


def test_the_settings_are_those_that_the_inventory_explains():
    explained = set(yaml.safe_load((LAB / SETTINGS).read_text()))
    # Settings of a single host are in comments there. connection.yml has the last one.
    explained |= {"lab_labels", "lab_swarm_address", "lab_machine_is_virtual"}
    assert {"lab_labels", "lab_swarm_address"} <= set(re.findall(r"\blab_\w+", (LAB / "hosts.yml").read_text()))
    assert setting_names(ROOT) == explained
    assert problems_in_files([LAB], ROOT) == []


def test_a_file_with_variables_beside_the_playbooks_reads_nothing(tmp_path):
    (tmp_path / "site.yml").write_text("- hosts: all\n  vars: {own: '{{ lab_one }}'}\n")
    (tmp_path / "mine.yml").write_text("lab_two: 1\n")
    names = setting_names(tmp_path)
    assert "lab_one" in names
    assert "lab_two" not in names


def test_a_user_may_have_another_connection_yml(inventory):
    (inventory / "group_vars/lab/connection.yml").write_text("ansible_user: ubuntu\n")
    assert problems_in_files([inventory], ROOT) == []


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("lab_api_wrtiable", "lab_api_writable"),
        ("lab_api_writeable", "lab_api_writable"),
        ("lab_api_secret", "lab_api_secrets, lab_api_secret_env"),
        ("lab_writable", "lab_api_writable"),
        ("lab_api_envs", "lab_api_env"),
        ("lab_price", "lab_prices"),
        # All names begin alike, so a beginning is no likeness.
        ("lab_api_gpu_model_name", f"the settings in inventory/lab/{SETTINGS}"),
        # A module and a filter of the lab.
        ("lab_image", f"the settings in inventory/lab/{SETTINGS}"),
        ("lab_registry_of", "lab_registry, lab_registry_port"),
    ],
)
def test_an_unknown_name_is_named_with_those_that_are_like_it(name, allowed):
    assert unknown_settings([{"lab_name": "a"}, {name: []}], None, ROOT) == [name]
    (problem,) = unknown_problems([name], None, [], ROOT)
    assert problem.startswith(
        f"{name} is no setting of the lab, so it has no effect; allowed: {allowed}. It is set by "
    )


@pytest.mark.parametrize(
    ("variables", "unknown"),
    [
        ({"own": 1, "labels": 2, "my_lab_x": 3}, []),
        # connection.yml does so.
        ({"lab_own": "eva", "ansible_user": "{{ lab_own }}"}, []),
        ({"lab_own": "eva", "deep": [{"if": "{% if lab_own %}a{% endif %}"}]}, []),
        ({"lab_own": "eva", "note": "about lab_own"}, ["lab_own"]),
        ({"lab_own": "eva", "other": "{{ lab_owner }}"}, ["lab_own"]),
    ],
)
def test_a_variable_of_the_user_is_one_that_a_template_reads_or_with_another_name(variables, unknown):
    assert unknown_settings([variables], None, ROOT) == unknown


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (SETTINGS, "lab_api_wrtiable: [/a]\n"),
        ("group_vars/all/more/api.yml", "'lab_api_wrtiable': [/a]\n"),
        ("group_vars/api.yml", "lab_api_wrtiable : [/a]\n"),
        ("host_vars/lab-api.json", '{"a": 1, "lab_api_wrtiable": ["/a"]}'),
        ("hosts.yml", "lab: {children: {api: {hosts: {lab-api: {lab_api_wrtiable: [/a]}}}, load: {}}}\n"),
        ("hosts.yml", "lab: {vars: {lab_api_wrtiable: [/a]}}\n"),
    ],
)
def test_the_file_of_a_name_is_named(inventory, file, text):
    (inventory / file).parent.mkdir(parents=True, exist_ok=True)
    (inventory / file).write_text(f"{text}")
    (inventory / "group_vars/all/old.yml").write_text('# lab_api_wrtiable: []\nown: "{{ xlab_api_wrtiable }}"\n')
    (inventory / "group_vars/all/lab.yml~").write_text("lab_api_wrtiable: []\n")
    (problem,) = problems_in_files([LAB, inventory], ROOT)
    assert f"It is set by {inventory}/{file}. Correct the name there, or remove it." in problem


@pytest.mark.parametrize(
    ("file", "text", "unknown"),
    [
        ("hosts.ini", "[all:vars]\nansible_user={{ lab_own }}\n", []),
        ("hosts.ini", "[all:vars]\nown=lab_own\n", ["lab_own"]),
        ("groups.yml", "plugin: ansible.builtin.constructed\ngroups: {east: lab_own == 'eva'}\n", []),
        ("groups.yml", "# lab_own\neast: {}\n", ["lab_own"]),
        # The settings of no plugin.
        ("group_vars/all/more.yml", "plugin: lab_own\n", ["lab_own"]),
    ],
)
def test_a_file_of_hosts_reads_variables_too(inventory, file, text, unknown):
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/lab-api.yml").write_text("lab_own: eva\n")
    (inventory / file).write_text(text)
    assert unknown_settings([{"lab_own": "eva"}], [LAB, inventory], ROOT) == unknown
    problems = problems_in_files([LAB, inventory], ROOT)
    assert ["host_vars/lab-api.yml. Correct" in problem for problem in problems] == [True] * len(unknown)


def test_what_an_encrypted_file_reads_is_not_known_without_ansible(inventory):
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/lab-api.yml").write_text("lab_own: eva\n")
    assert len(problems_in_files([inventory], ROOT)) == 1
    (inventory / "group_vars/all/vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3837\n")
    assert problems_in_files([inventory], ROOT) == []


def test_a_comparison_is_no_place(inventory):
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/lab-api.yml").write_text("lab_own: eva\n")
    (inventory / "tests.yml").write_text("east: {vars: {own: lab_own == 1}}\n")
    (problem,) = problems_in_files([inventory], ROOT)
    assert f"It is set by {inventory}/host_vars/lab-api.yml. Correct" in problem


def test_a_group_is_no_setting(inventory):
    (inventory / "hosts.yml").write_text("lab_east: {children: {api: {hosts: {lab_one: {}}}}}\n")
    assert problems_in_files([LAB, inventory], ROOT) == []
    # Ansible reports what is no inventory, and ./lab plan works without one.
    assert problems_in_files(["localhost,", "/dev/null"], ROOT) == []


@pytest.mark.parametrize(
    ("extra", "place"),
    [
        (["seed=7", "lab_api_wrtiable=[]"], "the option -e"),
        (['{"a": 1, "lab_api_wrtiable": []}'], "the option -e"),
        (["@FOLDER/mine/more.yml"], "FOLDER/mine/more.yml"),
        (["lab_api_wrtiable=1", "@FOLDER/mine/more.yml"], "FOLDER/mine/more.yml and the option -e"),
        # For example a program that prints an inventory.
        ([], "the inventory"),
    ],
)
def test_an_option_is_a_place_too(tmp_path, extra, place):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/more.yml").write_text("lab_api_wrtiable: []\n")
    given = [text.replace("FOLDER", str(tmp_path)) for text in extra]
    (problem,) = unknown_problems(["lab_api_wrtiable"], [tmp_path / "none"], given, ROOT)
    assert f"It is set by {place.replace('FOLDER', str(tmp_path))}. Correct" in problem
