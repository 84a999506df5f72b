"""The report on a run that ended before all of its cells were measured."""

from pathlib import Path

from swarmsweep.errors import LabError
from swarmsweep.plan.run_folder import read_plan
from swarmsweep.report.report import read_cells, write_report
from swarmsweep.results.manifest import commands_of
from swarmsweep.units import counted


def report_measured(run_dir: Path, reports_dir: Path) -> str:
    """Write the report if a cell of the run was measured; return a sentence with its path and the next command.

    A run without a measured cell leaves the newest summary unchanged. Raises no `LabError`: the sentence has its text.
    """
    commands = commands_of(run_dir)
    resume = f"To resume the sweep, run: {commands.noted_sweep(f'-e resume={run_dir.name}')}"
    try:
        cells = read_cells(run_dir, read_plan(run_dir))
        measured = sum(cell.status not in (None, "infeasible") for cell in cells)
        if not measured:
            return f"No cell was measured, so no summary was written. {resume}"
        summary = write_report(run_dir, reports_dir)
    except (LabError, OSError) as error:
        again = commands.report(run_dir.name)
        return f"The summary could not be written ({error}). Remove the cause, then run: {again}"
    return f"Measured: {measured} of {counted(len(cells), 'cell')}. Their summary is at {summary}. {resume}"
