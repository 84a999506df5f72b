"""Variables, secrets, tags and user classes of a load: what a sweep file may say, and what Locust's processes get."""

from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.load import load_from_json
from swarmsweep.sweep.load_secrets import MAX_BYTES, Secret, secret_files
from swarmsweep.sweep.scenario_env import sweep_env
from swarmsweep.sweep.sweep_file import parse_sweep

SWEEP = """\
name: mine
slo: {{p95_ms: 100}}
load: {{{mode}{more}}}
matrix: {{replicas: [1], cpus: [1], memory: [600M], workers: [1]}}
"""
FIXED, CAPACITY = "users: 10", "mode: capacity"


def load_with(more: str, mode: str = FIXED):
    """The load of a sweep file with these settings."""
    return parse_sweep(SWEEP.format(mode=mode, more=f", {more}" if more else "").encode(), "mine.yml").load


TAKEN = {
    "env: {A_B: 1.10, B_C: true, C_D: 'x y', D_E: ''}": {"A_B": "1.10", "B_C": "true", "C_D": "x y", "D_E": ""},
    "env: {LDAP_URL: 'ldap://a', USERNAME: b}": {"LDAP_URL": "ldap://a", "USERNAME": "b"},
    "tags: [read], exclude_tags: [slow, v1.2]": {"LOCUST_TAGS": "[read]", "LOCUST_EXCLUDE_TAGS": "[slow,v1.2]"},
    "user_classes: [Reader, Writer]": {"LOCUST_USER_CLASSES": "Reader Writer"},
    # A secret is no variable of a unit.
    "secrets: {API_TOKEN: ~/token}": {},
    "": {},
}


@pytest.mark.parametrize(("more", "env"), TAKEN.items())
def test_settings_reach_locust_as_variables_and_survive_the_plan(more, env):
    load = load_with(more)
    stored = load.as_json()
    assert sweep_env(stored) == env
    assert load_from_json(stored) == load
    # A plan without these settings is that of an earlier version.
    assert not more or any(key in stored for key in ("env", "secrets", "tags", "user_classes"))
    assert more or not set(stored) & {"env", "secrets", "tags", "exclude_tags", "user_classes"}


def test_a_search_takes_variables_and_secrets():
    load = load_with("env: {MODEL: a}, secrets: {API_TOKEN: token}", CAPACITY)
    assert (load.env, load.secrets) == ({"MODEL": "a"}, {"API_TOKEN": "token"})
    assert load_from_json(load.as_json()) == load


REFUSED = {
    "env: {a: 1}": "load.env.a: is not a name of a variable; allowed: A-Z, 0-9 and _",
    "env: {}": "load.env: is empty",
    "env: text": "load.env: expected a mapping with variables, as NAME: value",
    "env: {AB: }": "load.env.AB: is empty; write '' for an empty text",
    "env: {AB: [1]}": "load.env.AB: expected a single value, but this is a list",
    "secrets: {LOCUST: /etc/hostname}": "load.secrets.LOCUST: is set by the lab, by Locust or by the system",
    "env: {LOCUST_USERS: 5}": "load.env.LOCUST_USERS: is set by the lab, by Locust or by the system",
    "env: {PYTHONPATH: /x}": "load.env.PYTHONPATH: is set by the lab",
    "env: {HTTPS_PROXY: x}": "load.env.HTTPS_PROXY: is set by the lab",
    "secrets: {PATH: x}": "load.secrets.PATH: is set by the lab",
    "env: {TOKEN_FILE: x}, secrets: {TOKEN: z}": "load.secrets.TOKEN: would set TOKEN_FILE, which load.env.TOKEN_FILE",
    "env: {TOKEN: x}, secrets: {TOKEN: z}": "load.secrets.TOKEN: would set TOKEN, which load.env.TOKEN sets too",
    "tags: [a b]": "load.tags[0]: 'a b' is not valid; allowed: letters, digits",
    "tags: read": "load.tags: expected a list, for example [read, write]",
    "user_classes: []": "load.user_classes: is an empty list",
    "user_classes: [my.Class]": "load.user_classes[0]: 'my.Class' is not valid; allowed: the name of a user class",
}


