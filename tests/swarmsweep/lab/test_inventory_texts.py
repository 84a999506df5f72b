"""The values of lab_api_env keep the text that the inventory has."""

import pytest
import yaml

from swarmsweep.lab.inventory_texts import as_written

FILE = """\
lab_api_env:
  VERSION: 1.10
  FLAG: yes
  MODE: 0755
  RATE: 1e3
  TEXT: "1.10"
  NAME: plain
"""
TEXTS = {"VERSION": "1.10", "FLAG": "yes", "MODE": "0755", "RATE": "1e3", "TEXT": "1.10", "NAME": "plain"}


@pytest.fixture
def inventory(tmp_path):
    """The folder of an inventory with these values."""
    folder = tmp_path / "group_vars/all"
    folder.mkdir(parents=True)
    (folder / "lab.yml").write_text(FILE)
    return tmp_path


def test_numbers_and_truth_values_keep_their_text(inventory):
    read = yaml.safe_load(FILE)["lab_api_env"]
    assert (read["VERSION"], read["FLAG"], read["MODE"]) == (1.1, True, 0o755)
    assert as_written(read, "lab_api_env", inventory) == TEXTS
    assert as_written(read, "lab_api_env", inventory / "hosts.yml") == TEXTS
    assert as_written(read, "lab_other", inventory) == read


def test_a_value_from_another_place_stays_as_it_is(inventory):
    assert as_written({"VERSION": 1.2, "FLAG": 1}, "lab_api_env", inventory) == {"VERSION": 1.2, "FLAG": 1}


def test_the_last_file_wins_and_a_damaged_one_is_passed_over(inventory):
    (inventory / "group_vars/all/mine.yml").write_text("lab_api_env: {VERSION: 1.100}\n")
    (inventory / "group_vars/all/vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    (inventory / "group_vars/all/z.yml").write_text("{")
    assert as_written({"VERSION": 1.1}, "lab_api_env", inventory) == {"VERSION": "1.100"}


def test_a_later_inventory_wins(inventory, tmp_path):
    """An inventory without the setting, or with another value of it, changes nothing."""
    for name, text in (("more", "lab_other: 1\n"), ("last", "lab_api_env: {VERSION: 1.100, GONE: ~}\n")):
        (tmp_path / name / "group_vars/all").mkdir(parents=True)
        (tmp_path / name / "group_vars/all/lab.yml").write_text(text)
    more, last = tmp_path / "more", tmp_path / "last"
    assert as_written({"VERSION": 1.1}, "lab_api_env", inventory, more) == {"VERSION": "1.10"}
    assert as_written({"VERSION": 1.1}, "lab_api_env", inventory, last) == {"VERSION": "1.100"}
    assert as_written({"VERSION": 1.1}, "lab_api_env", last, inventory) == {"VERSION": "1.10"}
    assert as_written({"FLAG": True}, "lab_api_env", inventory, last) == {"FLAG": "yes"}
