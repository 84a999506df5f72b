"""Sweep + hosts -> plan.json: the cells in the order of the file and the steps in a seeded random order."""

import hashlib
import random
import re
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from swarmsweep.errors import InputError
from swarmsweep.lab.prices import Prices
from swarmsweep.plan.feasibility import infeasible_reason, warnings_about
from swarmsweep.plan.placement import planned_shares
from swarmsweep.plan.planned import Anchor, Baseline, Estimate, Host, Plan, PlannedCell, Step
from swarmsweep.plan.run_folder import RUN_ID
from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load import AnyLoad, load_from_json
from swarmsweep.sweep.matrix import Cell, cost
from swarmsweep.units import quoted

# Seconds to deploy, wait until ready, drain and collect, measured on one core. Only the estimate depends on it.
OTHER_SECONDS_PER_STEP = 12
MAX_SEED = 2**63 - 1  # the greatest integer that every reader of plan.json can hold


def new_run_id(sweep_name: str, now: datetime | None = None) -> str:
    """Run id of a run that begins ``now`` (a time with a zone; default: this second): ``20261122T114512Z-quick``."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{sweep_name}"


def parse_seed(value: Any) -> int:
    """The seed from a command line (text or number) as a number. Raises `InputError` for anything else."""
    if not isinstance(value, bool) and re.fullmatch("[0-9]{1,19}", str(value)) and int(value) <= MAX_SEED:
        return int(value)
    raise InputError(
        f"seed {quoted(str(value))} is not valid; allowed: whole numbers 0 to {MAX_SEED} (2**63-1), for example: "
        "-e seed=7"
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
    baseline: Cell | None = None,
    prices: Prices | None = None,
) -> Plan:
    """Plan of one run.

    ``hosts`` is ``{"api": [facts, ...], "load": [facts, ...]}`` with facts as in `feasibility`; ``colocated`` says that
    both groups share one physical machine. The seed is ``seed``, else the sweep's, else one derived from the run id and
    the sweep. The plan contains it. Steps contain only feasible cells. There are ``repeat`` blocks, each one pass over
    all of them in random order. So a drift of the hosts affects every cell alike (randomised complete blocks).

    Where rates are compared (capacity mode, profile standard or publish), the cheapest feasible cell is the anchor. It
    is also measured as another cell, its twin. The difference between the two is noise. ``other_seconds`` is the time
    of a deployment beside its load, for the estimate.

    ``baseline`` is the configuration of the inventory. It is added to the cells where the sweep takes a baseline and
    the hosts can hold it. ``prices`` are those of the inventory; they change no step.
    """
    run_id = run_id or new_run_id(sweep.name)
    if not RUN_ID.fullmatch(run_id):
        raise InputError(
            f"run id {run_id!r} is not valid; allowed: <UTC time>-<sweep>, for example 20261122T114512Z-quick"
        )
    if seed is None:
        seed = sweep.seed if sweep.seed is not None else _derived_seed(run_id, sweep.sha256)
    cells = [_planned_cell(cell, sweep.load_of(cell), hosts.get("api", [])) for cell in sweep.cells]
    anchor = _anchor_of(cells)
    compared, cells = _with_baseline(sweep, cells, baseline, hosts.get("api", []))
    cells += [_twin_of(anchor, cells)] if anchor else []
    seconds = {cell.id: round(load_from_json(cell.load or {}).seconds, 3) for cell in cells}
    steps = [
        structs.replace(step, load_seconds=seconds[step.cell_id])
        for step in ordered_steps([cell.id for cell in cells if not cell.infeasible_reason], sweep.repeat, seed)
    ]
    load_seconds = sum(seconds[step.cell_id] for step in steps)
    return Plan(
        run_id=run_id,
        sweep=sweep.name,
        sweep_file=sweep.file,
        sweep_sha256=sweep.sha256,
        seed=seed,
        created_at=created_at or f"{datetime.strptime(run_id[:16], '%Y%m%dT%H%M%SZ'):%Y-%m-%dT%H:%M:%SZ}",
        colocated=colocated,
        slo=sweep.slo,
        slo_endpoints={name: dict(limits) for name, limits in sweep.slo_endpoints.items()},
        load=sweep.load.as_json(),
        repeat=sweep.repeat,
        anchor=Anchor(anchor.id, cells[-1].id) if anchor else None,
        baseline=compared,
        prices=prices,
        hosts=hosts,
        cells=cells,
        steps=steps,
        estimate_seconds=Estimate(
            # The mean, because cells may have their own loads.
            load_per_step=round(load_seconds / max(1, len(steps)), 3),
            other_per_step=other_seconds,
            total=round(load_seconds + len(steps) * other_seconds, 3),
        ),
    )


def estimated_seconds(plan: Plan, steps: list[Step]) -> float:
    """Estimated seconds for these steps of a stored plan."""
    cells = plan.cells_by_id()
    each = (load_from_json(plan.load_of(cells[step.cell_id])).seconds for step in steps)
    return round(sum(each) + len(steps) * plan.estimate_seconds.other_per_step, 3)


def ordered_steps(cell_ids: list[str], repeat: int, seed: int) -> list[Step]:
    """``repeat`` blocks, each with all cells once in random order; the same seed gives the same order.

    Each step has its own seed for the randomness in its load, so that a retried step can have the same load.
    """
    chance = random.Random(seed)
    order: list[tuple[str, int]] = []
    for attempt in range(1, repeat + 1):
        block = list(cell_ids)
        chance.shuffle(block)
        order += [(cell_id, attempt) for cell_id in block]
    return [
        Step(
            position=position,
            cell_id=cell_id,
            attempt=attempt,
            block=attempt,
            seed=_seed_of_step(seed, cell_id, attempt),
        )
        for position, (cell_id, attempt) in enumerate(order, start=1)
    ]


def _planned_cell(cell: Cell, load: AnyLoad, api_hosts: list[Host]) -> PlannedCell:
    reason = infeasible_reason(cell, api_hosts)
    return PlannedCell(
        id=cell.id,
        config=cell.config(),
        memory=cell.memory,
        load=load.as_json(),
        infeasible_reason=reason,
        doubts=[] if reason else warnings_about(cell, api_hosts),
        placement=None if reason else planned_shares(cell, api_hosts),
    )


def _with_baseline(
    sweep: Sweep, cells: list[PlannedCell], baseline: Cell | None, api_hosts: list[Host]
) -> tuple[Baseline | None, list[PlannedCell]]:
    """The baseline of a run, and its cells with the baseline among them, if the hosts can hold it."""
    if baseline is None or not sweep.takes_baseline:
        return None, cells
    made = _planned_cell(baseline, sweep.load_of(baseline), api_hosts)
    added = all(cell.id != made.id for cell in cells)
    compared = Baseline(cell_id=made.id, added=added, infeasible_reason=made.infeasible_reason)
    return compared, [*cells, made] if added and not made.infeasible_reason else cells


def _anchor_of(cells: list[PlannedCell]) -> PlannedCell | None:
    """The cheapest feasible cell among those whose rates are compared; None if no rates are compared."""
    compared = [cell for cell in cells if not cell.infeasible_reason and load_from_json(cell.load or {}).is_compared]
    return min(compared, key=lambda cell: (cost(cell.config), cell.config["replicas"], cell.id), default=None)


def _twin_of(anchor: PlannedCell, cells: list[PlannedCell]) -> PlannedCell:
    """A second cell with the anchor's configuration, under an unused name."""
    taken = {cell.id for cell in cells}
    name = f"{anchor.id}-twin"
    while name in taken:
        name += "-twin"
    return structs.replace(anchor, id=name, twin_of=anchor.id)


def _seed_of_step(seed: int, cell_id: str, attempt: int) -> int:
    """Below 2**31, which every random generator accepts."""
    return _hashed(f"{seed} {cell_id} {attempt}") >> 1


def _derived_seed(run_id: str, sweep_sha256: str) -> int:
    return _hashed(f"{run_id} {sweep_sha256}")


def _hashed(text: str) -> int:
    """A number of 32 bits that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
