"""manifest.json of a run: the commands as typed, and the images, scenarios and model at the start of the run."""

from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_json
from swarmsweep.lab.mask_secrets import restorable

# The values that all cells of a run must share, by key, with their description.
SUBJECTS = (("images", "images"), ("scenarios_hash", "scenarios or programs of the load"), ("model", "model"))


def begin_manifest(run_dir: Path, seed: int | None, command: str, facts: dict[str, Any]) -> None:
    """Write the manifest of a new run. ``facts`` are versions, images, scenarios and model."""
    write_json(run_dir / "manifest.json", {"seed": seed, "commands": [command], **facts})


def continue_manifest(run_dir: Path, command: str, facts: dict[str, Any]) -> None:
    """Add the command that resumes a run.

    Raises:
        LabError: the run was begun with other images, scenarios or another model. Its cells could not be compared.
    """
    path = run_dir / "manifest.json"
    begun = read_json(path)
    for key, words in SUBJECTS:
        if begun.get(key) != facts.get(key):
            raise LabError(
                f"{path}: the run was started with other {words} ({begun.get(key)}) than the lab has now "
                f"({facts.get(key)}). Start a new run without -e resume"
            )
    # An earlier version stored parts of a command that are not known to be harmless.
    older = [restorable(line) for line in begun.get("commands", [])]
    write_json(path, begun | {"commands": [*older, command]})
