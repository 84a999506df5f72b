"""HAProxy's connections by the files of its host, and which loads are refused, with the limit's name."""

import re
from pathlib import Path

import pytest
import yaml

from swarmsweep.errors import InputError
from swarmsweep.lab.proxy_connections import MAX_CONNECTIONS, connections, proxy_problems, refuse_too_many_users
from swarmsweep.sweep.values import MAX_USERS

ROOT = Path(__file__).parents[3]
WORKSHOP = {"users": 10_000, "spawn_rate": 500, "workers": 8}


@pytest.mark.parametrize(
    ("wanted", "open_files", "accepted"),
    [(12_000, 1_048_576, 12_000), (12_000, 25_000, 12_000), (12_000, 20_000, 9_500), (500, 20_000, 500)],
)
def test_haproxy_gets_what_is_wanted_or_what_its_host_allows(wanted, open_files, accepted):
    assert connections(wanted, open_files) == accepted


@pytest.mark.parametrize(
    ("port", "wanted"), [(8080, 1), (80, 12_000), (1, MAX_CONNECTIONS), (65535, 1), ("8080", "500")]
)
def test_settings_that_haproxy_can_have(port, wanted):
    assert proxy_problems(port, wanted, "./lab site") == []


@pytest.mark.parametrize(
    ("setting", "value", "most"),
    [
        ("lab_proxy_port", value, 65535)
        for value in (0, -1, 65536, 80.0, "", "08080", "http", "8080/tcp", None, True, [1])
    ]
    + [
        ("lab_proxy_max_connections", value, 28000)
        for value in (0, -1, 28_001, 1.5, 500.0, "", "0500", "12,000", "12k", None, True, [1])
    ],
)
def test_another_setting_of_haproxy_is_refused_with_what_is_allowed_and_the_fix(setting, value, most):
    given = {"lab_proxy_port": 8080, "lab_proxy_max_connections": 12_000} | {setting: value}
    (problem,) = proxy_problems(*given.values(), command="./lab compose", inventory="inventory/mine")
    assert problem.startswith(f"{setting} is {value!r}; allowed: a whole number from 1 to {most}. ")
    assert problem.endswith("Change it in inventory/mine/group_vars/all/lab.yml, then run: ./lab compose")


def hosts(api: int | None, load: int | None) -> dict:
    """An API host and a load host where a process may open so many files; None for a plan of an earlier version."""
    facts = {"api": ("lab-api", api), "load": ("lab-load", load)}
    return {
        side: [{"name": name} | ({} if files is None else {"open_files": files})]
        for side, (name, files) in facts.items()
    }


@pytest.mark.parametrize(
    ("load", "accepted", "where"),
    [
        (WORKSHOP, 12_000, hosts(1_048_576, 1_048_576)),
        (WORKSHOP, 10_000, hosts(21_000, 20_000)),
        (WORKSHOP, None, hosts(None, None)),
        ({"mode": "capacity", "workers": 1}, 100, hosts(20_000, 20_000)),
    ],
)
def test_the_load_of_a_workshop_is_taken_where_the_hosts_allow_it(load, accepted, where):
    refuse_too_many_users([{"users": 10, "workers": 1}, load], accepted, where)


@pytest.mark.parametrize(
    ("load", "accepted", "where", "words"),
    [
        (WORKSHOP, 9_500, hosts(20_000, 20_000), r"lab-api takes 9,500\. 10,000 connections need 21,000 open files"),
        (WORKSHOP, 9_500, hosts(20_000, 20_000), r"Or set load\.users to at most 9,500$"),
        (WORKSHOP, 9_000, hosts(30_000, 20_000), r"Set lab_proxy_max_connections in .*lab\.yml to 10,000 or more"),
        (WORKSHOP, 9_000, hosts(None, None), r"Set lab_proxy_max_connections"),
        (
            WORKSHOP | {"workers": 1},
            12_000,
            hosts(30_000, 4_096),
            r"10,000 users\. A process on lab-load may open 4,096",
        ),
    ],
)
def test_a_load_beyond_a_limit_is_refused_with_its_name_and_the_fix(load, accepted, where, words):
    with pytest.raises(InputError, match=words):
        refuse_too_many_users([load, {"users": 10, "workers": 1}], accepted, where)


def test_the_shipped_setting_holds_the_load_of_a_workshop_and_no_sweep_may_exceed_it():
    inventory = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/lab.yml").read_text())
    assert WORKSHOP["users"] < inventory["lab_proxy_max_connections"] <= MAX_USERS
    # The roles of a play get the same value where the inventory is that of an earlier version.
    playbook = (ROOT / "playbooks/tasks/platform.yml").read_text()
    (default,) = re.findall(r"lab_proxy_max_connections \| default\((\d+)\)", playbook)
    assert int(default) == inventory["lab_proxy_max_connections"]
