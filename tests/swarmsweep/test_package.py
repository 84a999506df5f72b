"""The package keeps its promises to the shims that call it."""

import ast
import sys
from pathlib import Path

import pytest

import swarmsweep

PACKAGE = Path(swarmsweep.__file__).parent
MODULES = [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in sorted(PACKAGE.rglob("*.py"))]
FORBIDDEN = {"ansible", "socket", "subprocess", "requests", "urllib", "http", "asyncio"}


@pytest.mark.parametrize("name", swarmsweep.__all__)
def test_public_names_are_there_and_documented(name):
    assert getattr(swarmsweep, name).__doc__


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        swarmsweep.fly  # noqa: B018


def test_functions_of_the_docstring_exist():
    named = [line[2:].split("(")[0] for line in swarmsweep.__doc__.splitlines() if line.startswith("``")]
    assert named
    assert set(named) <= set(swarmsweep.__all__)


@pytest.mark.parametrize("path", MODULES)
def test_modules_import_neither_ansible_nor_a_network(path):
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    # It only takes texts apart.
    names -= {"urllib.parse"}
    assert not {name.split(".")[0] for name in names} & FORBIDDEN


@pytest.mark.parametrize("path", MODULES)
def test_no_module_waits_for_pandas(path):
    """It takes half a second and more: what reads or writes a table imports it where it does so."""
    top = ast.parse(path.read_text()).body
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
    assert "pandas" not in {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", sorted((PACKAGE / "search").glob("*.py")), ids=lambda path: path.stem)
def test_the_search_needs_nothing_that_a_load_host_lacks(path):
    """It is copied there as it is, out of the package."""
    tree = ast.parse(path.read_text())
    others = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
    others |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.split(".")[0] for name in others} <= sys.stdlib_module_names
    assert all(node.level < 2 for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
