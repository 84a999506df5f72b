"""The code that both sides share exists once, and needs only the standard library."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINKS = sorted(path for path in (ROOT / "swarmsweep/shared").glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("link", LINKS, ids=lambda path: path.stem)
def test_it_is_the_file_that_ansible_ships(link):
    assert link.is_symlink()
    assert link.resolve() == ROOT / "plugins/module_utils" / link.name


@pytest.mark.parametrize("link", LINKS, ids=lambda path: path.stem)
def test_it_needs_the_standard_library_alone(link):
    tree = ast.parse(link.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
