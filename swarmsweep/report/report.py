"""Run folder -> summary.json, summary.csv, summary.md and plots/, from the stored files alone.

The same files give the same bytes: nothing here reads a clock, a locale or the machine.
"""

from pathlib import Path
from typing import Any

from swarmsweep.choose.modes import CapacityChoice, FixedChoice
from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_atomically, write_json
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import NEWER_KEYS, SUMMARY_KEYS, unmeasured_cell
from swarmsweep.plan.run_folder import newest_run, read_plan
from swarmsweep.report.ladder import stages
from swarmsweep.report.ladder_chart import ladder_chart
from swarmsweep.report.modes import page_of
from swarmsweep.report.page import summary_page
from swarmsweep.report.rps_chart import rps_chart
from swarmsweep.report.summary_csv import as_csv
from swarmsweep.report.templating import render

SCHEMA = 1


def write_report(run_dir: Path | str, reports_dir: Path | str = "reports") -> Path:
    """Write the report of a run into its folder and return the path of its summary.md.

    Copies summary.md and summary.json to ``reports_dir`` when the run is the newest there. Raises `LabError` when
    the folder is no run folder or a file in it is damaged.
    """
    run_dir, reports_dir = Path(run_dir), Path(reports_dir)
    plan = read_plan(run_dir)
    cells = read_cells(run_dir, plan)
    page = page_of(plan, cells)
    summary = summarise(page.choice)
    write_json(run_dir / "summary.json", summary)
    ladder = stages(plan, cells)
    write_atomically(run_dir / "summary.csv", as_csv(cells, ladder, page.searches))
    write_atomically(run_dir / "plots" / "rps.svg", rps_chart(cells, page.searches))
    if ladder:
        write_atomically(run_dir / "plots" / "ladder.svg", ladder_chart(ladder))
    shown = summary_page(run_dir, page, ladder)
    write_atomically(run_dir / "summary.md", render("summary.md.j2", shown | {"folder": ""}))
    if newest_run(reports_dir, default=run_dir).resolve() == run_dir.resolve():
        write_json(reports_dir / "summary.json", summary)
        write_atomically(reports_dir / "summary.md", render("summary.md.j2", shown | {"folder": f"{run_dir.name}/"}))
    return run_dir / "summary.md"


def read_cells(run_dir: Path, plan: Plan) -> list[dict[str, Any]]:
    """The rows of all planned cells in the order of the plan; a cell without cell.json is not measured yet."""
    return [_read_cell(run_dir / "cells" / cell.id / "cell.json", cell) for cell in plan.cells]


def _read_cell(path: Path, cell: PlannedCell) -> dict[str, Any]:
    if not path.exists():
        return unmeasured_cell(cell)
    expected = unmeasured_cell(cell)
    row = {key: expected[key] for key in NEWER_KEYS} | read_json(path)
    if row.get("id") != cell.id or row.get("config") != cell.config or any(key not in row for key in expected):
        again = f"python -m swarmsweep report --remeasure {path.parents[2]}"
        raise LabError(f"{path}: does not fit cell {cell.id} of plan.json; make it again from the raw files: {again}")
    return row


def summarise(choice: FixedChoice | CapacityChoice) -> dict[str, Any]:
    """summary.json: the plan's frame, the rows with their public keys, and the recommendation."""
    plan = choice.plan
    return {
        "schema": SCHEMA,
        "run_id": plan.run_id,
        "sweep": plan.sweep,
        "colocated": plan.colocated,
        "slo": plan.slo,
        "cells": [{key: cell[key] for key in SUMMARY_KEYS} for cell in choice.rows],
        "recommendation": choice.recommendation,
    }
