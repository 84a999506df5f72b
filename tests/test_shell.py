"""shellcheck finds nothing in any shell code of the repository, and checks all of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell_sources import TEMPLATES, Shell, dockerfiles, scripts, tasks, units
from tests.test_contract import ROOT, source_files

SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
FILES = source_files()
SOURCES = [shell for kind in (scripts, dockerfiles, units, tasks) for shell in kind(FILES)]


def has_run(path: Path) -> bool:
    """Whether this is a Dockerfile that runs something."""
    return path.name.startswith("Dockerfile") and bool(re.search(r"^RUN ", path.read_text(), re.MULTILINE))


def findings(shell: Shell, folder: Path) -> str:
    """Return the messages of shellcheck about a text, of every severity."""
    path = folder / "shell"
    path.write_text(shell.text, encoding="utf-8")
    command = [SHELLCHECK, "--norc", f"--shell={shell.shell}", "--severity=style", "--format=gcc", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("shell", SOURCES, ids=lambda shell: shell.where)
def test_shellcheck_finds_nothing(shell, tmp_path):
    assert findings(shell, tmp_path) == ""


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize(("text", "code"), [("echo $x\n", "SC2154"), ('f() { echo "$1"; }\nf $HOME\n', "SC2086")])
def test_shellcheck_looks(tmp_path, text, code):
    assert f"[{code}]" in findings(Shell("here", "sh", text), tmp_path)


def test_every_place_of_shell_is_known():
    seen = {shell.where.split(",")[0].split(":")[0] for shell in SOURCES}
    assert {"lab", "tests/run", "app/tests/run", "locks/make", ".ci/run", *TEMPLATES} <= seen
    assert {path.relative_to(ROOT).as_posix() for path in FILES if re.search(r"\.sh(\.j2)?$", path.name)} <= seen
    assert {path.relative_to(ROOT).as_posix() for path in FILES if has_run(path)} <= seen
    shell_task = re.compile(r"^\s+(ansible\.builtin\.)?shell:(?! /usr/sbin/nologin)", re.MULTILINE)
    calling = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if path.suffix == ".yml" and {"roles", "playbooks"} & set(path.relative_to(ROOT).parts[:1])
        if shell_task.search(path.read_text(encoding="utf-8"))
    }
    assert calling and calling <= seen
