"""The package keeps its promises to the shims that call it."""

import ast
from pathlib import Path

import pytest

import swarmsweep

PACKAGE = Path(swarmsweep.__file__).parent
FORBIDDEN = {"ansible", "socket", "subprocess", "requests", "urllib", "http", "asyncio"}


@pytest.mark.parametrize("name", swarmsweep.__all__)
def test_public_names_are_there_and_documented(name):
    assert getattr(swarmsweep, name).__doc__


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        swarmsweep.fly  # noqa: B018


def test_functions_of_the_docstring_exist():
    for line in swarmsweep.__doc__.splitlines():
        if line.startswith("``"):
            assert line[2:].split("(")[0] in swarmsweep.__all__


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_modules_import_neither_ansible_nor_a_network(path):
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & FORBIDDEN
