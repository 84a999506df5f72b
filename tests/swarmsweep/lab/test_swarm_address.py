"""Which address an API host advertises, from what `ip -json -4 address show` printed on real machines."""

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab.swarm_address import own_addresses, swarm_address

# Shortened to the keys that are read.
LO = {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]}
HOST0 = {"ifname": "host0", "addr_info": [{"family": "inet", "local": "198.18.0.11", "prefixlen": 24}]}
DOCKER = {"ifname": "docker0", "addr_info": [{"family": "inet", "local": "172.17.0.1", "prefixlen": 16}]}
LOST = {"ifname": "eth1", "addr_info": [{"family": "inet", "local": "169.254.7.7", "prefixlen": 16}]}
DOWN = {"ifname": "eth2", "addr_info": []}
LINKS = [LO, HOST0, DOCKER, LOST, DOWN]


def chosen(inventory="198.18.0.11", wanted="", links=LINKS, source="198.18.0.11", *, alone=False):
    return swarm_address("lab-api", inventory, wanted, links, source, is_alone=alone)


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ({}, "198.18.0.11"),
        ({"alone": True}, "198.18.0.11"),  # so that the lab can grow
        ({"wanted": "172.17.0.1"}, "172.17.0.1"),
        # The controller reaches the host by an address of its cloud, which the host does not have.
        ({"inventory": "203.0.113.9"}, "198.18.0.11"),
        ({"inventory": "api.example.org"}, "198.18.0.11"),
        ({"inventory": "127.0.0.1"}, "198.18.0.11"),
        ({"inventory": "2001:db8::11"}, "198.18.0.11"),
        ({"inventory": "203.0.113.9", "source": "", "alone": True}, "127.0.0.1"),
        ({"links": [LO, LOST], "source": "169.254.7.7", "alone": True}, "127.0.0.1"),
    ],
)
def test_the_address_is_one_of_the_host_itself(arguments, address):
    assert chosen(**arguments) == address


def test_addresses_that_no_other_host_reaches_are_left_out():
    assert list(own_addresses(LINKS)) == ["198.18.0.11", "172.17.0.1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"wanted": "192.0.2.7"}, ["lab_swarm_address of lab-api is '192.0.2.7'", "198.18.0.11, 172.17.0.1"]),
        ({"wanted": "192.0.2.7", "alone": True}, ["hosts.yml"]),
        ({"inventory": "203.0.113.9", "source": ""}, ["lab-api has no IPv4 address", "lab_swarm_address: ADDRESS"]),
        ({"inventory": "x", "links": [LO], "source": ""}, ["Its addresses: none"]),
    ],
)
def test_no_address_is_refused_with_the_line_that_helps(arguments, words):
    with pytest.raises(LabError) as caught:
        chosen(**arguments)
    assert [word for word in words if word not in str(caught.value)] == []
