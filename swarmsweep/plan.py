"""Sweep + hosts -> plan.json: the cells in the order of the file and the steps in a seeded random order."""

import hashlib
import math
import random
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swarmsweep.cell import infeasible_cell
from swarmsweep.choose import cost
from swarmsweep.errors import InputError, LabError
from swarmsweep.feasibility import Host, doubts_about, infeasible_reason
from swarmsweep.files import read_json, write_json, write_many_json
from swarmsweep.load import AnyLoad, load_from_json, load_of_cell
from swarmsweep.matrix import Cell
from swarmsweep.sweepfile import Sweep
from swarmsweep.units import shown

SCHEMA = 1
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z0-9][a-z0-9-]{0,31}")
# Deploying, waiting until ready, draining and collecting, as seen on one core; only the estimate depends on it.
OTHER_SECONDS_PER_STEP = 12
# Of capacity mode: those whose rates are compared, so that the noise of the comparison must be known.
ANCHORED_PROFILES = ("standard", "publish")
MAX_SEED = 2**63 - 1  # what every reader of plan.json holds in one integer


def new_run_id(sweep_name: str, now: datetime | None = None) -> str:
    """Run id of a run that begins ``now`` (an aware time; default: this second): ``20261122T114512Z-quick``."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{sweep_name}"


def parse_seed(value: Any) -> int:
    """Seed as given on a command line (text or number) -> number. Raises `InputError` for anything else."""
    if not isinstance(value, bool) and re.fullmatch("[0-9]{1,19}", str(value)) and int(value) <= MAX_SEED:
        return int(value)
    raise InputError(
        f"seed {shown(str(value))} is refused; allowed: whole numbers 0 to {MAX_SEED} (2**63-1), as: -e seed=7"
    )


def make_plan(
    sweep: Sweep,
    hosts: dict[str, list[Host]],
    *,
    run_id: str | None = None,
    colocated: bool = False,
    seed: int | None = None,
    created_at: str | None = None,
    other_seconds: float = OTHER_SECONDS_PER_STEP,
) -> dict[str, Any]:
    """Plan of one run, ready for JSON (plan.json).

    ``hosts`` is ``{"api": [facts, ...], "load": [facts, ...]}`` with facts as in `feasibility`; ``colocated`` says that
    both groups share one physical machine. The seed is ``seed``, else the sweep's, else one derived from the run id
    and the sweep, and is published in the plan. Steps hold only feasible cells: ``repeat`` blocks, each one pass over
    all of them in random order, so that a drift of the hosts meets every cell alike (randomised complete blocks).

    Where rates are to be compared (capacity mode, profile standard or publish) the cheapest feasible cell is the
    anchor: it is measured as another cell, its twin, too. What differs between the two is noise. ``other_seconds`` is
    what a deployment takes beside its load, for the estimate.
    """
    run_id = run_id or new_run_id(sweep.name)
    if not RUN_ID.fullmatch(run_id):
        raise InputError(f"run id {run_id!r} does not fit; allowed: <UTC time>-<sweep>, as 20261122T114512Z-quick")
    if seed is None:
        seed = sweep.seed if sweep.seed is not None else _derived_seed(run_id, sweep.sha256)
    cells = [_planned_cell(cell, sweep.load_of(cell), hosts.get("api", [])) for cell in sweep.cells]
    anchor = _anchor_of(cells)
    cells += [_twin_of(anchor, cells)] if anchor else []
    steps = ordered_steps([cell["id"] for cell in cells if not cell["infeasible_reason"]], sweep.repeat, seed)
    plan = {
        "schema": SCHEMA,
        "run_id": run_id,
        "sweep": sweep.name,
        "sweep_file": sweep.file,
        "sweep_sha256": sweep.sha256,
        "seed": seed,
        "created_at": created_at or f"{datetime.strptime(run_id[:16], '%Y%m%dT%H%M%SZ'):%Y-%m-%dT%H:%M:%SZ}",
        "colocated": colocated,
        "slo": sweep.slo.limits(),
        "load": sweep.load.as_json(),
        "repeat": sweep.repeat,
        "anchor": {"cell_id": anchor["id"], "twin_id": cells[-1]["id"]} if anchor else None,
        "hosts": hosts,
        "cells": cells,
    }
    seconds = {cell["id"]: round(_load_seconds(cell["load"]), 3) for cell in cells}
    steps = [step | {"load_seconds": seconds[step["cell_id"]]} for step in steps]
    load_seconds = sum(step["load_seconds"] for step in steps)
    return plan | {
        "steps": steps,
        "estimate_seconds": {
            # The mean: cells may have loads of their own.
            "load_per_step": round(load_seconds / max(1, len(steps)), 3),
            "other_per_step": other_seconds,
            "total": round(load_seconds + len(steps) * other_seconds, 3),
        },
    }


def planned_load_seconds(plan: dict[str, Any], cell: dict[str, Any]) -> int:
    """Seconds that one load of a cell takes by a stored plan, rounded up to whole seconds."""
    return math.ceil(_load_seconds(load_of_cell(plan, cell)))


def estimated_seconds(plan: dict[str, Any], steps: list[dict[str, Any]]) -> float:
    """Seconds that these steps of a stored plan take."""
    cells = {cell["id"]: cell for cell in plan["cells"]}
    each = (_load_seconds(load_of_cell(plan, cells[step["cell_id"]])) for step in steps)
    return round(sum(each) + len(steps) * plan["estimate_seconds"]["other_per_step"], 3)


def _load_seconds(load: dict[str, Any]) -> float:
    return load_from_json(load).seconds


def ordered_steps(cell_ids: list[str], repeat: int, seed: int) -> list[dict[str, Any]]:
    """``repeat`` blocks, each all cells once in random order; the same seed gives the same order.

    Each step has a seed of its own for what is random in its load, so that a step that is made again can be the same.
    """
    chance = random.Random(seed)
    steps = []
    for attempt in range(1, repeat + 1):
        block = list(cell_ids)
        chance.shuffle(block)
        steps += [
            {"cell_id": cell_id, "attempt": attempt, "block": attempt, "seed": _seed_of_step(seed, cell_id, attempt)}
            for cell_id in block
        ]
    return [{"position": position, **step} for position, step in enumerate(steps, start=1)]


def write_plan(plan: dict[str, Any], reports_dir: Path | str) -> Path:
    """Create the run folder with plan.json and the cell.json of every infeasible cell; return the folder.

    Writing the same plan again is safe; a different plan in the folder is refused.
    """
    run_dir = Path(reports_dir) / plan["run_id"]
    path = run_dir / "plan.json"
    if path.exists() and read_json(path) != plan:
        raise LabError(
            f"{path}: holds another plan; start a new run, or delete the folder {run_dir} if it is worthless"
        )
    infeasible = [cell for cell in plan["cells"] if cell["infeasible_reason"]]
    write_many_json({run_dir / "cells" / cell["id"] / "cell.json": infeasible_cell(plan, cell) for cell in infeasible})
    # Last: a folder without it is no run folder.
    write_json(path, plan)
    return run_dir


def read_plan(run_dir: Path | str) -> dict[str, Any]:
    """plan.json of a run folder. Raises `LabError` when it is missing or of another schema."""
    path = Path(run_dir) / "plan.json"
    if not path.exists():
        raise LabError(
            f"{path}: is missing, so {run_dir} is no run folder; a run is made by: ansible-playbook sweep.yml"
        )
    plan = read_json(path)
    needed = ("run_id", "sweep", "slo", "load", "cells", "steps", "repeat")
    if plan.get("schema") != SCHEMA or any(key not in plan for key in needed):
        raise LabError(f"{path}: is no plan of schema {SCHEMA}; it was written by another version of swarmsweep")
    return plan


def planned_cell(plan: dict[str, Any], cell_id: str) -> dict[str, Any]:
    """The plan's cell of that id. Raises `LabError` when there is none."""
    for cell in plan["cells"]:
        if cell["id"] == cell_id:
            return cell
    raise LabError(f"cell {cell_id!r} is not in the plan of {plan['run_id']}")


