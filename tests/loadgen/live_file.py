"""Keeps each version of the file of what a load does now; tests of it use it."""

import json
import threading
from contextlib import suppress
from pathlib import Path


class Reader:
    """Keeps each version of live.json, from a thread."""

    def __init__(self, folder: Path) -> None:
        self.path, self.seen = folder / "live.json", []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            with suppress(OSError):
                version = json.loads(self.path.read_text())
                if not self.seen or self.seen[-1] != version:
                    self.seen.append(version)
