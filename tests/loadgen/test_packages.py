"""Packages of the scenarios, in a folder beside Locust's: the processes of a load and their programs import them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from loadgen.common.packages import FOLDER

ROOT = Path(__file__).parents[2]
# What before_scenario.py does, and then a scenario. `json` is a module of Python itself.
PROGRAM = """
import sys
from pathlib import Path
from loadgen.common.packages import add_packages
add_packages(Path(sys.argv[1]))
import json, subprocess
import rows, started
child = subprocess.run([sys.executable, "-c", "import rows; print(rows.VALUE)"], stdout=subprocess.PIPE, text=True)
print(json.dumps([rows.VALUE, started.VALUE, child.stdout.strip(), hasattr(json, "VALUE")]))
"""


def test_a_scenario_and_its_programs_import_them(tmp_path):
    site = tmp_path / FOLDER
    site.mkdir(parents=True)
    for name in ("rows", "json"):
        (site / f"{name}.py").write_text("VALUE = 7\n")
    # A package may need such a file, as an environment of its own would read it.
    (site / "started.pth").write_text("import sys, types; sys.modules['started'] = types.SimpleNamespace(VALUE=8)\n")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [7, 8, "7", False]


def test_the_role_installs_them_there():
    role = (ROOT / "roles/locust_host/tasks/packages.yml").read_text()
    own, _, folder = FOLDER.partition("/")
    assert f"own={own}\n" in role
    assert f"--target $own/{folder} " in role
