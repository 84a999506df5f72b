"""Agreements between the parts: names, defaults, verbs, and what no file may contain."""

import hashlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from swarmsweep.lab.content_hash import IGNORED
from swarmsweep.lab.lab_command import VERBS
from swarmsweep.report.cell_text import _PHASE_OF_ROLE

ROOT = Path(__file__).parents[1]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TASK_FILES = sorted(ROOT.glob("roles/*/tasks/*.yml"))
PLAYBOOKS = sorted([ROOT / "site.yml", ROOT / "sweep.yml", *ROOT.glob("playbooks/**/*.yml")])
USER_FILE = ROOT / "inventory/lab/group_vars/all/lab.yml"

# About a screen. The few lines more are for the one file that would be worse in two.
MAX_TASK_FILE_LINES = 70
# A comment applies to the keys below it until a blank line, but to at most this many.
MAX_KEYS_OF_A_COMMENT = 4
# The verbs that users and scripts rely on.
CONTRACT_VERBS = {"demo", "test", "up", "down", "site", "sweep", "plan", "report", "stop", "status", "bench", "retrain"}
# Folders of every working copy that are never part of the project.
NOT_SOURCE = IGNORED - {"tests"} | {".git", ".lab", ".ansible", ".cache", "reports"}


def by_name(path: Path) -> str:
    """Ids of parametrized files."""
    return path.relative_to(ROOT).as_posix()


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def defaults(role: Path) -> dict[str, Any]:
    return read_yaml(role / "defaults/main.yml") or {}


def walk(node: Any) -> Iterator[dict]:
    """Every mapping in a parsed YAML file."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def uncommented_keys(text: str) -> list[str]:
    """Return top-level keys that no comment above applies to."""
    found, left = [], 0
    for line in text.splitlines():
        if line.startswith("#"):
            left = MAX_KEYS_OF_A_COMMENT
        elif not line.strip():
            left = 0
        elif key := re.match(r"(\w+):", line):
            if left == 0:
                found.append(key.group(1))
            left = max(0, left - 1)
    return found


def source_files() -> list[Path]:
    """Files that are, or would be, in the repository."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
        files = [ROOT / name for name in listed.split("\0") if name]
    else:
        files = [file for file in ROOT.rglob("*") if not NOT_SOURCE & set(file.relative_to(ROOT).parts)]
    return [file for file in files if file.is_file()]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("# why\na: 1\n", []),
        ("# why\na: 1\n\nb: 2\n", ["b"]),
        ("# --- title ---\n\na: 1\n", ["a"]),
        ("# why\na:\n  x: 1\nb: >-\n  text\nc: 1\nd: 1\ne: 1\n", ["e"]),
        ("a: 1 # too late\n", ["a"]),
    ],
)
def test_uncommented_keys(text, keys):
    assert uncommented_keys(text) == keys


# --- Roles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES, ids=by_name)
def test_role_says_who_it_is(role):
    info = (read_yaml(role / "meta/main.yml") or {}).get("galaxy_info", {})
    assert info.get("role_name") == role.name
    assert info.get("description")
    assert info.get("min_ansible_version")


@pytest.mark.parametrize("role", ROLES, ids=by_name)
def test_argument_spec_has_the_names_and_values_of_the_defaults(role):
    entries = read_yaml(role / "meta/argument_specs.yml")["argument_specs"]
    assert {name: option["default"] for name, option in entries["main"]["options"].items()} == defaults(role)
    for entry in entries.values():
        assert {name: option["default"] for name, option in entry["options"].items()}.items() <= defaults(role).items()


@pytest.mark.parametrize("role", ROLES, ids=by_name)
def test_argument_spec_has_type_and_description_of_each_option(role):
    for entry, spec in read_yaml(role / "meta/argument_specs.yml")["argument_specs"].items():
        assert (role / f"tasks/{entry}.yml").exists()
        assert spec["short_description"]
        for name, option in spec["options"].items():
            assert option.get("type") in {"str", "int", "float", "bool", "path", "list", "dict"}, name
            assert option.get("description"), name
            assert (option["type"] == "list") == ("elements" in option), name
            assert option["default"] in option.get("choices", [option["default"]]), name


@pytest.mark.parametrize("role", ROLES, ids=by_name)
def test_variables_carry_the_role_in_their_names(role):
    assert [name for name in defaults(role) if not name.startswith(f"{role.name}_")] == []
    private = [name for path in role.glob("vars/*.yml") for name in read_yaml(path)]
    assert [name for name in private if not name.startswith(f"__{role.name}_")] == []


@pytest.mark.parametrize("path", [*(role / "defaults/main.yml" for role in ROLES), USER_FILE], ids=by_name)
def test_each_value_has_its_reason_above_it(path):
    assert uncommented_keys(path.read_text()) == []


