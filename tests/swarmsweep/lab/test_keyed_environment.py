"""Two environments can be compared, and neither can be read."""

import hashlib
import json
import stat

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab.keyed_environment import KEY_CHARACTERS, keyed_environment

ENVIRONMENT = {"PASSWORD": "hunter2", "OTHER": "hunter2", "EMPTY": "", "ODD": "ä\n"}


def test_equal_environments_are_equal_in_any_order(tmp_path):
    key = tmp_path / "secrets/environment.key"
    first = keyed_environment(ENVIRONMENT, key)
    assert keyed_environment(dict(reversed(ENVIRONMENT.items())), key) == first
    assert list(first["values"]) == sorted(ENVIRONMENT)
    # The hashes do not show that two values are equal.
    assert len(set(first["values"].values())) == len(ENVIRONMENT)


@pytest.mark.parametrize("change", [{"PASSWORD": "hunter3"}, {"EMPTY": "0"}])
def test_another_value_has_another_hash(tmp_path, change):
    first, second = (keyed_environment(ENVIRONMENT | more, tmp_path / "key")["values"] for more in ({}, change))
    assert {name for name in ENVIRONMENT if first[name] != second[name]} == set(change)


def test_the_key_is_readable_by_its_owner_alone_and_is_in_no_result(tmp_path):
    key = tmp_path / "secrets/environment.key"
    stored = json.dumps(keyed_environment(ENVIRONMENT, key))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert len(key.read_text()) == KEY_CHARACTERS
    assert key.read_text() not in stored
    plain = [hashlib.sha256(text.encode()).hexdigest()[:8] for text in ("hunter2", "PASSWORD=hunter2")]
    assert not [text for text in ("hunter2", *plain) if text in stored]


def test_another_lab_has_another_key(tmp_path):
    first, second = (keyed_environment(ENVIRONMENT, tmp_path / name) for name in "ab")
    assert first["key"] != second["key"]
    assert not set(first["values"].values()) & set(second["values"].values())


def test_a_key_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "short").write_text("x")
    with pytest.raises(LabError, match=r"short: is damaged: has 1 bytes; expected: 32"):
        keyed_environment({}, tmp_path / "short")
    with pytest.raises(LabError, match=r"cannot be used"):
        keyed_environment({}, tmp_path)
