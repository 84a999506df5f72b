"""Writes the folder locust/ beside it: a search for the users of a server whose capacity is known.

Run in the repository: PYTHONPATH=. python tests/data/users-search-2.47.0/record.py, where locust and the packages of
roles/locust_host/files/requirements.in are installed, on two cores that do nothing else. It takes half a minute.

Scenario, server and order are those of tests/loadgen/test_users_conductor.py: the server serves 100 requests a second.
"""

import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.loadgen.test_users_conductor import UsersLab

HERE = Path(__file__).parent
# Its history and logs contain nothing that is not in the other files.
KEPT = ("capacity.json", "timeline.json", "stats_stats.csv", "*.f64.gz", "trial-*.json", "worker-*.json")


def main() -> None:
    with ExitStack() as stack:
        lab = UsersLab(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        lab.start()
        lab.let_begin()
        code, capacity = lab.finish()
        if code or capacity["ended"] != "done":
            sys.exit(f"the search ended with {capacity['ended']}: {capacity['error']}\n{lab.logs()}")
        shutil.rmtree(HERE / "locust", ignore_errors=True)
        (HERE / "locust").mkdir()
        for pattern in KEPT:
            for path in lab.out.glob(pattern):
                shutil.copy(path, HERE / "locust")


if __name__ == "__main__":
    main()
