"""The lab of the end-to-end tests, made first and removed last."""

from __future__ import annotations

import pytest

from tests.e2e.machines import Lab, leftovers


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory):
    """A lab that is up; whatever an earlier run left is removed first, and all of it at the end."""
    lab = Lab(tmp_path_factory.mktemp("e2e"))
    assert lab.play("playbooks/virtual_lab.yml", virtual_lab_state="absent").status == "successful"
    assert leftovers() == []
    try:
        assert lab.play("playbooks/virtual_lab.yml").status == "successful"
        yield lab
    finally:
        lab.play("playbooks/virtual_lab.yml", virtual_lab_state="absent")
