"""The sampler needs only the standard library, because a host may have nothing else."""

import ast
import sys
from pathlib import Path

import pytest

SAMPLER = Path(__file__).parents[2] / "sampler"


@pytest.mark.parametrize("path", sorted(SAMPLER.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_the_standard_library_and_itself(path):
    nodes = list(ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {"sampler"} | set(sys.stdlib_module_names)
