"""swarmsweep: plan a sweep of API configurations, measure what was recorded, choose one and report it.

The package does arithmetic, parsing, choosing and rendering. It imports nothing from Ansible and opens no socket:
every step reads files and writes files, so a report can be built again alone, without the machines.

Thin shims (a filter, a module, a callback) need only these names. For anything that a user can cause, they raise
`LabError` with a text for the user, and nothing else:

==============================================  =======================================================================
``load_sweep(path)``                            sweep file -> validated `Sweep`; `InputError` lists every mistake
``make_plan(sweep, hosts, ...)``                `Sweep` + host facts -> `Plan`
``write_plan(plan, reports_dir)``               makes the run folder: plan.json, cell.json of infeasible cells
``drain_seconds(limits)``                       how long after a window its requests may still get their responses
``remaining_steps(run_dir)``                    the steps of the plan whose attempt is not measured yet, in order
``retry_broken(run_dir)``                       sets aside attempts that were interrupted or that the bench broke
``measure_attempt(run_dir, cell_id, attempt)``  raw files of one attempt -> trial.json (after the last: cell.json)
``write_report(run_dir, reports_dir)``          cell.json files -> summary.json, .csv, .md, .html, plots/
==============================================  =======================================================================

Names are loaded on first use: all modules take 0.8 s to import, those that check a sweep file 0.5 s, `errors` 0.03 s.
"""

from importlib import import_module

# The one place of the version; pyproject.toml reads it here.
__version__ = "0.2.0"

_HOME = {
    "LabError": "errors",
    "InputError": "errors",
    "Sweep": "sweep.checked",
    "load_sweep": "sweep.sweep_file",
    "make_plan": "plan.plan",
    "new_run_id": "plan.plan",
    "parse_seed": "plan.plan",
    "estimated_seconds": "plan.plan",
    "drain_seconds": "sweep.load",
    "write_plan": "plan.run_folder",
    "read_plan": "plan.run_folder",
    "remaining_steps": "plan.run_folder",
    "retry_broken": "plan.run_folder",
    "newest_run": "plan.run_folder",
    "measure_attempt": "results.measure",
    "measure_run": "results.measure",
    "write_report": "report.report",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    """Import the module that owns a public name when the name is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
