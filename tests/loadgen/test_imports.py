"""Which folder of the load generator imports which: the picture in its README."""

import ast
import sys
from pathlib import Path

import pytest

LOADGEN = Path(__file__).parents[2] / "loadgen"
ALLOWED = {
    "check": {"check", "common", "shared"},
    "page": {"page", "closed", "common", "shared"},
    "shared": set(),
    "common": {"common", "shared"},
    "closed": {"closed", "common", "shared"},
    "open": {"open", "common", "shared"},
    "iterations": {"iterations", "closed", "open", "common", "shared"},
    "master": {"master", "iterations", "closed", "open", "common", "shared"},
    "entry": {"check", "common", "iterations", "master", "open", "page"},
}
# Packages of a load host: Locust and what it needs, and what its lock adds to them.
OTHERS = {
    "brotli",
    "flask",
    "gevent",
    "geventhttpclient",
    "hdrh",
    "httptools",
    "locust",
    "requests",
    "search",
    "urllib3",
}


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in the file."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_folders_are_those_of_the_picture():
    assert {path.parent.name for path in LOADGEN.glob("*/*.py")} == ALLOWED.keys()


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_those_below_it(folder):
    names = {name for path in (LOADGEN / folder).glob("*.py") for name in imported(path)}
    own = {name.split(".")[1] for name in names if name.startswith("loadgen.")}
    assert own <= ALLOWED[folder]


@pytest.mark.parametrize("path", sorted(LOADGEN.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_load_host_has_what_a_file_imports(path):
    """Neither the package swarmsweep nor anything else of the controller."""
    tops = {name.partition(".")[0] for name in imported(path)}
    assert tops <= {"loadgen"} | OTHERS | set(sys.stdlib_module_names)
