"""The functions of ./lab that pass names to ansible-playbook: a name arrives as the user typed it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_contract import verbs

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
# Without the settings of the shell that runs the tests.
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "LAB_"))} | {
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


def bash(functions: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = ["bash", "-c", f'source "$0"; {script}', str(functions), *arguments]
    environment = ENVIRONMENT | variables
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


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
    assert "allowed: a value without these" in done.stderr


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


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["site.yml", "-i", "my lab", "-vv"], "ansible-playbook site.yml -i 'my lab' -vv"),
        (["site.yml", "-i", "a", "-e", "seed=7"], "ansible-playbook site.yml -i a -e seed=7"),
        (["site.yml", "-i", "a", "-e", "dsn=hunter2"], "ansible-playbook site.yml -i a -e 'dsn=***' (replace ***"),
        (["site.yml", "-i", "a", "-vedsn=hunter2"], "ansible-playbook site.yml -i a '-vedsn=***' (replace ***"),
    ],
)
def test_the_line_at_the_start_hides_values_that_may_be_secret(functions, words, line):
    done = bash(functions, 'cd "$LAB_ROOT"; shown_command "$@"', *words, LAB_ROOT=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(line)
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("inventory", "command"),
    [
        ("", "./lab"),
        ("inventory/lab", "./lab"),
        ("inventory/lab/", "./lab"),
        ("FOLDER/inventory/lab", "./lab"),
        ("inventory/mine", "LAB_INVENTORY=inventory/mine ./lab"),
        ("FOLDER/inventory/mine", "LAB_INVENTORY=FOLDER/inventory/mine ./lab"),
        ("../my lab", r"LAB_INVENTORY=../my\ lab ./lab"),
    ],
)
def test_a_message_of_the_script_names_the_inventory_that_is_not_the_default(functions, inventory, command):
    folder = str(functions.parent.resolve())
    done = bash(functions, 'printf %s "$LAB"', LAB_INVENTORY=inventory.replace("FOLDER", folder))
    assert done.stdout == command.replace("FOLDER", folder), done.stderr


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


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Callable[..., subprocess.CompletedProcess]:
    """./lab as it is, with only the set-up and Ansible itself left out: it prints the words for ansible-playbook."""
    text = (ROOT / "lab").read_text()
    own = 'set_up() { :; }\nplay() { for word in "$@"; do printf \'%s\\0\' "$word"; done; return "${STATUS:-0}"; }\n'
    folder = tmp_path_factory.mktemp("played")
    lab = folder / "lab"
    lab.write_text(text.replace("\nverb=", f"\n{own}verb=", 1))

    def run(*words: str, status: int = 0, cwd: Path = folder) -> subprocess.CompletedProcess:
        env = {**ENVIRONMENT, "STATUS": str(status)}
        return subprocess.run(
            ["bash", lab, *words], capture_output=True, text=True, env=env, check=False, timeout=60, cwd=cwd
        )

    return run


def words_of(done: subprocess.CompletedProcess) -> list[str]:
    # What ./lab logs plays goes to standard error, because its standard output has the log alone.
    return (done.stdout or done.stderr).split("\0")[:-1]


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["logs", "api"], ["logs_of=api", "logs_lines=50"]),
        (["logs", "-f", "locust", "--lines", "7"], ["logs_of=locust", "logs_lines=7", "logs_follow=true"]),
        (["logs", "proxy", "--lines=0", "-K", "-v"], ["logs_of=proxy", "logs_lines=0", "-K", "-v"]),
        (["image", "my-api:1"], ["image_of=my-api:1"]),
        (["image", "my-api", "--rebuild", "--copy-only", "-K"], ["image_of=my-api", "image_rebuild=true",
                                                                 "image_copy_only=true", "-K"]),
        (["check"], []),
        (["check", "sweeps/quick.yml", "-v"], ["sweep=sweeps/quick.yml", "-v"]),
        (["publish", "kit", "h/k"], ["publish_image=kit", "publish_target=h/k"]),
        (["publish", "kit", "h/k", "--credentials", "/a", "-K"], ["publish_image=kit", "publish_target=h/k",
                                                                 "publish_credentials=/a", "-K"]),
        (["publish", "kit", "h/k", "--credentials=/a"], ["publish_image=kit", "publish_target=h/k",
                                                         "publish_credentials=/a"]),
        (["clean"], ["clean_days=30"]),
        (["clean", "--days", "0", "--yes", "-K"], ["clean_days=0", "clean_yes=true", "-K"]),
        (["clean", "--days=7"], ["clean_days=7"]),
        (["ui"], []),
        (["ui", "predict.py", "--workers", "16", "-K"], ["ui_of=predict.py", "ui_workers=16", "-K"]),
        (["ui", "--minutes=30", "sweeps/quick.yml"], ["ui_of=sweeps/quick.yml", "ui_minutes=30"]),
        (["stop"], []),
        (["stop", "--unlock", "-K"], ["stop_unlock=true", "-K"]),
    ],
)  # fmt: skip
def test_the_words_of_a_verb_reach_its_playbook(played, words, extra):
    done = played(*words)
    assert done.returncode == 0, done.stderr
    given = words_of(done)
    assert given[0] == f"playbooks/{words[0]}.yml"
    assert [word.replace('"', "") for word in given[3:] if word != "-e"] == [
        word if "my-api:1" not in word else "{image_of: my-api:1}" for word in extra
    ]


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["--only", "r2-*"], ['{"sweep_only": "r2-*"}']),
        (["a.yml", "--only=r1", "--max-minutes", "30", "-v"],
         ["sweep=a.yml", "sweep_only=r1", "sweep_max_minutes=30", "-v"]),
        (["--only", "r1", "--only", "r2", "a.yml", "-e", "seed=7"],
         ["sweep=a.yml", '{"sweep_only": "r1 r2"}', "seed=7"]),
        (["--max-minutes", "-1"], ["sweep_max_minutes=-1"]),
        (["-e", "resume=R", "--max-minutes=0.5"], ["sweep_max_minutes=0.5", "resume=R"]),
        (["a b.yml", "--only", "r[12]-?"], ['{"sweep": "a b.yml"}', '{"sweep_only": "r[12]-?"}']),
    ],
)  # fmt: skip
def test_the_part_of_a_sweep_reaches_its_playbook(played, words, extra):
    done = played("sweep", *words)
    assert done.returncode == 0, done.stderr
    assert [word for word in words_of(done)[3:] if word != "-e"] == extra


@pytest.mark.parametrize("option", ["--only", "--max-minutes"])
def test_a_template_in_the_part_of_a_sweep_is_refused(played, option):
    done = played("sweep", option, "{{ 1 }}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"lab: {option} '{{{{ 1 }}}}' holds" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "--only"], "--only has no value; allowed: --only 'r2-*', --max-minutes 30"),
        (["sweep", "x.yml", "--max-minutes=", "-v"], "--max-minutes has no value"),
        (["sweep", "--only", "--max-minutes", "3"], "--only has no value"),
        (["logs"], "the name is missing; allowed: api, proxy, locust, mlflow, postgres, redis"),
        (["logs", "web"], "no log has the name 'web'; allowed: api, proxy"),
        (["logs", "api", "proxy"], "the command names two logs, 'api' and 'proxy'; allowed: one name"),
        (["logs", "api", "--lines", "many"], "--lines is 'many'; allowed: a whole number from 0 to 999999"),
        (["logs", "api", "--lines"], "--lines is ''; allowed"),
        (["image"], "the image is missing; allowed: the name of an image, or a folder with a Dockerfile"),
        (["image", "--rebuild"], "the image is missing"),
        (["publish"], "the image is missing; allowed: an image of the first API host"),
        (["publish", "kit", "-v"], "the name in the registry is missing; allowed: REGISTRY/NAME:TAG"),
        (["publish", "kit", "h/k:1", "--credentials"], "--credentials has no value; allowed: a file"),
        (["publish", "kit", "h/k:1", "--credentials", "-v"], "--credentials has no value"),
        (["clean", "--days", "x"], "--days is 'x'; allowed: a whole number"),
        (["clean", "--days"], "--days is ''; allowed"),
        (["ui", "a.py", "b.py"], "two files: 'a.py' and 'b.py'; allowed: one locustfile or sweep file"),
        (["ui", "--workers"], "--workers is ''; allowed: a whole number from 1"),
        (["ui", "--workers", "0"], "--workers is '0'; allowed"),
        (["ui", "--minutes=x"], "--minutes is 'x'; allowed"),
        (["clean", "reports"], "clean takes no name, but got 'reports'; allowed: --days N, --yes"),
    ],
)
def test_words_that_a_verb_does_not_take_are_refused_with_its_usage(played, words, message):
    done = played(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: ./lab {words[0]} ")
    assert f"\nlab: {message}" in done.stderr


# The verbs whose help Python prints, which the others reach with any word before it.
OF_PYTHON = {"plan", "watch", "report", "new", "bench"}


@pytest.mark.parametrize("verb", sorted(verbs() - {"help", "-h", "--help"}))
def test_a_verb_prints_its_own_help_once(played, verb):
    """And no other: ansible-playbook, which prints its own, is not started."""
    for words in [["--help"], ["-h"], *([] if verb in OF_PYTHON else [["x", "-K", "--help"]])]:
        done = played(verb, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: ./lab {verb}")
        assert (done.stdout.count("usage:"), done.stdout.count("\0")) == (1, 0)
        # More than the usage.
        assert done.stdout.count("\n") > 2


def test_a_help_has_the_lines_of_its_verb_alone(played):
    shown = played("ui", "--help").stdout + played("retrain", "--help").stdout + played("up", "--help").stdout
    assert "SOURCE of the rows: a path, a URL, fetch or generated" in shown
    assert shown.endswith(
        "usage: ./lab up [ARGUMENTS OF ansible-playbook]\n\n"
        "  up              create the virtual machines, or start them again after a reboot\n"
    )


# The code of Ansible, and that of the verb: 99 is Ctrl-C.
@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["logs", "api", "-f"], 99, 0),
        (["logs", "api", "-f"], 2, 2),
        (["logs", "api"], 99, 99),
        (["check"], 2, 1),
        (["check"], 4, 1),
        (["check"], 99, 99),
    ],
)
def test_the_exit_code_of_a_verb(played, words, status, code):
    assert played(*words, status=status).returncode == code


# --- Which machine runs ./lab ---------------------------------------------------------------------------------------

# Another /etc/os-release, in a mount namespace of its own. No program of Debian's packages can be executed there.
ELSEWHERE = """
mount --bind "$2" /etc/os-release
for program in /usr/bin/apt-get /usr/bin/dpkg-query; do [[ ! -e $program ]] || mount --bind /dev/null "$program"; done
source "$1"; verb=$3; eval "$4"
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="this machine: no root, so it cannot make a mount namespace")


