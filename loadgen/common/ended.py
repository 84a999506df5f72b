"""The mark of a Locust process that has ended in order: everything that it had to record is written.

A scenario may set the exit status of Locust, for example to 1 where its own limits are missed. So the status alone does
not say whether a process broke. The mark does.
"""

import os
import socket
import time
from pathlib import Path

from loadgen.common.outputs import write_json
from loadgen.shared.request_record import MASTER, ended_file, worker_process


def _host() -> str:
    return os.environ.get("SWEEP_HOST") or socket.gethostname()


class EndMark:
    """The mark of this process, of a worker if ``index`` is given. A mark of an earlier attempt is removed."""

    def __init__(self, directory: Path, index: str | None = None) -> None:
        process = MASTER if index is None else worker_process(index)
        self._path = directory / ended_file(_host(), process)
        self._path.unlink(missing_ok=True)

    def write(self) -> None:
        """This process has ended in order."""
        write_json(self._path, {"schema": 1, "ended_at": time.time()})
