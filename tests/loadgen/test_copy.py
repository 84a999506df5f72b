"""The load generator as a load host has it: a copy without links, which needs nothing else of the project."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.lib import load_host
from tests.loadgen.locust_run import LOCUST

# -I ignores the working directory and the environment, so that only the copy and the interpreter's packages are there.
IMPORT = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
own = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] in ("loadgen", "search")]
print(json.dumps({"files": own, "tops": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The folder of a load host."""
    folder = tmp_path_factory.mktemp("host") / "locust"
    load_host.make(folder)
    return folder


def modules(home: Path, below: str) -> list[str]:
    """Names of the modules in a folder of the copy."""
    paths = (home / below).rglob("*.py")
    return sorted(".".join(path.relative_to(home).with_suffix("").parts) for path in paths if path.stem != "__init__")


def imported(home: Path, names: list[str], *options: str) -> dict[str, list[str]]:
    """The files and the top-level names of all modules of a Python that has imported these."""
    command = [sys.executable, "-I", *options, "-c", IMPORT, str(home), *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_file_of_the_copy_is_a_link(home):
    assert [path for path in home.rglob("*") if path.is_symlink()] == []


def test_the_shared_files_need_the_standard_library_alone(home):
    names = modules(home, "loadgen/shared")
    assert names == [f"loadgen.shared.{name}" for name in ("atomic_file", "hidden_text", "request_record")]
    # -S: without the packages that are installed.
    seen = imported(home, names, "-S")
    assert set(seen["tops"]) <= sys.stdlib_module_names | {"__main__", "loadgen"}


@pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
def test_all_of_it_is_imported_without_the_controller(home):
    # Locust first, as on a load host: it changes sockets before anything else takes them up.
    seen = imported(home, ["locust", *modules(home, "loadgen")])
    assert not {"ansible", "plugins", "swarmsweep"} & set(seen["tops"])
    assert {"loadgen", "locust"} <= set(seen["tops"])
    assert [file for file in seen["files"] if not Path(file).is_relative_to(home)] == []
