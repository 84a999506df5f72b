"""`./lab down` removes the lab completely. It runs after all other end-to-end tests."""

from __future__ import annotations

import pytest

from tests.e2e.machines import leftovers

pytestmark = pytest.mark.e2e


def test_down_leaves_nothing(lab):
    assert lab.play("playbooks/virtual_lab.yml", virtual_lab_state="absent").status == "successful"
    assert leftovers() == []
