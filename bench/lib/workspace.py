"""A folder for a bench's own files; at the end, every started process is ended."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.lib import cores, processes


@contextmanager
def workspace(core: int | None = None) -> Iterator[tuple[Path, ExitStack]]:
    """The folder, and a stack of things to end before it is removed. With ``core``, the bench itself runs on it."""
    if core is not None:
        cores.stay_on(core)
    processes.adopt_orphans()
    with ExitStack() as stack:
        # Ended last, so that no process survives the bench, whatever happened before.
        stack.callback(processes.end_all_below, os.getpid())
        folder = Path(tempfile.mkdtemp(prefix="swarmsweep-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder, stack
