"""The settings of the API's container: each form that people write, and what Docker could not start is refused."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from swarmsweep.lab import api_settings
from swarmsweep.lab.api_mounts import read_mount
from swarmsweep.lab.api_settings import PLACED_READERS, READERS, Place, hidden, recorded

ROOT = Path(__file__).parents[3]
NAMES = [*READERS, *PLACED_READERS]
DEFAULTS = {
    "command": [], "user": "", "read_only": True, "writable": [], "capabilities": [], "platform": False,
    "secret_env": [], "services": [], "mounts": [], "secrets": [], "env": {},
}  # fmt: skip


def read_settings(settings, inventory="inventory/lab", root=ROOT):
    return api_settings.read_settings(settings, Place(root, "lab", root / "environment.key", inventory))


def test_nothing_given_is_the_image_as_it_is():
    assert read_settings({}) == (DEFAULTS, [])
    assert read_settings(dict.fromkeys(NAMES)) == (DEFAULTS, [])


def test_the_inventory_has_each_setting_with_the_same_default():
    settings = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/lab.yml").read_text())
    given = {name: settings[f"lab_api_{name}"] for name in NAMES}
    assert read_settings(given) == (DEFAULTS, [])
    read = (ROOT / "playbooks/tasks/api_settings.yml").read_text()
    assert re.findall(r'^      (\w+): "\{\{ lab_api_\1 \| default', read, re.MULTILINE) == [*NAMES, "image"]


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
    + [
        ("mounts", value)
        for value in (["./model:/model"], {"model": "docs"}, {"/model": ""}, {"/model": 1}, {"/": "docs"})
    ]
    + [("secrets", value) for value in (["token"], {"A B": "token"}, {"redis_password": "token"}, {"": "t"}, {"A": 5})]
    + [("secret_env", value) for value in ("A", {"A": "B"}, [5])]
    + [("secret_env", [name]) for name in ("PATH", "IFS", "HOME", "LD_PRELOAD", "BASH_ENV", "ENV", "PS4", "UID", "_")]
    + [("services", value) for value in (["cache"], "redis:7", {"cache": "redis:7"})]
    + [("platform", value) for value in ("maybe", 2, [])]
    + [("capabilities", value) for value in ("SETUID", ["ALL"], ["SYS_ADMIN"], [5], [""])],
)
def test_what_is_refused(name, value):
    found, (problem,) = read_settings({name: value}, "inventory/mine")
    assert name not in found
    assert problem.startswith(f"lab_api_{name} is ")
    assert "; allowed: " in problem
    assert problem.endswith("Fix: change it in inventory/mine/group_vars/all/lab.yml")
    assert "\n" not in problem


def test_all_mistakes_are_named_together():
    assert len(read_settings(dict.fromkeys(NAMES, 5.5))[1]) == len(NAMES)


def test_files_of_this_machine_begin_at_the_folder_of_the_lab(tmp_path):
    (tmp_path / "model").write_text("a")
    for source in ("model", "./model", f"{tmp_path}/model"):
        container, problems = read_settings({"mounts": {"/m/": source}}, root=tmp_path)
        assert problems == []
        assert container["mounts"] == [read_mount("/m", tmp_path / "model").as_input()]
    assert recorded(container)["lab_api_mounts /m"] == container["mounts"][0]["words"]
    _, (problem,) = read_settings({"mounts": {"/m": "gone"}}, root=tmp_path)
    assert problem == (
        f"lab_api_mounts: {tmp_path}/gone: is not a file or folder. "
        "Fix: change it in inventory/lab/group_vars/all/lab.yml"
    )
    _, (problem,) = read_settings({"mounts": {"/m": "model"}, "writable": ["/m"]}, root=tmp_path)
    assert problem.startswith("lab_api_mounts has /m, which lab_api_writable has too; ")
    _, (problem,) = read_settings({"mounts": {"/m": "model", "/m/": "model"}}, root=tmp_path)
    assert "allowed: each path in the container once; /m is there twice" in problem


@pytest.mark.parametrize("source", ["~no-such-user/token", "a\0b"])
@pytest.mark.parametrize(("name", "key"), [("mounts", "/m"), ("secrets", "A")])
def test_a_path_that_no_machine_has_is_refused(tmp_path, name, key, source):
    _, (problem,) = read_settings({name: {key: source}}, root=tmp_path)
    assert problem.startswith(f"lab_api_{name}: {source!r} is not a path of this machine: ")


def test_secrets_are_files_of_this_machine(tmp_path):
    (tmp_path / "token").write_text("canary")
    (tmp_path / "store").write_bytes(b"\0")
    files = {"API_TOKEN": "token", "STORE": "./store"}
    container, problems = read_settings({"secrets": files, "secret_env": ["API_TOKEN"]}, root=tmp_path)
    assert problems == []
    assert [secret["name"] for secret in container["secrets"]] == ["API_TOKEN", "STORE"]
    assert container["secrets"][0]["path"] == str(tmp_path / "token")
    assert container["secret_env"] == ["API_TOKEN"]
    kept = recorded(container)
    assert kept["lab_api_secrets API_TOKEN"] == container["secrets"][0]["swarm_name"]
    assert "canary" not in str((container, kept, hidden(container)))
    _, (problem,) = read_settings({"secrets": {"API_TOKEN": "gone"}}, root=tmp_path)
    assert problem.startswith(
        f"lab_api_secrets: API_TOKEN: {tmp_path}/gone: cannot be read: No such file or directory. "
    )
    _, (problem,) = read_settings({"secrets": files, "secret_env": ["STORE"]}, root=tmp_path)
    assert problem.startswith(f"lab_api_secret_env: STORE: {tmp_path}/store: has a null character")
    _, (problem,) = read_settings({"secrets": files, "secret_env": ["TOKEN"]}, root=tmp_path)
    assert problem.startswith("lab_api_secret_env has 'TOKEN'; allowed: a name of lab_api_secrets. ")
    _, problems = read_settings({"secrets": 5, "secret_env": ["TOKEN"]}, root=tmp_path)
    assert [problem.split(";")[0] for problem in problems] == ["lab_api_secrets is 5", "lab_api_secret_env has 'TOKEN'"]


def test_values_of_the_environment_are_texts(tmp_path):
    folder = tmp_path / "group_vars/all"
    folder.mkdir(parents=True)
    (folder / "lab.yml").write_text("lab_api_env: {A: 1.10, B: yes, C: '', H: 2024-01-01, I: 2024-01-01T10:00:00Z}\n")
    given = {"A": 1.1, "B": True, "C": "", "D": "--x 'a,b'=c", "E": 5, "F": False, "g.h-i": "-1\n"}
    given |= {"H": date(2024, 1, 1), "I": datetime(2024, 1, 1, 10, tzinfo=UTC)}
    container, problems = read_settings({"env": given}, str(tmp_path))
    assert problems == []
    texts = {"A": "1.10", "B": "yes", "C": "", "D": "--x 'a,b'=c", "E": "5", "F": "false", "g.h-i": "-1\n"}
    texts |= {"H": "2024-01-01", "I": "2024-01-01T10:00:00Z"}
    assert container["env"] == texts


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"A": date(2024, 1, 1)}, "A is a date or a time"),
        ({"A": None}, "A is empty, a list or a mapping"),
        ({"A": ["hunter2"]}, "A is empty, a list or a mapping"),
        ({"A": "hunter2\0"}, "A is too long or has a null character"),
        ({"A": "hunter2" * 20_000}, "A is too long or has a null character; allowed: 128 KiB"),
        ({"A B": "hunter2"}, "'A B' is not a name of a variable"),
        ({"A=": "hunter2"}, "'A=' is not a name of a variable"),
        ({5: "hunter2"}, "5 is not a name of a variable"),
    ],
)
def test_a_variable_that_docker_refuses_is_named_without_its_value(given, words):
    _, (problem,) = read_settings({"env": given})
    assert problem.startswith(f"lab_api_env: {words}")
    assert "hunter2" not in problem


def test_a_variable_has_one_value(tmp_path):
    (tmp_path / "token").write_text("canary")
    given = {"secrets": {"TOKEN": "token"}, "secret_env": ["TOKEN"], "env": {"TOKEN": "x"}}
    _, (problem,) = read_settings(given, root=tmp_path)
    assert problem.startswith("lab_api_secret_env has 'TOKEN', which lab_api_env has too; ")


def test_services_beside_the_api_are_compared_without_showing_their_environment():
    given = {
        "image": "mine:1",
        "services": {"redis": {"image": "redis:7", "env": {"PASSWORD": "hunter2"}, "cpus": 0.5}},
    }
    container, problems = read_settings(given)
    assert problems == []
    assert recorded(container)["lab_api_services redis"] == "redis:7, 0.5 CPU, 512M"
    assert "hunter2" not in str(recorded(container))
    assert hidden(container)["command and env of lab_api_services redis"] == '[[], {"PASSWORD": "hunter2"}]'
    # The lab's own image is on the network of the lab's own Redis.
    for change in ({"image": ""}, {"platform": True}):
        _, (problem,) = read_settings(given | change)
        assert problem.startswith("lab_api_services has redis, which is a service of the lab on the same network; ")


def test_a_manifest_keeps_each_setting_and_no_secret_word_of_a_command():
    container, _ = read_settings({"command": "serve --api-key hunter2 'a b'", "user": 7})
    assert recorded(container).keys() == {f"lab_api_{name}" for name in READERS if name != "services"}
    assert recorded(container)["lab_api_command"] == "serve --api-key '***' 'a b'"
    assert recorded(container)["lab_api_user"] == "7"
    assert hidden(container) == {"lab_api_command": "serve --api-key hunter2 'a b'"}
