"""Secrets of the API: their names in Swarm change with their content, and no value is in what is returned or said."""

import os

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab.api_secrets import MAX_BYTES, changed_files, content_for_swarm, read_secrets

CANARY = "canary-5e9c1"


@pytest.fixture
def token(tmp_path):
    """A file with a secret."""
    path = tmp_path / "token.txt"
    path.write_text(f"{CANARY}\n")
    return path


def names(tmp_path, **files):
    """The names in Swarm."""
    found = read_secrets(files, "lab", tmp_path / "secrets/key")
    assert CANARY not in repr(found)
    assert CANARY.encode().hex() not in repr(found)
    return {secret.name: secret.swarm_name for secret in found}


def test_a_name_in_swarm_changes_with_the_content_alone(tmp_path, token):
    before = names(tmp_path, API_TOKEN=token)
    assert before["API_TOKEN"].startswith("lab_secret_")
    assert len(before["API_TOKEN"]) == len("lab_secret_") + 16
    copy = tmp_path / "copy"
    copy.write_bytes(token.read_bytes())
    assert names(tmp_path, API_TOKEN=copy) == before
    token.write_text("another")
    assert names(tmp_path, API_TOKEN=token) != before


def test_equal_secrets_do_not_show(tmp_path, token):
    assert len(set(names(tmp_path, A=token, B=token).values())) == 2


def test_without_secrets_no_key_is_made(tmp_path):
    assert names(tmp_path) == {}
    assert not (tmp_path / "secrets").exists()


def test_any_bytes_are_a_secret_but_not_every_one_is_a_variable(tmp_path):
    binary = tmp_path / "store.p12"
    binary.write_bytes(b"\xff\0\x80")
    (secret,) = read_secrets({"STORE": binary}, "lab", tmp_path / "secrets/key")
    assert secret.has_null
    assert content_for_swarm(secret.as_input(), "lab", tmp_path / "secrets/key") == binary.read_bytes()


def test_swarm_gets_only_the_content_that_the_name_has_the_hash_of(tmp_path, token):
    key = tmp_path / "secrets/key"
    secrets = [secret.as_input() for secret in read_secrets({"A": token, "B": token}, "lab", key)]
    assert [content_for_swarm(secret, "lab", key).decode() for secret in secrets] == [f"{CANARY}\n"] * 2
    assert changed_files(secrets, "lab", key) == []
    token.write_text(f"{CANARY} and more")
    assert changed_files(secrets, "lab", key) == [str(token)] * 2
    with pytest.raises(LabError, match=r"token\.txt was changed while this command ran") as refused:
        content_for_swarm(secrets[0], "lab", key)
    assert CANARY not in str(refused.value)
    assert changed_files([], "lab", tmp_path / "none/key") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.touch(), "has 0 B; allowed: 1 B to 488 KiB"),
        (lambda path: path.write_bytes(CANARY.encode() + bytes(MAX_BYTES)), "has 488 KiB; allowed"),
        (os.mkfifo, "is not a file"),
    ],
)
def test_what_is_refused(tmp_path, make, words):
    make(tmp_path / "x")
    with pytest.raises(LabError, match=words) as refused:
        names(tmp_path, API_TOKEN=tmp_path / "x")
    assert str(refused.value).startswith(f"API_TOKEN: {tmp_path}/x: ")
    assert CANARY not in str(refused.value)
