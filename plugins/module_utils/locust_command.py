"""What every start of Locust on a load host has in common: the files of `locust -f`, and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def scenario_files(home: Path, mode: str, locustfile: str) -> list[Path]:
    """The files that a worker loads, in their order; ``home`` is the folder of the programs and of locustfiles/.

    A scenario for open_loop.py is loaded after it; recorder.py is loaded after any other.
    """
    scenario = home / "locustfiles" / locustfile
    return [home / "open_loop.py", scenario] if mode == "capacity" else [scenario, home / "recorder.py"]


def environment(output: Path, host_name: str, more: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of a process that writes into ``output``; ``more`` are those of the load."""
    return {"SWEEP_OUTPUT_DIR": str(output), "SWEEP_HOST": host_name, "HOME": str(output), **more}
