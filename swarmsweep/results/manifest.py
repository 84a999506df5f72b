"""manifest.json of a run: the commands as typed, and what the lab had at the start of the run (see `identity`)."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins

from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_json
from swarmsweep.lab.inventory_files import named_inventory, named_path
from swarmsweep.lab.lab_command import USUAL, LabCommands, commands_like
from swarmsweep.lab.mask_secrets import restorable, storable_name
from swarmsweep.results.identity import Difference


class Resume(Struct, frozen=True, kw_only=True):
    """A run was resumed ``at`` a time (UTC). ``differences`` of the sweep file then changed the judgement alone."""

    at: str
    differences: list[Difference]


def begin_manifest(
    run_dir: Path,
    seed: int | None,
    command: str,
    facts: dict[str, Any],
    *,
    inventories: Sequence[Any] = (),
    reports: Path | str | None = None,
) -> None:
    """Write the manifest of a new run. ``facts`` are versions, images, programs, packages, model and settings.

    ``inventories`` are those that Ansible read, which the command need not name. ``reports`` is the folder of the runs.
    """
    places: dict[str, Any] = {}
    if inventories:
        places["inventories"] = [storable_name(named_inventory(source)) for source in inventories]
    if reports is not None:
        places["reports"] = storable_name(named_path(str(reports)))
    write_json(run_dir / "manifest.json", {"seed": seed, "commands": [command], **places, **facts})


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """The manifest of a run. Raises `LabError` when it is missing or damaged."""
    return read_json(run_dir / "manifest.json")


def continue_manifest(
    run_dir: Path, command: str, differences: list[Difference] | None = None, now: datetime | None = None
) -> None:
    """Add the command that resumes a run, and the differences that were accepted. ``now``: default is this second."""
    begun = read_manifest(run_dir)
    # An earlier version stored parts of a command that are not known to be harmless.
    older = [restorable(line) for line in _list(begun, "commands")]
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    resume = Resume(at=f"{moment:%Y-%m-%dT%H:%M:%SZ}", differences=differences or [])
    resumed = [*_list(begun, "resumed"), to_builtins(resume)]
    write_json(run_dir / "manifest.json", begun | {"commands": [*older, command], "resumed": resumed})


def commands_of(run_dir: Path) -> LabCommands:
    """Commands for the lab of a run, with the inventory and the settings of the command that began it.

    The usual ones where no manifest says it, because no figure depends on it.
    """
    try:
        manifest = read_manifest(run_dir)
    except LabError:
        return USUAL
    lines = _list(manifest, "commands")
    # An earlier version stored the command alone.
    inventories = [name for name in _list(manifest, "inventories") if isinstance(name, str)]
    reports = manifest.get("reports")
    return commands_like(
        shlex.split(restorable(lines[0])) if lines else [""],
        inventories or None,
        reports if isinstance(reports, str) else None,
    )


def _list(manifest: dict[str, Any], key: str) -> list[Any]:
    """A list of the manifest; empty where it is missing or damaged, because no figure depends on it."""
    value = manifest.get(key)
    return value if isinstance(value, list) else []


def resumes_of(run_dir: Path) -> list[Resume] | None:
    """When the run was resumed; None where the manifest is missing or damaged. The figures do not depend on it."""
    try:
        return convert(read_manifest(run_dir).get("resumed", []), list[Resume])
    except (LabError, ValidationError):
        return None
