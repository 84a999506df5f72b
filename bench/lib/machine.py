"""The conditions under which a benchmark ran."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def cpu_model(cpuinfo: str) -> str | None:
    """The first processor's name in the text of /proc/cpuinfo; None where the kernel gives none (ARM)."""
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, None)


def facts() -> dict[str, Any]:
    """CPU, cores, memory and kernel of this machine."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def versions(python: Path, names: Sequence[str]) -> dict[str, str]:
    """Versions of packages in another environment, and of its interpreter."""
    code = "import importlib.metadata as m, json, platform, sys\n"
    code += "print(json.dumps({'python': platform.python_version()} | {n: m.version(n) for n in sys.argv[1:]}))"
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