@pytest.mark.parametrize("role", ROLES, ids=by_name)
def test_every_default_is_used(role):
    folders = ("tasks", "templates", "vars", "handlers")
    text = "\n".join(file.read_text() for name in folders for file in role.glob(f"{name}/*"))
    assert [name for name in defaults(role) if not re.search(rf"\b{name}\b", text)] == []


def given_to_roles(path: Path) -> set[tuple[str, str]]:
    """(role, variable) for each variable with a role's name in it that a play, block, task or call of a role sets."""
    given = {key for node in walk(read_yaml(path)) for key in node.get("vars") or {}}
    return {(role.name, key) for role in ROLES for key in given if key.startswith(f"{role.name}_")}


# Ansible accepts a misspelt role variable without a message, and uses the default instead.
@pytest.mark.parametrize("path", [*PLAYBOOKS, *TASK_FILES], ids=by_name)
def test_roles_are_given_only_what_they_take(path):
    assert [key for role, key in given_to_roles(path) if key not in defaults(ROOT / "roles" / role)] == []


def test_variables_of_all_roles_are_seen():
    seen = {role for path in (*PLAYBOOKS, *TASK_FILES) for role, _ in given_to_roles(path)}
    # This role gets no variables.
    assert seen == {role.name for role in ROLES} - {"apt_downloads"}


@pytest.mark.parametrize("path", TASK_FILES, ids=by_name)
def test_task_file_fits_a_screen(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_TASK_FILE_LINES


# The hashed files must be the sent files, or a tag has two contents.
def test_build_contexts_send_what_is_hashed():
    text = (ROOT / "roles/images/tasks/build.yml").read_text()
    left_out = set(re.findall(r"--exclude=[\"']?([^\s\"']+)", text)) - {"*.md"}
    contexts = yaml.safe_load((ROOT / "roles/images/vars/main.yml").read_text())["__images_contexts"]
    assert contexts
    for context in contexts:
        folder = ROOT / ("app" if "app" in context["directory"] else f"roles/images/files/{context['name']}")
        assert context["dockerfile"] in context["files"]
        for name in context["files"]:
            assert (folder / name).exists()
            # The hash ignores no other file there, so no other file need be left out.
            assert not [path for path in (folder / name).rglob("*") if path.name in IGNORED - left_out]


# --- The command ----------------------------------------------------------------------------------------------------


def lab(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "lab", *arguments], capture_output=True, text=True, check=False)


def help_verbs() -> set[str]:
    return set(re.findall(r"^  ([a-z]+)\b", lab("help").stdout, re.MULTILINE))


def verbs() -> set[str]:
    """Arms of the last `case` of the script."""
    arms = (ROOT / "lab").read_text().rpartition("\ncase ")[2]
    return {
        verb for arm in re.findall(r"^  ([a-z][a-z| -]*)\)", arms, re.MULTILINE) for verb in re.split(r"[ |]+", arm)
    }


def test_help_names_only_verbs_that_exist():
    assert help_verbs()
    assert help_verbs() - verbs() == set()


def test_every_verb_of_the_contract_exists():
    assert CONTRACT_VERBS - verbs() == set()


def test_every_verb_is_in_the_help():
    assert verbs() - help_verbs() - {"help", "-h", "--help"} == set()


