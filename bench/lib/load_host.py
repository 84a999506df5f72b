"""The folder of a load host as the role locust_host creates it, for processes on this machine."""

import shutil
from pathlib import Path

from bench.lib.paths import LOADGEN, SEARCH

# Files with which Locust is started. They are beside the package, where they can import it.
ENTRIES = LOADGEN / "entry"


def make(home: Path) -> None:
    """Copy the load generator and the search to ``home``, which is created if necessary; the caller adds scenarios."""
    home.mkdir(parents=True, exist_ok=True)
    for path in ENTRIES.glob("*.py"):
        shutil.copy(path, home)
    shutil.copytree(LOADGEN, home / "loadgen", ignore=shutil.ignore_patterns("__pycache__", "entry", "*.md"))
    shutil.copytree(SEARCH, home / "search", ignore=shutil.ignore_patterns("__pycache__"))