def elsewhere(functions: Path, release: str, verb: str, script: str) -> subprocess.CompletedProcess:
    path = functions.with_name("os-release")
    path.write_text(release)
    command = ["unshare", "--mount", "bash", "-c", ELSEWHERE, "bash", str(functions), str(path), verb, script]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=60)


@needs_root
@pytest.mark.parametrize(
    ("release", "other"),
    [
        ('ID=debian\nVERSION_ID="12"\n', ""),
        ('ID=debian\nVERSION_ID="13"\n', ""),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', ""),
        ('ID=debian\nVERSION_ID="11"\n', "Debian 11\n"),
        ("ID=debian\nVERSION_CODENAME=forky\n", "a Debian without a version number\n"),
        ('ID=ubuntu\nVERSION_ID="22.04"\n', "Ubuntu 22.04\n"),
        ('ID="rhel"\nVERSION_ID="9.6"\n', "'rhel'\n"),
        ("", "'unknown'\n"),
    ],
)
def test_which_system_is_another_one(functions, release, other):
    done = elsewhere(functions, release, "plan", "other_system")
    assert (done.returncode, done.stdout) == (0, other), done.stderr


@needs_root
@pytest.mark.parametrize("verb", ["site", "sweep", "plan", "report", "image", "down", "lock"])
def test_another_linux_runs_the_verbs_that_install_nothing(functions, verb):
    done = elsewhere(functions, "ID=fedora\nVERSION_ID=43\n", verb, 'check_system; "$PYTHON" --version')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Python 3.")


