"""The lab of the end-to-end tests, made first and removed last."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.e2e.machines import Lab, leftovers

# Both would drive machines of one name and address.
LOCK = Path("/run/lock/swarmsweep-e2e")

# All share one lab: the first provisions it, the last removes it.
FILES = (
    "test_lab.py",
    "test_capacity.py",
    "test_bottlenecks.py",
    "test_doubts.py",
    "test_own_api.py",
    "test_compose.py",
    "test_more_hosts.py",
    "test_down.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files of this folder in their order, where they are among all tests."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if item.path.parent == here]
    ordered = sorted((items[place] for place in places), key=lambda item: FILES.index(item.path.name))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory):
    """A lab that is up; whatever an earlier run left is removed first, and all of it at the end."""
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.exit("another run of the end-to-end tests drives the lab e2e of this machine", returncode=2)
        yield from _lab(Lab(tmp_path_factory.mktemp("e2e")))


def _lab(lab: Lab):
    assert lab.play("playbooks/virtual_lab.yml", virtual_lab_state="absent").status == "successful"
    assert leftovers() == []
    try:
        assert lab.play("playbooks/virtual_lab.yml").status == "successful"
        yield lab
    finally:
        lab.play("playbooks/virtual_lab.yml", virtual_lab_state="absent")
