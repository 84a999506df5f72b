"""A folder for a bench's own files, and an end to all that it started, whatever happened."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.lib import cores, processes


@contextmanager
def workspace(core: int | None = None) -> Iterator[tuple[Path, ExitStack]]:
    """The folder, and a stack for what is to be ended before it goes. With ``core``, the bench itself stays on that."""
    if core is not None:
        cores.stay_on(core)
    processes.adopt_orphans()
    with ExitStack() as stack:
        # Last of all, so that nothing outlives the bench whatever happened before.
        stack.callback(processes.end_all_below, os.getpid())
        folder = Path(tempfile.mkdtemp(prefix="swarmsweep-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder, stack
