"""Ansible action: the steps of a sweep that need no host, each a call into the swarmsweep package.

Arguments: do (check, scenarios, refuse_scenarios, lock, plan, retries, set_aside, outcome, measure,
harness_failure, report, report_measured, explain_kept) and what that step needs. See the methods.

check, scenarios and plan each read the sweep file, because Ansible runs each in its own process and passes only text.
Reading takes 0.01 s, and a parsed sweep as text would be a second format. plan compares the sha256 that check returned.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.errors import LabError
from swarmsweep.files import write_json
from swarmsweep.lab import lock
from swarmsweep.units import format_seconds

# A step imports its modules itself. Each step runs in its own process, which would import all of them again.
# The reader of sweep files (pydantic) and that of raw files (numpy) take 0.5 to 1.5 s, and no step needs both.


def plain(value):
    """Return Ansible's lazy containers as plain ones."""
    return json.loads(json.dumps(value))


class ActionModule(ActionBase):
    """Turns a LabError into a message without a traceback."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = plain(dict(self._task.args))
        step = getattr(self, "do_" + arguments.pop("do"))
        try:
            return result | {"changed": False} | step(**arguments)
        except LabError as error:
            # Ansible would append the causes, which the text already contains.
            raise AnsibleActionFail(str(error)) from None

    def do_check(self, path, locustfiles=None, seed=None):
        """Validate a sweep file, a seed, and the names of the scenarios, before anything is changed."""
        from swarmsweep import load_sweep, parse_seed
        from swarmsweep.sweep.scenarios import check_folder

        if seed is not None:
            parse_seed(seed)
        sweep = load_sweep(path)
        # A sweep file elsewhere may have other scenarios beside it, or none. Only those of `locustfiles` are copied.
        if locustfiles is not None:
            check_folder(locustfiles)
        return {"name": sweep.name, "cells": len(sweep.cells), "sha256": sweep.sha256}

    def do_scenarios(self, path, reports, resume=None):
        """Return what each load host must load once before a deployment, for a new sweep or a resumed run."""
        from swarmsweep import load_sweep, read_plan
        from swarmsweep.results.retry import refuse_ended
        from swarmsweep.sweep.scenarios import scenarios_of

        if resume:
            plan = read_plan(Path(reports) / resume)
            refuse_ended(Path(reports) / resume)
            return {"scenarios": scenarios_of(plan.load_of(cell) for cell in plan.cells)}
        sweep = load_sweep(path)
        return {"scenarios": scenarios_of(sweep.load_of(cell).as_json() for cell in sweep.cells)}

    def do_refuse_scenarios(self, loaded, locustfiles):
        """Fail if a scenario cannot run. ``loaded`` is what each load host reported."""
        from swarmsweep.sweep.scenario_text import refuse_scenarios

        refuse_scenarios(loaded, locustfiles)
        return {}

    def do_plan(self, path, hosts, reports, colocated, manifest, seed=None, resume=None, sha256=None):
        """Make the run folder with plan.json and manifest.json, or resume a run that was interrupted.

        ``sha256`` is the hash of the sweep file when it was checked, before the hosts were changed.
        """
        from swarmsweep import estimated_seconds, load_sweep, make_plan, parse_seed, read_plan, retry_broken, write_plan
        from swarmsweep.lab.mask_secrets import storable
        from swarmsweep.plan.lab_facts import known_other_seconds
        from swarmsweep.plan.role_steps import first_pass
        from swarmsweep.results.manifest import begin_manifest, continue_manifest
        from swarmsweep.results.retry import first_steps, refuse_ended

        seed = parse_seed(seed) if seed is not None else None
        command = storable(sys.argv)
        if resume:
            run = Path(reports) / resume
            plan = read_plan(run)
            refuse_ended(run)
            continue_manifest(run, command, manifest)
            retry_broken(run)
        else:
            sweep = load_sweep(path)
            if sha256 not in (None, sweep.sha256):
                raise LabError(f"{path}: was changed after it was checked. Nothing was measured. Run the command again")
            other = known_other_seconds(reports, sweep.load.mode).seconds
            plan = make_plan(sweep, hosts, seed=seed, colocated=colocated, other_seconds=other)
            run = write_plan(plan, reports)
            begin_manifest(run, plan.seed, command, manifest)
        steps = first_steps(run)
        seconds = estimated_seconds(plan, steps)
        return {
            "run": str(run.resolve()),
            "slo": plan.slo,
            "steps": [step.as_input() for step in first_pass(run, plan, steps)],
            "seconds": seconds,
            "duration": format_seconds(seconds),
        }

    def do_retries(self, run):
        """Return the steps to be retried, after all steps of the plan had their first attempt."""
        from swarmsweep import estimated_seconds, read_plan
        from swarmsweep.plan.role_steps import second_pass
        from swarmsweep.results.retry import retry_steps

        plan, steps = read_plan(run), retry_steps(run)
        seconds = estimated_seconds(plan, steps)
        return {
            "run": run,
            "steps": [step.as_input() for step in second_pass(Path(run), plan, steps)],
            "seconds": seconds,
            "duration": format_seconds(seconds),
        }

    def do_set_aside(self, run, cell_id, attempt):
        """Keep an invalid attempt under another name."""
        from swarmsweep.results.retry import set_aside

        return {"older": str(set_aside(run, cell_id, int(attempt)))}

    def do_outcome(self, run):
        """Return a sentence on what the retries changed."""
        from swarmsweep.results.retry import outcome

        return {"outcome": outcome(run)}

    def do_lock(self, path):
        """Allow one sweep at a time. The lock belongs to ansible-playbook, the parent of this process."""
        lock.acquire(path, os.getppid())
        return {}

    def do_measure(self, run, cell_id, attempt):
        """Turn the raw files of one attempt into trial.json, and write cell.json after the last attempt."""
        from swarmsweep import measure_attempt
        from swarmsweep.plan.run_folder import attempt_dir
        from swarmsweep.raw.left_lab import left_lab
        from swarmsweep.report.progress import sentence

        row = measure_attempt(run, cell_id, int(attempt))
        left = left_lab(attempt_dir(run, cell_id, int(attempt)))
        return {"status": row.status, "sentence": sentence(row), "left_lab": left}

    def do_harness_failure(self, run, cell_id, attempt, reason):
        """Record that the bench broke, not the cell. The attempt is invalid and the sweep goes on."""
        from swarmsweep.plan.run_folder import attempt_dir

        write_json(attempt_dir(run, cell_id, int(attempt), "harness.json"), {"schema": 1, "reason": reason})
        return self.do_measure(run, cell_id, attempt)

    def do_report(self, run, reports):
        """Write summary.md, .json and .csv from all cells."""
        from swarmsweep import write_report

        return {"summary": str(write_report(run, reports))}

    def do_report_measured(self, run, reports):
        """Write the report on the measured cells of a sweep that ended early, and return a sentence about it."""
        from swarmsweep.report.salvage import report_measured

        return {"sentence": report_measured(Path(run), Path(reports))}

    def do_explain_kept(self, result, settings, summary=None):
        """Explain why the API of the inventory cannot run, and which setting helps. ``result`` is the failed task's."""
        from swarmsweep.lab.kept_api import kept_sentence

        return {"sentence": kept_sentence(result, settings, summary)}
