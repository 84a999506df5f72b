"""The folder of a load host as the role locust_host makes it, for processes on this machine."""

import shutil
from pathlib import Path

from bench.lib.paths import LOADGEN, SEARCH

# Files that Locust is started with. They lie beside the package, where they find it.
ENTRIES = LOADGEN / "entry"


def make(home: Path) -> None:
    """Copy the load generator and the search to ``home``, which is made if need be; scenarios are the caller's."""
    home.mkdir(parents=True, exist_ok=True)
    for path in ENTRIES.glob("*.py"):
        shutil.copy(path, home)
    shutil.copytree(LOADGEN, home / "loadgen", ignore=shutil.ignore_patterns("__pycache__", "entry", "*.md"))
    shutil.copytree(SEARCH, home / "search", ignore=shutil.ignore_patterns("__pycache__"))