@needs_root
@pytest.mark.parametrize("verb", ["demo", "test", "up", "bench"])
def test_another_linux_does_not_run_a_verb_that_installs_packages(functions, verb):
    done = elsewhere(functions, "ID=fedora\nVERSION_ID=43\n", verb, "check_system")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"lab: this machine runs 'fedora'; allowed for './lab {verb}', which installs packages: "
        "Debian 12 or newer, Ubuntu 24.04 or newer\n"
    )


@needs_root
@pytest.mark.parametrize(
    ("programs", "missing"),
    [
        (("uname", "ssh"), "this machine has no Python 3.11 or newer with the modules venv and ensurepip."),
        (("uname",), "this machine has no ssh."),
    ],
)
def test_what_another_linux_lacks_is_named(functions, tmp_path, programs, missing):
    for name in programs:
        (tmp_path / name).symlink_to(shutil.which(name))
    done = elsewhere(functions, "ID=fedora\n", "site", f"PATH={shlex.quote(str(tmp_path))}; check_system")
    assert done.returncode == 1
    assert done.stderr.startswith(f"lab: {missing} Install ")


def test_a_folder_is_named_from_where_the_user_is(played, tmp_path):
    (tmp_path / "kit").mkdir()
    (image,) = (word for word in words_of(played("image", "kit", cwd=tmp_path)) if "image_of" in word)
    assert str(tmp_path / "kit") in image