@pytest.mark.parametrize(("more", "words"), REFUSED.items())
def test_what_is_refused_names_the_key_and_what_is_allowed(more, words):
    with pytest.raises(InputError) as refused:
        load_with(more)
    assert f"mine.yml:3: {words}" in str(refused.value)


def test_classes_and_tags_belong_to_users():
    with pytest.raises(
        InputError, match=r"load\.tags: is for a scenario of users, and predict_open\.py is an open loop"
    ):
        load_with("tags: [read]", CAPACITY)


def test_secrets_are_files_relative_to_the_sweep_file(tmp_path, monkeypatch):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "token").write_text("a")
    (tmp_path / "other").write_text("b")
    monkeypatch.setenv("HOME", str(tmp_path))
    sweep = tmp_path / "sweeps/mine.yml"
    secrets = {"A_TOKEN": "../token", "B_TOKEN": "~/other", "C_TOKEN": str(tmp_path / "token")}
    names = {secret.name: Path(secret.path).name for secret in secret_files(secrets, sweep)}
    assert names == {"A_TOKEN": "token", "B_TOKEN": "other", "C_TOKEN": "token"}
    assert secret_files({"A_TOKEN": "../token"}, sweep) == [Secret(name="A_TOKEN", path=str(tmp_path / "token"))]
    assert secret_files(None, sweep) == []
    # The inventory has its path. It begins at another folder.
    inventory = {"A_TOKEN": "token", "OTHER": "nowhere"}
    found = secret_files({"A_TOKEN": "lab_api_secrets"}, sweep, inventory, tmp_path)
    assert found == [Secret(name="A_TOKEN", path=str(tmp_path / "token"))]
    with pytest.raises(
        InputError,
        match=r"load.secrets.B: the inventory has no B in lab_api_secrets; allowed: A_TOKEN, OTHER, or a path",
    ):
        secret_files({"B": "lab_api_secrets"}, sweep, inventory, tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist; allowed: a text file that you can read, with 1 byte to 64 KiB"),
        (b"", "has 0 bytes"),
        (b"canary" * MAX_BYTES, f"has {6 * MAX_BYTES:,} bytes"),
        (b"canary\0", "is not text in UTF-8"),
        (b"canary\xff", "Encode it, for example with base64"),
    ],
)
def test_a_file_that_is_no_secret_is_refused_without_its_content(tmp_path, content, words):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(InputError) as refused:
        secret_files({"TOKEN": "token"}, tmp_path / "mine.yml")
    assert words in str(refused.value) and f"load.secrets.TOKEN: {tmp_path}/token" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("loop", "/loop does not exist; allowed"),
        # The secret itself in place of a path.
        ("canary" * 50, "the text of 300 characters is no path (File name too long); allowed"),
    ],
)
def test_a_text_that_is_no_path_is_refused(tmp_path, path, words):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError) as refused:
        secret_files({"TOKEN": path}, tmp_path / "mine.yml")
    assert words in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_file_of_the_inventory_is_refused_by_its_place_there(tmp_path):
    secrets = {"OWN": "token", "TOKEN": "lab_api_secrets", "KEY": "lab_api_secrets"}
    known = {"TOKEN": "token", "KEY": "~no-such-user/key"}
    with pytest.raises(InputError) as refused:
        secret_files(secrets, tmp_path / "sweeps/mine.yml", known, tmp_path / "lab", "mine/group_vars/all/lab.yml")
    own, token, key = str(refused.value).splitlines()
    assert own.startswith(f"{tmp_path}/sweeps/mine.yml: load.secrets.OWN: {tmp_path}/sweeps/token does not exist; ")
    assert own.endswith("A relative path begins at the folder of the sweep file")
    assert token.startswith(
        f"mine/group_vars/all/lab.yml: lab_api_secrets.TOKEN: {tmp_path}/lab/token does not exist; "
    )
    uses = f"load.secrets.TOKEN of {tmp_path}/sweeps/mine.yml uses it"
    assert token.endswith(f"A relative path begins at the folder of ./lab. {uses}")
    assert key.startswith("mine/group_vars/all/lab.yml: lab_api_secrets.KEY: '~no-such-user/key': Could not determine")


def test_a_home_of_no_user_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"mine\.yml: load\.secrets\.TOKEN: '~no-such-user/token': .*; allowed: a path"
    ):
        secret_files({"TOKEN": "~no-such-user/token"}, tmp_path / "mine.yml")
