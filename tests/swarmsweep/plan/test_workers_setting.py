"""Several values of `workers`, with and without a variable that takes them to the image."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.plan.workers_setting import refuse_idle_axis, variable_of

ONE = [{"workers": 4, "cpus": 1}, {"workers": 4, "cpus": 2}]
TWO = [{"workers": 2}, {"workers": 10}, {"workers": 2}]


@pytest.mark.parametrize(("variable", "configs"), [("", ONE), (None, ONE), ("WEB_CONCURRENCY", TWO), ("", [])])
def test_one_value_or_a_variable_is_accepted(variable, configs):
    refuse_idle_axis(variable, configs, "x.yml")


@pytest.mark.parametrize("variable", ["", None])
def test_several_values_without_a_variable_are_refused_with_both_fixes(variable):
    with pytest.raises(InputError) as refused:
        refuse_idle_axis(variable, TWO, "sweeps/x.yml")
    text = str(refused.value)
    assert text.startswith("sweeps/x.yml: workers has the values 2 and 10, but lab_api_workers_env is empty")
    assert "allowed: one value" in text and "or set lab_api_workers_env" in text and "group_vars/all/lab.yml" in text


FILES = [
    ({"lab.yml": "lab_api_workers_env: GUNICORN\n"}, "GUNICORN"),
    ({"lab.yml": 'lab_api_workers_env: ""\n'}, ""),
    # The last file wins, as with Ansible. One without the setting, or that is not plain YAML, changes nothing.
    ({"lab.yml": "lab_api_workers_env: A\n", "mine.yaml": 'lab_api_workers_env: ""\n', "other.yml": "a: 1\n"}, ""),
    ({"lab.yml": "lab_api_workers_env: A\n", "vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n", "z.yml": "{"}, "A"),
    # Its value is not known without Ansible.
    ({"lab.yml": "lab_api_workers_env: '{{ mine }}'\n"}, None),
    ({"lab.yml": "lab_api_workers_env: [a]\n"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("files", "expected"), FILES)
def test_the_setting_is_read_from_the_inventory(tmp_path, files, expected):
    folder = tmp_path / "group_vars" / "all"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert variable_of(tmp_path) == variable_of(tmp_path / "hosts.yml") == expected


def test_an_inventory_that_is_not_there_has_no_setting(tmp_path):
    assert variable_of(tmp_path / "none") is None
