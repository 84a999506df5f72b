"""Packages of locustfiles/requirements.txt, installed by the role's own tasks with real uv, from wheels made here."""

import base64
import getpass
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

# The versions that can be installed. `locked` is in Locust's lock, as version 1.0.
# `starting` has a file that Python runs at each start of an environment that has it.
WHEELS = {
    "locked": ("1.0", []),
    "starting": ("1.0", []),
    "rows": ("1.0", ["locked"]),
    "rows_new": ("2.0", []),
    "clash": ("1.0", ["locked>=2"]),
}


def make_wheel(folder: Path, name: str, version: str, needs: list[str]) -> Path:
    """A wheel with one module, as a build would make it."""
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    started = f"import os; open('{folder.parent}/started/' + str(os.getpid()), 'w').close()\n"
    files = ({"starting.pth": started} if name == "starting" else {}) | {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The folder of a load host with a virtual environment, a lock of one package, and uv. Every user can read it."""
    with tempfile.TemporaryDirectory(prefix="swarmsweep-packages-") as scratch:
        Path(scratch).chmod(0o755)
        home = Path(scratch) / "locust"
        (home / "locustfiles").mkdir(parents=True)
        wheels = home.parent / "wheels"
        wheels.mkdir()
        # Every user may write a mark there.
        (home.parent / "started").mkdir()
        (home.parent / "started").chmod(0o777)
        made = {name: make_wheel(wheels, name, version, needs) for name, (version, needs) in WHEELS.items()}
        digest = hashlib.sha256(made["locked"].read_bytes()).hexdigest()
        (home / "requirements.txt").write_text(f"locked==1.0 \\\n    --hash=sha256:{digest}\n")
        (home / "uv.txt").write_text("")
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--without-pip", home / "venv"], check=True)
        uv = shutil.which("uv", path=Path(sys.executable).parent)
        assert uv, "uv is not installed beside this Python; run: ./lab test"
        shutil.copy(uv, home / "venv/bin/uv")
        # As `environment.yml` of the role does.
        sync = ["pip", "sync", "--quiet", "--python", home / "venv/bin/python", home / "requirements.txt"]
        subprocess.run([uv, *sync, "--no-index", "--find-links", wheels], check=True)
        yield home


# The next change of a user, and what it leaves: printed lines, modules of the folder, words of the failure.
STEPS = {
    "no file": (None, ["unchanged"], None, []),
    "a package": ("rows\n", ["rows==1.0"], {"locked", "rows"}, []),
    "the same file again": ("rows\n", ["unchanged", "rows==1.0"], {"locked", "rows"}, []),
    "another package": ("rows-new>=1\n", ["rows-new==2.0"], {"rows_new"}, []),
    # A failed installation leaves nothing of the one before, and is repeated.
    "against the lock": ("clash\n", None, set(), ["cannot be installed on localhost", "clash", "locked==1.0"]),
    "no such package": ("no-such-package\n", None, set(), ["no-such-package", "run the same command again"]),
    "correct again": ("rows\n", ["rows==1.0"], {"locked", "rows"}, []),
    "a file of another name": ("-r base.in\n", ["rows==1.0"], {"locked", "rows"}, []),
    "a change of that file": ("-r base.in\n", ["starting==1.0"], {"starting"}, []),
    "the same files again": ("-r base.in\n", ["unchanged", "starting==1.0"], {"starting"}, []),
    "the file is removed": (None, [], set(), []),
}


# What base.in has before a step.
NAMED = {"a file of another name": "rows\n", "a change of that file": "starting\n"}
# Root gives the work to a user without rights. Another user can only do it itself.
USER = "nobody" if os.geteuid() == 0 else getpass.getuser()


# Between two steps: keep what the last one left, by owner and name, then make the next change.
BETWEEN = """
import json, os, pathlib, pwd, sys

home, (keep, change) = pathlib.Path(sys.argv[1]), json.load(sys.stdin)
if keep:
    own = home / "scenario_packages"
    paths = [own] if own.exists() else []
    paths += [pathlib.Path(folder, name) for folder, *names in os.walk(own) for name in sum(names, [])]
    owners = {str(path.relative_to(own)): pwd.getpwuid(path.lstat().st_uid).pw_name for path in paths}
    locusts = [path.name for path in home.glob("venv/lib/python3*/site-packages/*")]
    keep["result"] |= {"owners": owners, "locusts": locusts}
    (home.parent / keep["file"]).write_text(json.dumps(keep["result"]))
for name, content in change.items():
    path = home / "locustfiles" / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
"""


def between(home: Path, keep: dict | None, change: dict[str, str | None]) -> dict:
    """The task that does so."""
    argv = [sys.executable, "-c", BETWEEN, str(home)]
    return {
        "ansible.builtin.command": {"argv": argv, "stdin": "{{ given | to_json }}"},
        "vars": {"given": [keep, change]},
    }


def tasks_of(number: int, home: Path) -> list[dict]:
    """Tasks that install, and keep the message of a failure."""
    given = {"locust_host_directory": str(home), "locust_host_locustfiles": str(home / "locustfiles")}
    install = {
        "ansible.builtin.include_role": {"name": "locust_host", "tasks_from": "packages"},
        "vars": given | {"locust_host_install_user": USER, "locust_host_ca_bundle": ""},
    }
    failed = {"ansible.builtin.set_fact": {f"failure_{number}": "{{ ansible_failed_result.msg }}"}}
    return [{"block": [install], "rescue": [failed]}]


@pytest.fixture(scope="module")
def results(play, home) -> dict[str, dict]:
    """What each step left, with the role's tasks on this machine. They reach no package index."""
    folder = home.parent
    tasks, keep = [], None
    for number, (step, (requirements, *_)) in enumerate(STEPS.items()):
        change = {"requirements.txt": requirements}
        if step in NAMED:
            change["base.in"] = NAMED[step]
        tasks += [between(home, keep, change), *tasks_of(number, home)]
        left = {"failure": f"{{{{ failure_{number} | default('') }}}}"}
        keep = {
            "file": f"result-{number}.json",
            "result": left | {"printed": "{{ locust_host_packages.stdout_lines }}"},
        }
    tasks.append(between(home, keep, {}))
    # Root's own settings of uv, which no other user can read.
    settings = folder / "root/.config/uv/uv.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[pip]\nno-index = true\nfind-links = ['{folder}/wheels']\n")
    (folder / "root").chmod(0o700)
    uv = {"HOME": f"{folder}/root"}
    book = [{"hosts": "localhost", "gather_facts": False, "environment": uv, "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(book))
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": own}}}))
    done = play(folder / "play.yml", folder / "hosts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((folder / f"result-{number}.json").read_text()) for number, name in enumerate(STEPS)}


@pytest.mark.parametrize("step", STEPS)
def test_packages_follow_the_file_and_versions_are_printed(results, step):
    _, printed, modules, words = STEPS[step]
    found = results[step]
    assert bool(found["failure"]) == bool(words), found["failure"]
    for word in words:
        assert word in found["failure"]
    if printed is not None:
        assert found["printed"] == printed
    owners = found["owners"]
    if modules is not None:
        assert {name for name in WHEELS if f"site/{name}.py" in owners} == modules
    # Root's own environment stays as it is.
    assert {name for name in WHEELS if f"{name}.py" in found["locusts"]} == {"locked"}
    assert set(owners.values()) <= {USER}


def test_no_code_of_a_package_is_run_before_a_load(results, home):
    assert list((home.parent / "started").iterdir()) == []
