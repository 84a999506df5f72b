"""The settings of the API's container: each form that people write, and what Docker could not start is refused."""

import re
from pathlib import Path

import pytest
import yaml

from swarmsweep.lab.api_settings import READERS, hidden, read_settings, recorded

ROOT = Path(__file__).parents[3]
DEFAULTS = {"command": [], "user": "", "read_only": True, "writable": [], "capabilities": []}


def test_nothing_given_is_the_image_as_it_is():
    assert read_settings({}) == (DEFAULTS, [])
    assert read_settings(dict.fromkeys(READERS)) == (DEFAULTS, [])


def test_the_inventory_has_each_setting_with_the_same_default():
    settings = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/lab.yml").read_text())
    given = {name: settings[f"lab_api_{name}"] for name in READERS}
    assert read_settings(given) == (DEFAULTS, [])
    preflight = (ROOT / "playbooks/preflight.yml").read_text()
    assert re.findall(r'^          (\w+): "\{\{ lab_api_\1 \| default', preflight, re.MULTILINE) == list(READERS)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("command", ["python", "app.py", 8000, 0.5, ""], ["python", "app.py", "8000", "0.5", ""]),
        ("command", "flask run --host 0.0.0.0", ["flask", "run", "--host", "0.0.0.0"]),
        ("command", "sh -c 'a && b  c'", ["sh", "-c", "a && b  c"]),
        ("command", "", []),
        ("user", 1000, "1000"),
        ("user", "1000:1000", "1000:1000"),
        ("user", "nobody", "nobody"),
        ("user", "0", "0"),
        ("read_only", False, False),
        ("read_only", "false", False),
        ("read_only", "Yes", True),
        ("writable", ["/var/cache/api/", "/var//cache/api", "/tmp"], ["/var/cache/api", "/tmp"]),
        ("writable", ["/a b/ü"], ["/a b/ü"]),
        ("writable", ["/dev/shm"], ["/dev/shm"]),
        ("capabilities", ["setuid", "CAP_SETGID", "SETGID"], ["SETUID", "SETGID"]),
    ],
)
def test_what_is_allowed(name, value, expected):
    assert read_settings({name: value}) == (DEFAULTS | {name: expected}, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("command", value) for value in ("sh -c 'a", [True], [None], [["a"]], {"a": 1}, 5, ["a\0b"])]
    + [("user", value) for value in (True, -1, "a b", "a:b:c", "a\n", ":1", "$(id)", [1], 1.5)]
    + [("read_only", value) for value in ("maybe", 2, [True], "")]
    + [("writable", value) for value in ("/tmp", ["tmp"], ["/"], ["/a/../b"], ["/a\nb"], [1], ["/proc/x"], ["/dev"])]
    + [("writable", ["/run/secrets/x"]), ("writable", ["/" + "a" * 5000])]
    + [("capabilities", value) for value in ("SETUID", ["ALL"], ["SYS_ADMIN"], [5], [""])],
)
def test_what_is_refused(name, value):
    found, (problem,) = read_settings({name: value}, "inventory/mine")
    assert name not in found
    assert problem.startswith(f"lab_api_{name} is ")
    assert "; allowed: " in problem
    assert problem.endswith("Change it in inventory/mine/group_vars/all/lab.yml, then run: ./lab site")
    assert "\n" not in problem


def test_all_mistakes_are_named_together():
    assert len(read_settings(dict.fromkeys(READERS, 5.5))[1]) == len(READERS)


def test_a_manifest_keeps_each_setting_and_no_secret_word_of_a_command():
    container, _ = read_settings({"command": "serve --api-key hunter2 'a b'", "user": 7})
    assert recorded(container).keys() == {f"lab_api_{name}" for name in READERS}
    assert recorded(container)["lab_api_command"] == "serve --api-key '***' 'a b'"
    assert recorded(container)["lab_api_user"] == "7"
    assert hidden(container) == {"lab_api_command": "serve --api-key hunter2 'a b'"}