def test_new_writes_both_files_where_the_lab_is(tmp_path):
    """The verb as it is, in a copy of the repository's links."""
    for name in ("swarmsweep", "hostlink", "plugins", "lab"):
        (tmp_path / "there").mkdir(exist_ok=True)
        if name != "lab":
            (tmp_path / "there" / name).symlink_to(ROOT / name)
    text = (ROOT / "lab").read_text().replace("\nverb=", "\nset_up() { :; }\nverb=", 1)
    (tmp_path / "there/lab").write_text(text)
    (tmp_path / "openapi.json").write_text(json.dumps({"info": {"title": "Kit"}, "paths": {"/predict": {"post": {}}}}))

    def new(*words: str) -> subprocess.CompletedProcess:
        command = ["bash", tmp_path / "there/lab", "new", *words]
        return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False, cwd=tmp_path)

    done = new("--name", "mine", "openapi.json")
    assert done.returncode == 0, done.stderr
    assert "Next: ./lab image NAME|FOLDER, ./lab check sweeps/mine.yml" in done.stdout
    assert new("--name=other", "curl", "-d", '{"a": "b c"}', "http://a/p").returncode == 0
    for name in ("mine", "other"):
        assert (tmp_path / f"there/locustfiles/{name}.py").is_file()
        assert (tmp_path / f"there/sweeps/{name}.yml").is_file()
    assert "json=POST_P_BODY" in (tmp_path / "there/locustfiles/other.py").read_text()
    for words, code, message in [
        (
            ("openapi.json", "--name", "x"),
            2,
            "'--name' comes after the document; allowed: one document",
        ),
        (("nothing.json",), 2, "error: nothing.json: no such file"),
        (("--name",), 1, "lab: --name has no value"),
        (("--name", "mine", "openapi.json"), 2, "locustfiles/mine.py exists, and is not overwritten"),
    ]:
        done = new(*words)
        assert done.returncode == code, words
        assert message in done.stderr
