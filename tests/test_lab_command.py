"""The functions of ./lab that pass names to ansible-playbook: a name arrives as the user typed it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
    "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]])
}

NAMES = [
    "sweeps/quick.yml",
    "my file.yml",
    "it's.yml",
    'a "quoted".yml',
    "back\\slash\\n.yml",
    "a=b c=d.yml",
    "line\nbreak.yml",
    "ä \N{SNOWMAN}.yml",
    "$(id) `id` $HOME ; & | > *.yml",
    "@file.yml",
    "{a: b}.yml",
    "%00 {a% } #.yml",
    "https://example.org/rows.csv?a=1&b=2#c",
    "true",
    "7",
    " ",
]


@pytest.fixture(scope="module")
def functions(tmp_path_factory) -> Path:
    """The part of ./lab above its verbs."""
    text = (ROOT / "lab").read_text()
    assert text.count("\nverb=") == 1
    path = tmp_path_factory.mktemp("lab") / "lab"
    path.write_text(text.partition("\nverb=")[0] + "\n")
    return path


def bash(functions: Path, script: str, *arguments: str) -> subprocess.CompletedProcess:
    command = ["bash", "-c", f'source "$0"; {script}', str(functions), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=60)


def extra(functions: Path, variable: str, name: str) -> list[str]:
    done = bash(functions, 'set_extra "$1" "$2"; printf "%s\\0" "${extra[@]}"', variable, name)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\0")[:-1]


@pytest.fixture(scope="module")
def arrived(functions, tmp_path_factory) -> dict[str, str]:
    """Return what a playbook gets by typed name, from one real ansible-playbook."""
    folder = tmp_path_factory.mktemp("play")
    variables = {f"name_{number}": name for number, name in enumerate(NAMES)}
    content = "{{ {" + ", ".join(f"'{variable}': {variable}" for variable in variables) + "} | to_json }}"
    tasks = [{"ansible.builtin.copy": {"dest": str(folder / "kept.json"), "content": content}}]
    (folder / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(folder / "play.yml")]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    for variable, name in variables.items():
        command += extra(functions, variable, name)
    done = subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT, cwd=folder, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((folder / "kept.json").read_text())
    return {name: kept[variable] for variable, name in variables.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_arrives_as_it_was_typed(arrived, name):
    assert arrived[name] == name


def test_a_plain_name_reads_plainly(functions):
    assert extra(functions, "sweep", "sweeps/quick.yml") == ["-e", "sweep=sweeps/quick.yml"]


@pytest.mark.parametrize("name", ["{{ lookup('pipe', 'id') }}.yml", "a{% raw %}.yml", "a{# b.yml"])
def test_a_name_that_is_a_template_is_refused(functions, name):
    done = bash(functions, 'refuse_template "the sweep file" "$1"; echo passed', name)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith(f"lab: the sweep file '{name}' holds ")
    assert "allowed: a name without these" in done.stderr


# Refused before .venv is made or any of its programs runs.
@pytest.mark.parametrize("verb", ["sweep", "retrain"])
def test_the_verbs_refuse_a_template(verb):
    # Even without the refusal, no lab of this machine is contacted.
    environment = {**ENVIRONMENT, "LAB_INVENTORY": os.devnull}
    command = [ROOT / "lab", verb, "{{ lookup('pipe', 'id') }}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 1
    assert "which Ansible would run as a template" in done.stderr
    assert "$ ansible-playbook" not in done.stderr


@pytest.mark.parametrize("name", [*NAMES, ""])
def test_the_printed_line_can_be_pasted(functions, name):
    words = ["sweep.yml", "-i", "inventory/my lab", "-e", f"x={name}", name]
    done = bash(functions, 'quoted "$@"', *words)
    pasted = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {done.stdout}"], capture_output=True, text=True, check=True, timeout=60
    )
    assert pasted.stdout.split("\0")[:-1] == words
    if "\n" not in name:
        assert shlex.split(done.stdout) == words


def test_the_printed_line_of_plain_words_has_no_quotes(functions):
    words = ["sweep.yml", "-i", "inventory/lab", "-e", "sweep=sweeps/quick.yml", "-e", "seed=7"]
    assert bash(functions, 'quoted "$@"', *words).stdout == " " + " ".join(words)


# The manifest of a resumed run keeps this command, and no sweep file is read for it.
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["-e", "resume=20261122T114512Z-quick"], []),
        ([], []),
        (["sweeps/quick.yml", "-v"], ["-e", "sweep=sweeps/quick.yml"]),
    ],
)
def test_a_sweep_names_only_the_file_that_was_named(tmp_path, words, extra):
    text = (ROOT / "lab").read_text()
    # The verb as it is, with only the set-up and Ansible itself left out.
    own = 'set_up() { :; }\nplay_sweep() { for word in "$@"; do printf \'%s\\0\' "$word"; done; }\n'
    lab = tmp_path / "lab"
    lab.write_text(text.replace("\nverb=", f"\n{own}verb=", 1))
    done = subprocess.run(
        ["bash", lab, "sweep", *words], capture_output=True, text=True, env=ENVIRONMENT, check=True, timeout=60
    )
    rest = [word for word in words if word != "sweeps/quick.yml"]
    assert done.stdout.split("\0")[:-1] == extra + rest