def remaining_steps(run_dir: Path | str) -> list[dict[str, Any]]:
    """The steps of the plan that have no trial.json yet, in order: what a resumed run still has to do."""
    run_dir = Path(run_dir)
    return [
        step
        for step in read_plan(run_dir)["steps"]
        if not attempt_dir(run_dir, **_key(step), file="trial.json").exists()
    ]


def retry_broken(run_dir: Path | str) -> int:
    """Set aside what interrupted attempts, and those that the bench itself broke, left; return how many they were.

    Their folders stay as ``attempt-<n>.broken-<time_ns>``, which nothing reads: files of two tries never mix.
    """
    run_dir = Path(run_dir)
    folders = [attempt_dir(run_dir, **_key(step)) for step in read_plan(run_dir)["steps"]]
    broken = [folder for folder in folders if folder.is_dir() and not _is_measured(folder)]
    for folder in broken:
        # First, as a cell.json without its attempt would pass for a result.
        (folder.parent / "cell.json").unlink(missing_ok=True)
        folder.rename(folder.with_name(f"{folder.name}.broken-{time.time_ns()}"))
    return len(broken)


def attempt_dir(run_dir: Path | str, cell_id: str, attempt: int, file: str = "") -> Path:
    """Folder of one attempt's raw files, or one file in it."""
    return Path(run_dir) / "cells" / cell_id / f"attempt-{attempt}" / file


def _is_measured(folder: Path) -> bool:
    return (folder / "trial.json").exists() and not (folder / "harness.json").exists()


def _key(step: dict[str, Any]) -> dict[str, Any]:
    return {"cell_id": step["cell_id"], "attempt": step["attempt"]}


def _planned_cell(cell: Cell, load: AnyLoad, api_hosts: list[Host]) -> dict[str, Any]:
    reason = infeasible_reason(cell, api_hosts)
    return {
        "id": cell.id,
        "config": cell.config(),
        "memory": cell.memory,
        "load": load.as_json(),
        "infeasible_reason": reason,
        "doubts": [] if reason else doubts_about(cell, api_hosts),
    }


def _anchor_of(cells: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The cheapest feasible cell among those whose rates are compared, or None when there is none."""
    compared = [
        cell
        for cell in cells
        if not cell["infeasible_reason"]
        and cell["load"]["mode"] == "capacity"
        and cell["load"]["profile"] in ANCHORED_PROFILES
    ]
    return min(compared, key=lambda cell: (cost(cell["config"]), cell["config"]["replicas"], cell["id"]), default=None)


def _twin_of(anchor: dict[str, Any], cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The anchor once more, under a name that no cell has."""
    taken = {cell["id"] for cell in cells}
    name = f"{anchor['id']}-twin"
    while name in taken:
        name += "-twin"
    return anchor | {"id": name, "twin_of": anchor["id"]}


def _seed_of_step(seed: int, cell_id: str, attempt: int) -> int:
    """Below 2**31, which every random generator takes."""
    return _hashed(f"{seed} {cell_id} {attempt}") >> 1


def _derived_seed(run_id: str, sweep_sha256: str) -> int:
    return _hashed(f"{run_id} {sweep_sha256}")


def _hashed(text: str) -> int:
    """32 bits that depend on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
