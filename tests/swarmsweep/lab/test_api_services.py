"""Services of the user beside the API: what is taken, and what is refused before a host is contacted."""

from datetime import date

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab.api_services import read_services


def test_a_service_has_an_image_and_a_memory_limit_at_least():
    assert read_services(None) == read_services({}) == []
    assert read_services({"cache": {"image": "redis:7"}}) == [
        {"name": "cache", "image": "redis:7", "command": [], "env": {}, "cpus": "", "memory_bytes": 512 * 1024**2}
    ]


def test_a_service_in_full():
    given = {"image": "pg:16", "command": "postgres -c a=1", "env": {"A": "", "N": 5}, "cpus": 0.5, "memory": "1G"}
    (service,) = read_services({"vector-db": given})
    assert service == {
        "name": "vector-db",
        "image": "pg:16",
        "command": ["postgres", "-c", "a=1"],
        "env": {"A": "", "N": "5"},
        "cpus": "0.5",
        "memory_bytes": 1024**3,
    }


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("Cache", {}, "'Cache' is not a name of a service"),
        ("my_cache", {}, "'my_cache' is not a name of a service"),
        ("api", {}, "'api' is not a name of a service"),
        ("proxy", {}, "'proxy' is not a name of a service"),
        (5, {}, "5 is not a name of a service"),
        ("cache", {"image": ""}, "cache: image is ''; allowed: "),
        ("cache", {"image": "-v"}, "cache: image is '-v'; allowed: "),
        ("cache", {"image": None}, "cache: image is None; allowed: "),
        ("cache", {"port": 1}, "cache has the unknown key port; allowed: image, command, env, cpus, memory"),
        ("cache", {"memory": 512}, "cache: memory: '512' has no unit: write 512M or 512G"),
        ("cache", {"memory": "1 GB"}, "cache: memory: '1 GB' "),
        ("cache", {"memory": "0M"}, "cache: memory is '0M'; allowed: 6M to 16384G"),
        ("cache", {"memory": "99999G"}, "cache: memory is '99999G'; allowed: "),
        ("cache", {"cpus": 0}, "cache: cpus is 0; allowed: a number from 0.01 to 512"),
        ("cache", {"cpus": "1"}, "cache: cpus is '1'; allowed: "),
        ("cache", {"command": "a 'b"}, "cache: command is "),
        ("cache", {"env": ["A=1"]}, "cache: env is "),
        ("cache", {"env": {"A": 1.1, "B": True, "C": date(2024, 1, 1)}}, "cache: env: A, B, C must be in quotes"),
        ("cache", {"env": {"A": None}}, "cache: A is empty"),
    ],
)
def test_what_is_refused(name, change, words):
    with pytest.raises(LabError) as refused:
        read_services({name: {"image": "redis:7"} | change})
    assert str(refused.value).startswith(words)
