"""Python environments, each from a lock with hashes."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.lib.paths import CACHE, LOCUST_LOCK, ROOT
from bench.lib.progress import say
from swarmsweep.errors import LabError


@dataclass(frozen=True)
class Environment:
    """A folder below .lab/bench with exactly the packages of a lock."""

    name: str
    lock: Path

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.name}-venv"

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def path(self) -> str:
        """PATH for programs of this environment."""
        return f"{self.folder}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}"

    def install(self) -> None:
        """Install the packages of the lock, unless they are installed already. Bytecode is compiled now, as in an
        image.

        Raises:
            LabError: uv is missing, or failed.
        """
        stamp, wanted = self.folder / ".lock", hashlib.sha256(self.lock.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say(f"Installing {self.lock.relative_to(ROOT)} into {self.folder.relative_to(ROOT)}")
        uv = shutil.which("uv")
        if uv is None:
            raise LabError("uv is not installed: start the benchmark with ./lab bench, which installs it into .venv")
        # The interpreter of the images.
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", "/usr/bin/python3", str(self.folder)])
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
        _run([*sync, "--python", str(self.python), str(self.lock)])
        stamp.write_text(wanted)


# The packages of the load hosts.
LOCUST = Environment("generator", LOCUST_LOCK)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(command)}` ended with code {done.returncode}: {done.stderr.strip()[-2000:]}")
