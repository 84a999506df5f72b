"""The command that installs the packages of the scenarios runs none of their code."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "roles/locust_host/tasks/packages.yml"
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "rows"
version = "1"
"""


@pytest.mark.parametrize("line", ["./rows", "-e ./rows", "-r more.txt"])
def test_a_package_is_not_built(tmp_path, line):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/pyproject.toml").write_text(PROJECT)
    (tmp_path / "rows/backend.py").write_text(f"open({str(tmp_path / 'built')!r}, 'w').close()\n")
    (tmp_path / "more.txt").write_text("-e ./rows\n")
    (tmp_path / "wanted.txt").write_text(f"{line}\n")
    (command,) = re.findall(r"uv pip install ((?:.*\\\n)*.*)$", TASKS.read_text(), re.MULTILINE)
    given = {"venv/bin/python": sys.executable, "$wanted": "wanted.txt", "$own/site": "installed"}
    given["requirements.txt"] = str(ROOT / "roles/locust_host/files/requirements.txt")
    words = [given.get(word, word) for word in shlex.split(command.replace("\\\n", " "))]
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [uv, "pip", "install", "--offline", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "attempted to build `rows`" in done.stderr
    assert not (tmp_path / "built").exists()
