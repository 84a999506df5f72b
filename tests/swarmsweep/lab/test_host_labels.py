"""Labels of API hosts: which hosts carry replicas, and what is refused with cause and fix."""

import pytest

from swarmsweep.lab.host_labels import (
    excluded_hosts,
    hosts_with_replicas,
    placement_problems,
    spread_groups,
    spread_problems,
)

LABELS = {"lab-api": None, "lab-api2": {"disk": "ssd", "generation": 2}, "lab-api3": {"disk": "hdd"}}


@pytest.mark.parametrize(
    ("wanted", "excluded"),
    [
        ({}, []),
        (None, []),
        ("", []),
        ({"disk": "ssd"}, ["lab-api", "lab-api3"]),
        ({"disk": "hdd"}, ["lab-api", "lab-api2"]),
        ({"disk": "SSD"}, ["lab-api", "lab-api2", "lab-api3"]),
        # A number is the same as its text.
        ({"generation": "2", "disk": "ssd"}, ["lab-api", "lab-api3"]),
        ({"generation": 3, "disk": "ssd"}, ["lab-api", "lab-api2", "lab-api3"]),
    ],
)
def test_a_host_without_one_of_the_labels_is_excluded(wanted, excluded):
    assert excluded_hosts(LABELS, wanted) == excluded


@pytest.mark.parametrize(
    ("labels", "wanted", "carriers"),
    [
        (LABELS, {}, LABELS),
        (LABELS, None, LABELS),
        (LABELS, {"disk": "ssd"}, LABELS),
        (LABELS, {"disk": "ssd"}, ["lab-api2", "lab-api3"]),
        ({"lab-api": {"disk": "ssd"}}, {"disk": "ssd"}, ["lab-api"]),
        # Another check names a lab without a host for replicas.
        ({"lab-api": None}, {"disk": "ssd"}, []),
        ({}, {"disk": "ssd"}, []),
        ({"a": {"zone.rack-1_b": "x" * 63}}, {}, ["a"]),
    ],
)
def test_labels_that_can_be_used(labels, wanted, carriers):
    assert placement_problems(labels, wanted, list(carriers)) == []


@pytest.mark.parametrize(
    ("labels", "wanted", "carriers", "words"),
    [
        (
            LABELS,
            {"disk": "nvme"},
            list(LABELS),
            (
                "lab_api_placement is {disk: nvme}, and no API host that may carry replicas has these labels: ",
                "lab-api has none; lab-api2 has disk: ssd, generation: 2; lab-api3 has disk: hdd. ",
                "Fix: give one of them lab_labels: {disk: nvme} in inventory/mine/hosts.yml, or change "
                "lab_api_placement in inventory/mine/group_vars/all/lab.yml",
            ),
        ),
        # The only host with this label is the first one, which lab_api_on_manager: false keeps free.
        ({"a": {"disk": "ssd"}, "b": None}, {"disk": "ssd"}, ["b"], ("has these labels: b has none. Fix: ",)),
        ({"a": None}, {"disk": "ssd"}, ["a"], ("has these labels: a has none. Fix: ",)),
        (LABELS, "ssd", ["a"], ("lab_api_placement is 'ssd'; allowed: ", "group_vars/all/lab.yml")),
        (LABELS, ["disk"], ["a"], ("lab_api_placement is ['disk']; allowed: ",)),
        (LABELS, {"disk": True}, ["a"], ("lab_api_placement.disk is True; allowed: ",)),
        (LABELS, {"disk": 1.5}, ["a"], ("lab_api_placement.disk is 1.5; allowed: ",)),
        (LABELS, {"disk": None}, ["a"], ("lab_api_placement.disk is None; allowed: ",)),
        (LABELS, {"disk": "a b"}, ["a"], ("lab_api_placement.disk is 'a b'; allowed: ",)),
        (LABELS, {"disk": "x" * 64}, ["a"], ("lab_api_placement.disk is ",)),
        (LABELS, {"-disk": "ssd"}, ["a"], ("lab_api_placement has the name '-disk'; allowed: ",)),
        (LABELS, {"": "ssd"}, ["a"], ("lab_api_placement has the name ''; allowed: ",)),
        (
            {"a": {"disk": ["ssd"]}},
            {},
            ["a"],
            ("lab_labels.disk of a is ['ssd']; allowed: ", "Fix: change it in inventory/mine/hosts.yml"),
        ),
        ({"a": "ssd"}, {}, ["a"], ("lab_labels of a is 'ssd'; allowed: ",)),
    ],
)
def test_labels_that_are_refused(labels, wanted, carriers, words):
    (problem,) = placement_problems(labels, wanted, carriers, "inventory/mine")
    assert [word for word in words if word not in problem] == [], problem


def test_every_mistake_is_named_at_once():
    problems = placement_problems({"a": {"x": True}, "b": 1}, {"disk": ""}, ["a", "b"])
    named = [line.split(" is ")[0] for line in problems]
    assert named == ["lab_api_placement.disk", "lab_labels.x of a", "lab_labels of b"]


RACKS = {"a": {"rack": "x"}, "b": {"rack": 2, "disk": "ssd"}, "c": {"rack": "x", "disk": "ssd"}, "d": {"disk": "ssd"}}


@pytest.mark.parametrize(
    ("wanted", "is_manager_used", "carriers"),
    [
        (None, True, ["a", "b", "c", "d"]),
        (None, False, ["b", "c", "d"]),
        ({"disk": "ssd"}, True, ["b", "c", "d"]),
        ({"rack": "x"}, False, ["c"]),
    ],
)
def test_hosts_with_replicas(wanted, is_manager_used, carriers):
    assert hosts_with_replicas(RACKS, wanted, is_manager_used=is_manager_used) == carriers


@pytest.mark.parametrize(
    ("label", "carriers", "groups"),
    [
        ("", ["a", "b"], {}),
        (None, ["a", "b"], {}),
        ("rack", [], {}),
        # Hosts without replicas get a group of the others, so that there is no group without room.
        ("rack", ["a", "b", "c"], {"a": "x", "b": "2", "c": "x", "d": "x"}),
        ("rack", ["b", "c"], {"a": "2", "b": "2", "c": "x", "d": "2"}),
        ("disk", ["c", "d"], {"a": "ssd", "b": "ssd", "c": "ssd", "d": "ssd"}),
    ],
)
def test_a_group_is_the_value_of_the_label(label, carriers, groups):
    assert spread_groups(RACKS, label, carriers) == groups
    assert spread_problems(RACKS, label, carriers) == []


@pytest.mark.parametrize(
    ("labels", "label", "words"),
    [
        (
            RACKS,
            "rack",
            (
                "lab_api_spread is rack, and these API hosts have no such label: d. ",
                "lab_labels: {rack: a}, in inventory/lab/hosts.yml",
            ),
        ),
        (RACKS, "zone", ("no such label: a, b, c, d. ",)),
        (RACKS, "a b", ("lab_api_spread is 'a b'; allowed: the name of a label", "group_vars/all/lab.yml")),
        (RACKS, ["rack"], ("lab_api_spread is ['rack']; allowed: ",)),
        (RACKS, True, ("lab_api_spread is True; allowed: ",)),
        ({str(n): {"n": n} for n in range(7)}, "n", ("lab_api_spread is n, which has 7 values; allowed: up to 6. ",)),
    ],
)
def test_a_label_that_cannot_spread_replicas_is_refused(labels, label, words):
    (problem,) = spread_problems(labels, label, list(labels))
    assert [word for word in words if word not in problem] == [], problem