def test_the_verbs_that_name_an_inventory_are_those_that_read_one():
    """A verb that is missing there is printed without LAB_INVENTORY."""
    text = (ROOT / "lab").read_text()
    functions = re.findall(r"^(\w+)\(\) \{[^\n}]*\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    reading = [name for name, body in functions if '"$INVENTORY"' in body]
    assert "play_sweep" in reading
    reads = re.compile("|".join([r'"\$INVENTORY"', *(rf"\b{name}\b" for name in reading)]))
    arms = re.split(r"^  ([a-z][a-z| -]*)\)", text.rpartition("\ncase ")[2], flags=re.MULTILINE)
    assert {verb for verb, body in zip(arms[1::2], arms[2::2], strict=True) if reads.search(body)} == VERBS


def test_playbooks_that_the_verbs_run_exist():
    played = re.findall(r"\bplay (\S+\.yml)", (ROOT / "lab").read_text())
    assert played
    assert [path for path in played if not (ROOT / path).is_file()] == []


def test_unknown_verb_is_named_with_the_known_ones():
    result = lab("sweeep")
    assert result.returncode != 0
    assert "unknown verb 'sweeep'" in result.stderr
    assert "sweep [FILE]" in result.stderr


def test_readme_names_only_verbs_that_exist():
    named = set(re.findall(r"\./lab ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named
    assert named - verbs() == set()


NAMED_TASK = r"- name: (\w+) \| "


def test_every_phase_of_an_attempt_is_in_a_page():
    """Those that `./lab watch` and progress.json show: the words before a bar in the names of tasks, in their order."""
    folder = ROOT / "roles/bench_cell/tasks"
    phases = {phase.lower() for file in folder.glob("*.yml") for phase in re.findall(NAMED_TASK, file.read_text())}
    assert phases >= {"standby", "deploy", "load", "gather"}
    begun = dict.fromkeys(re.findall(r"include_tasks: (\w+)\.yml", (folder / "main.yml").read_text()))
    table = re.findall(r"^\| `(\w+)` \| (?!`)", (ROOT / "docs/verbs.md").read_text().partition("## `image`")[0], re.M)
    shown = table[: len(phases) + 1]
    assert shown == ["start", *begun]
    assert set(begun) == phases


def test_another_role_in_an_attempt_belongs_to_a_phase():
    """Its files are no phases of a page, so `cell_text` names the phase of the role."""
    folder = ROOT / "roles/bench_cell/tasks"
    roles = {role for file in folder.glob("*.yml") for role in re.findall(r"^ {4}name: (\w+)$", file.read_text(), re.M)}
    assert roles == set(_PHASE_OF_ROLE)


def test_the_page_logs_in_to_a_virtual_machine_as_ansible_does():
    """With the options of connection.yml, and with the folder of the lab as it is below that of ./lab."""
    text = (ROOT / "docs/verbs.md").read_text().partition("## Log in to a host")[2]
    program, *options, place = shlex.split(text.partition("```\n")[2].partition("\n")[0])
    environment = jinja2.Environment()
    environment.filters |= {"quote": shlex.quote, "dirname": lambda _: "."}
    folder = ROOT / "inventory/lab/group_vars"
    settings = yaml.safe_load((folder / "all/lab.yml").read_text())
    template = yaml.safe_load((folder / "lab/connection.yml").read_text())["ansible_ssh_common_args"]
    directory = environment.from_string(settings["lab_directory"]).render(settings).removeprefix("./")
    given = environment.from_string(template).render(lab_machine_is_virtual=True, lab_directory=directory)
    # The file of known hosts has quotes for ssh itself.
    pairs, wanted = (
        list(zip(words[::2], words[1::2], strict=True)) for words in (options, shlex.split(given.replace('"', "")))
    )
    assert (program, sorted(pairs)) == ("ssh", sorted(wanted))
    assert place.removeprefix("root@") in (ROOT / "inventory/lab/hosts.yml").read_text()


def test_the_page_names_the_base_image_of_the_lab():
    defaults = yaml.safe_load((ROOT / "roles/images/defaults/main.yml").read_text())
    reference = hashlib.sha256(defaults["images_base_reference"].encode()).hexdigest()[:8]
    name = f"{defaults['images_namespace']}/base:{defaults['images_base_suite']}-{reference}"
    assert f"`FROM {name}`" in (ROOT / "docs/your-own-api.md").read_text()


def test_every_verb_is_in_a_page():
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/verbs.md").read_text()
    assert {verb for verb in verbs() - {"help", "-h", "--help"} if f"./lab {verb}" not in text} == set()


# --- What no file may contain ---------------------------------------------------------------------------------------

# Written in parts, so that this file does not contain them.
FORBIDDEN = {
    "host name of a package registry": re.compile("py" + r"pi\.org|python" + r"hosted\.org"),
    "path of a developer's machine": re.compile(r"(?<![\w.$}-])/" + "work/"),
}
UNPINNED_HOSTS = re.compile(
    r"host_key_checking\s*[=:]\s*(false|no|off|0)\b"
    r"|StrictHostKeyChecking[ =]\s*(no|off|accept-new)\b"
    r"|UserKnownHostsFile[ =]\s*/dev/null",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("host_key_checking = False", True),
        ("ANSIBLE_HOST_KEY_CHECKING=0", True),
        ("-o StrictHostKeyChecking=no", True),
        ("ansible_ssh_common_args: -o UserKnownHostsFile=/dev/null", True),
        ("host_key_checking = True", False),
        ("-o StrictHostKeyChecking=yes -o UserKnownHostsFile={{ x }}/known_hosts", False),
    ],
)
def test_unpinned_hosts_are_found(text, found):
    assert bool(UNPINNED_HOSTS.search(text)) is found


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_source_file_names_a(what):
    named = [by_name(file) for file in source_files() if FORBIDDEN[what].search(file.read_text(errors="replace"))]
    assert named == []


def test_host_keys_are_always_checked():
    files = [file for file in source_files() if "tests" not in file.relative_to(ROOT).parts]
    assert len(files) > 50
    assert [by_name(file) for file in files if UNPINNED_HOSTS.search(file.read_text(errors="replace"))] == []
