"""Packages of locustfiles/requirements.txt, installed by the role's own tasks with real uv, from wheels made here."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

# The versions that can be installed. `locked` is in Locust's lock, as version 1.0.
WHEELS = {
    "locked": ("1.0", []),
    "rows": ("1.0", ["locked"]),
    "rows_new": ("2.0", []),
    "clash": ("1.0", ["locked>=2"]),
}


def make_wheel(folder: Path, name: str, version: str, needs: list[str]) -> Path:
    """A wheel with one module, as a build would make it."""
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
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
def home(tmp_path_factory) -> Path:
    """The folder of a load host with a virtual environment, a lock of one package, and uv."""
    home = tmp_path_factory.mktemp("host") / "locust"
    (home / "locustfiles").mkdir(parents=True)
    wheels = home.parent / "wheels"
    wheels.mkdir()
    made = {name: make_wheel(wheels, name, version, needs) for name, (version, needs) in WHEELS.items()}
    digest = hashlib.sha256(made["locked"].read_bytes()).hexdigest()
    (home / "requirements.txt").write_text(f"locked==1.0 \\\n    --hash=sha256:{digest}\n")
    (home / "uv.txt").write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    assert uv, "uv is not installed beside this Python; run: ./lab test"
    (home / "venv/bin/uv").symlink_to(uv)
    return home


# The next change of a user, and what it leaves: printed lines, modules of the environment, words of the failure.
STEPS = {
    "no file": (None, ["unchanged"], None, []),
    "a package": ("rows\n", ["rows==1.0"], {"locked", "rows"}, []),
    "the same file again": ("rows\n", ["unchanged", "rows==1.0"], {"locked", "rows"}, []),
    "another package": ("rows-new>=1\n", ["rows-new==2.0"], {"locked", "rows_new"}, []),
    # A failed installation leaves Locust's own packages, and is repeated.
    "against the lock": ("clash\n", None, {"locked"}, ["cannot be installed on localhost", "clash", "locked==1.0"]),
    "no such package": ("no-such-package\n", None, {"locked"}, ["no-such-package", "run the same command again"]),
    "correct again": ("rows\n", ["rows==1.0"], {"locked", "rows"}, []),
    "the file is removed": (None, [], {"locked"}, []),
}


def tasks_of(number: int, requirements: str | None, home: Path) -> list[dict]:
    """Tasks that make the change, install, and keep the result."""
    wanted = f"{home}/locustfiles/requirements.txt"
    change = (
        {"ansible.builtin.file": {"path": wanted, "state": "absent"}}
        if requirements is None
        else {"ansible.builtin.copy": {"content": requirements, "dest": wanted}}
    )
    install = {
        "ansible.builtin.include_role": {"name": "locust_host", "tasks_from": "packages"},
        "vars": {"locust_host_directory": str(home), "locust_host_ca_bundle": ""},
    }
    failed = {"ansible.builtin.set_fact": {"failure": "{{ ansible_failed_result.msg }}"}}
    listed = {"ansible.builtin.shell": f"ls {home}/venv/lib/python3*/site-packages", "register": "listed"}
    result = {"failure": "{{ failure }}", "listed": "{{ listed.stdout_lines }}"}
    result |= {"printed": "{{ locust_host_packages.stdout_lines }}"}
    keep = {"content": "{{ result | to_json }}", "dest": f"{home.parent}/result-{number}.json"}
    return [
        {"ansible.builtin.set_fact": {"failure": ""}},
        change,
        {"block": [install], "rescue": [failed]},
        listed,
        {"ansible.builtin.copy": keep, "vars": {"result": result}},
    ]


@pytest.fixture(scope="module")
def results(play, home) -> dict[str, dict]:
    """What each step left, with the role's tasks on this machine. They reach no package index."""
    folder = home.parent
    tasks = [
        task
        for number, (requirements, *_) in enumerate(STEPS.values())
        for task in tasks_of(number, requirements, home)
    ]
    uv = {"UV_FIND_LINKS": f"{folder}/wheels", "UV_NO_INDEX": "1", "UV_CACHE_DIR": f"{folder}/cache"}
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
    if modules is not None:
        assert {name.removesuffix(".py") for name in found["listed"]} & set(WHEELS) == modules
