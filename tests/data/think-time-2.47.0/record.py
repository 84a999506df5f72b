"""Writes the files beside each scenario.py: the record of 20 real users, for 8 s, against a server on loopback.

Run in the repository: PYTHONPATH=. python tests/data/think-time-2.47.0/record.py. It takes two minutes.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.loadgen.users_run import run_users

HERE = Path(__file__).parent
USERS, SECONDS = 20, 8.0
# The think time of the sweep file in the scenario whose own is replaced.
ENV = {"replaced": {"LOCUST_WAIT_MIN_SECONDS": "0.1", "LOCUST_WAIT_MAX_SECONDS": "0.3"}}
KEPT = ("timeline.json", "worker-lab-load-0.json", "requests-lab-load-0.f64.gz", "tasks-lab-load-0.f64.gz")

if __name__ == "__main__":
    for scenario in sorted(HERE.glob("*/scenario.py")):
        name = scenario.parent.name
        with tempfile.TemporaryDirectory() as folder:
            run_users(Path(folder), scenario.read_text(), USERS, SECONDS, **ENV.get(name, {}))
            for file in KEPT:
                shutil.copy(Path(folder) / file, scenario.parent)
        print(name, file=sys.stderr)
