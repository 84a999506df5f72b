"""Ansible action: the steps of a sweep that need no host, each a call into the swarmsweep package.

Arguments: do (check, check_folder, refuse_scenarios, lock, lock_holder, refuse_settings, plan, retries, set_aside,
outcome, measure, harness_failure, report, report_measured, show_check, explain_kept, page, page_order, page_text) and
what that step needs. See the methods.

check reads the sweep file, once in a sweep. plan gets what check returned, however the file has changed since.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from pathlib import Path

from hostlink.steps import StepsAction
from swarmsweep.files import write_json
from swarmsweep.lab import lock
from swarmsweep.lab.lock_holder import holder_of
from swarmsweep.units import format_seconds

# A step imports its modules itself. Each step runs in its own process, which would import all of them again.
# The reader of sweep files (pydantic) and that of raw files (numpy) take 0.5 to 1.5 s, and no step needs both.

# The folder of ./lab, from which relative paths of the inventory begin.
ROOT = Path(__file__).parents[2]


def images_of(configs):
    """Return the images that cells name, each once."""
    return list(dict.fromkeys(config["image"] for config in configs if config.get("image")))


class ActionModule(StepsAction):
    """Checks, plans, judges and reports a sweep, by the package swarmsweep."""

    def do_check(
        self,
        path=None,
        reports=None,
        resume=None,
        locustfiles=None,
        seed=None,
        workers_env=None,
        one_user=False,
        only=None,
        max_minutes=None,
        baseline=None,
        prices=None,
        inventories=None,
        api_secrets=None,
    ):
        """Check what a sweep is about to do, before anything is changed: a new sweep, or a run to resume.

        Without ``resume``, the sweep file is read and checked, and returned as data for the plan. With it, the run has
        its plan: a sweep file is read only where ``path`` names one, to compare it. ``scenarios`` is what each load
        host must load once before a deployment, and ``images`` what each API host must have. ``differences`` are those
        of the sweep file that change only the judgement of a resumed run. ``workers_env`` is the setting
        lab_api_workers_env. ``one_user``: only the first cell is deployed, and one user loads it. ``baseline`` has the
        settings of the inventory's configuration by their names, and ``prices`` is the setting lab_prices. They are
        returned as data for the plan. ``inventories`` are the paths of the inventory, for messages. ``only`` and
        ``max_minutes`` are the part that is measured, see swarmsweep.plan.part. ``api_secrets`` is the setting
        lab_api_secrets, whose files a load may use too.
        """
        from swarmsweep import parse_seed
        from swarmsweep.lab.inventory_files import inventory_of
        from swarmsweep.lab.prices import read_prices
        from swarmsweep.plan.part import parse_part
        from swarmsweep.sweep.scenarios import check_folder

        seed = parse_seed(seed) if seed is not None else None
        inventory = inventory_of(inventories)
        accepted = read_prices(prices, inventory)
        # The preflight names a setting of another type.
        api_secrets = api_secrets if isinstance(api_secrets, dict) else {}
        if resume is None:
            found = self._new_sweep(path, one_user, baseline, workers_env, inventory, api_secrets)
        else:
            found = self._begun_run(reports, resume, path, seed, accepted, api_secrets)
        parse_part(only, max_minutes, found.pop("ids"))
        if workers_env is not None:
            self._refuse_idle_axis(found["sweep"], workers_env)
        # A sweep file elsewhere may have other scenarios beside it, or none. Only those of `locustfiles` are copied.
        if locustfiles is not None:
            check_folder(locustfiles)
        return found | {"prices": None if accepted is None else accepted.as_json()}

    def do_check_folder(self, locustfiles):
        """Refuse a folder of scenarios that cannot be copied to the load hosts."""
        from swarmsweep.sweep.scenario_packages import packages_hash
        from swarmsweep.sweep.scenarios import check_folder

        check_folder(locustfiles)
        packages_hash(locustfiles)
        return {}

    def _new_sweep(self, path, one_user, baseline, workers_env, inventory, api_secrets):
        from msgspec import to_builtins

        from swarmsweep import load_sweep
        from swarmsweep.plan.baseline import baseline_of
        from swarmsweep.sweep.checked import checked, to_data
        from swarmsweep.sweep.load_secrets import secret_files
        from swarmsweep.sweep.matrix import axes_of
        from swarmsweep.sweep.one_user import one_user_on_first_cell

        loaded = load_sweep(path)
        sweep = to_data(checked(one_user_on_first_cell(loaded) if one_user else loaded))
        images = images_of(sweep["cells"])
        secrets = to_builtins(secret_files(sweep["load"].get("secrets"), path, api_secrets, ROOT))
        scenarios = sweep["scenarios"]
        cell = None
        if loaded.takes_baseline and not one_user:
            cell = baseline_of(baseline or {}, workers_env, loaded.cells[0].workers, inventory)
        return {
            "sweep": sweep,
            "scenarios": scenarios,
            "images": images,
            "secrets": secrets,
            "differences": [],
            "baseline": None if cell is None else axes_of(cell),
            "ids": [one.id for one in (*loaded.cells, cell) if one is not None],
        }

    def _refuse_idle_axis(self, sweep, workers_env):
        from swarmsweep.plan.workers_setting import refuse_idle_axis

        # A run to resume has its plan, which was accepted when it began.
        if sweep is not None:
            refuse_idle_axis(workers_env, sweep["cells"], sweep["path"])

    def _begun_run(self, reports, resume, path, seed, prices, api_secrets):
        from msgspec import to_builtins

        from swarmsweep import read_plan
        from swarmsweep.plan.run_folder import run_to_resume
        from swarmsweep.results import identity
        from swarmsweep.results.retry import refuse_ended
        from swarmsweep.sweep.load_secrets import secret_files
        from swarmsweep.sweep.scenarios import scenarios_of

        run = run_to_resume(reports, resume)
        plan = read_plan(run)
        refuse_ended(run)
        figures, judgement = identity.seed_differences(plan, seed), []
        if path is not None:
            from swarmsweep import load_sweep
            from swarmsweep.sweep.checked import checked

            figures, judgement = identity.sweep_differences(plan, checked(load_sweep(path)), seed)
        judgement += identity.price_differences(plan, prices)
        identity.refuse(run, plan, figures)
        return {
            "sweep": None,
            "baseline": None,
            "scenarios": to_builtins(scenarios_of(plan.load_of(cell) for cell in plan.cells)),
            "images": images_of(cell.config for cell in plan.cells),
            "secrets": to_builtins(secret_files(plan.load.get("secrets"), plan.sweep_file or "", api_secrets, ROOT)),
            "differences": to_builtins(judgement),
            "ids": [cell.id for cell in plan.cells],
        }

    def do_refuse_scenarios(self, loaded, locustfiles, packages):
        """Fail if a scenario cannot run. ``loaded`` is what each load host reported.

        ``packages`` is the output of each load host about the packages of locustfiles/requirements.txt. The result has
        their versions by name.
        """
        from swarmsweep.sweep.scenario_packages import common_packages
        from swarmsweep.sweep.scenario_text import refuse_scenarios

        versions = common_packages(packages)
        refuse_scenarios(loaded, locustfiles)
        return {"packages": versions}

    def do_plan(
        self,
        hosts,
        reports,
        colocated,
        manifest,
        environment,
        environment_key,
        hidden=None,
        sweep=None,
        seed=None,
        resume=None,
        differences=(),
        proxy_connections=None,
        only=None,
        max_minutes=None,
        baseline=None,
        prices=None,
        inventories=None,
    ):
        """Make the run folder with plan.json and manifest.json, or resume a run that was interrupted.

        ``sweep``, ``baseline``, ``prices`` and ``differences`` are what check returned. ``manifest`` has what all cells
        of a run must share, and
        ``environment`` is that of the API. ``environment_key`` is the file of the key by which two are compared.
        ``proxy_connections`` is what HAProxy accepts.
        ``hidden`` are settings that the manifest keeps in the same way, by their names. ``only`` and ``max_minutes``
        are the part that is measured. ``inventories`` are as in check.
        ``deadline_seconds`` of the result is on the monotonic clock of this machine.
        """
        from msgspec import convert

        from swarmsweep import estimated_seconds, make_plan, parse_seed, read_plan, retry_broken, write_plan
        from swarmsweep.lab.inventory_files import inventory_of
        from swarmsweep.lab.keyed_environment import keyed_environment
        from swarmsweep.lab.mask_secrets import storable
        from swarmsweep.lab.prices import prices_from_json
        from swarmsweep.lab.proxy_connections import refuse_too_many_users
        from swarmsweep.plan.lab_facts import known_other_seconds
        from swarmsweep.plan.part import parse_part, refuse_too_short, steps_in_time, write_part
        from swarmsweep.plan.role_steps import first_pass
        from swarmsweep.plan.run_folder import incomplete_cells, run_to_resume
        from swarmsweep.results import identity
        from swarmsweep.results.manifest import begin_manifest, continue_manifest, read_manifest
        from swarmsweep.results.retry import first_steps, refuse_ended
        from swarmsweep.sweep.checked import from_data
        from swarmsweep.sweep.matrix import cell_from_axes

        seed = parse_seed(seed) if seed is not None else None
        command = storable(sys.argv)
        manifest = manifest | {
            "environment": keyed_environment(environment, environment_key),
            "hidden": keyed_environment(hidden or {}, environment_key),
        }
        if resume is not None:
            run = run_to_resume(reports, resume)
            plan = read_plan(run)
            refuse_ended(run)
            # It needs no load, so it is done even if the lab has changed and the run cannot go on.
            if incomplete_cells(run):
                from swarmsweep.results.measure import complete_cells

                complete_cells(run)
            part = parse_part(only, max_minutes, [cell.id for cell in plan.cells])
            identity.refuse(run, plan, identity.lab_differences(plan, read_manifest(run), hosts, manifest))
            refuse_too_short(plan, [step for step in first_steps(run) if part.selects(step.cell_id)], part)
            continue_manifest(run, command, convert(differences, list[identity.Difference]))
            retry_broken(run)
        else:
            checked = from_data(sweep).sweep()
            loads = [checked.load_of(cell).as_json() for cell in checked.cells]
            refuse_too_many_users(loads, proxy_connections, hosts, inventory_of(inventories))
            other = known_other_seconds(reports, checked.load.mode).seconds
            plan = make_plan(
                checked,
                hosts,
                seed=seed,
                colocated=colocated,
                other_seconds=other,
                baseline=None if baseline is None else cell_from_axes(baseline),
                prices=prices_from_json(prices),
            )
            part = parse_part(only, max_minutes, [cell.id for cell in plan.cells])
            refuse_too_short(plan, [step for step in plan.steps if part.selects(step.cell_id)], part)
            run = write_plan(plan, reports)
            begin_manifest(run, plan.seed, command, manifest, inventories=inventories or (), reports=reports)
        write_part(run, part)
        steps = [step for step in first_steps(run) if part.selects(step.cell_id)]
        in_time = steps_in_time(plan, steps, part.max_seconds)
        seconds = estimated_seconds(plan, in_time)
        return {
            "run": str(run.resolve()),
            "slo": plan.slo,
            "steps": [step.as_input() for step in first_pass(run, plan, steps, part)],
            "attempts": f"{len(in_time)} of {len(steps)} in time" if len(in_time) < len(steps) else str(len(steps)),
            "seconds": seconds,
            "duration": format_seconds(seconds),
            "deadline_seconds": None if part.max_minutes is None else time.monotonic() + part.max_seconds,
        }

    def do_refuse_settings(self, reports, resume, api):
        """Refuse to resume a run with other settings of HAProxy, before HAProxy gets these. The plan compares all."""
        from swarmsweep import read_plan
        from swarmsweep.plan.run_folder import run_to_resume
        from swarmsweep.results import identity
        from swarmsweep.results.manifest import read_manifest

        run = run_to_resume(reports, resume)
        plan, stored = read_plan(run), read_manifest(run).get("api")
        known = {name: stored[name] for name in api if isinstance(stored, dict) and name in stored}
        now = {name: value for name, value in api.items() if name in known}
        identity.refuse(run, plan, identity.lab_differences(plan, {"api": known}, plan.hosts, {"api": now}))
        return {}

    def do_retries(self, run, deadline_seconds=None):
        """Return the steps to be retried, after all steps of the plan had their first attempt.

        ``deadline_seconds`` is what plan returned. Each step is returned, because whether it begins is decided when its
        turn comes. ``announced`` has those that would end in time, as a sentence.
        """
        from swarmsweep import estimated_seconds, read_plan
        from swarmsweep.plan.part import read_part, retry_sentence, steps_in_time
        from swarmsweep.plan.role_steps import second_pass
        from swarmsweep.results.retry import retry_steps

        plan, part = read_plan(run), read_part(run)
        steps = [step for step in retry_steps(run) if part.selects(step.cell_id)]
        deadline = float(deadline_seconds or 0)
        left_seconds = deadline - time.monotonic() if deadline else math.inf
        in_time = steps_in_time(plan, steps, left_seconds)
        seconds = estimated_seconds(plan, in_time)
        return {
            "run": run,
            "steps": [step.as_input() for step in second_pass(Path(run), plan, steps)],
            "seconds": seconds,
            "announced": retry_sentence(part, len(steps), len(in_time), format_seconds(seconds)),
        }

    def do_set_aside(self, run, cell_id, attempt):
        """Keep an invalid attempt under another name."""
        from swarmsweep.results.retry import set_aside

        return {"older": str(set_aside(run, cell_id, int(attempt)))}

    def do_outcome(self, run):
        """Note whether the minutes of the command were over, and return what the retries changed, and what is left."""
        from swarmsweep.plan.part import WHOLE, read_part
        from swarmsweep.results.retry import note_minutes_over, outcome

        note_minutes_over(run)
        if read_part(run) != WHOLE:
            from swarmsweep.results.measure import measure_started_cells

            measure_started_cells(run)
        return {"outcome": outcome(run)}

    def do_lock(self, path, run=None):
        """Allow one command at a time in this clone. The lock is that of ansible-playbook, the parent process."""
        lock.acquire(path, holder_of(os.getppid(), sys.argv, ROOT, time.time(), run))
        return {}

    def do_lock_holder(self, path):
        """Find the command of this clone that measures or changes the lab. Its process is None without one."""
        return {"process": lock.holder(path)}

    def do_measure(self, run, cell_id, attempt, one_user=False):
        """Turn the raw files of one attempt into trial.json, and write cell.json after the last attempt.

        ``left_out`` are the cells that would fail as the last two did. ``one_user``: the attempt is that of a check, so
        the sentence has no judgement of a load.
        """
        from swarmsweep import measure_attempt, read_plan
        from swarmsweep.plan.run_folder import attempt_dir
        from swarmsweep.raw.left_lab import left_lab
        from swarmsweep.report.check_text import check_sentence
        from swarmsweep.report.progress import sentence
        from swarmsweep.results.shared_failure import unmeasured_reasons

        row = measure_attempt(run, cell_id, int(attempt))
        left = left_lab(attempt_dir(run, cell_id, int(attempt)))
        plan = read_plan(run)
        left_out = list(unmeasured_reasons(run, plan))
        words = check_sentence(row) if one_user else sentence(row, plan.limits)
        return {
            "status": row.status,
            "sentence": words,
            "one_user": bool(one_user),
            "left_lab": left,
            "left_out": left_out,
        }

    def do_harness_failure(self, run, cell_id, attempt, reason, one_user=False):
        """Record that the bench broke, not the cell. The attempt is invalid and the sweep goes on."""
        from swarmsweep.plan.run_folder import attempt_dir

        write_json(attempt_dir(run, cell_id, int(attempt), "harness.json"), {"schema": 1, "reason": reason})
        return self.do_measure(run, cell_id, attempt, one_user)

    def do_report(self, run, reports):
        """Write summary.md, .json and .csv from all cells."""
        from swarmsweep.report.report import report_lines, write_report

        summary = write_report(run, reports)
        return {"summary": str(summary), "lines": report_lines(summary)}

    def do_report_measured(self, run, reports):
        """Write the report on the measured cells of a sweep that ended early, and return a sentence about it."""
        from swarmsweep.report.salvage import report_measured

        return {"sentence": report_measured(Path(run), Path(reports))}

    def do_show_check(self, run, ready_limit_seconds, sweep=None, inventories=None):
        """Return what a check saw, what looks wrong, whether the cell was deployed, and the command of the sweep.

        ``inventories`` are as in check.
        """
        from swarmsweep.lab.lab_command import commands_like
        from swarmsweep.report.check_text import check_text

        commands = commands_like(sys.argv, inventories)
        text = check_text(Path(run), float(ready_limit_seconds), commands)
        following = commands.noted_sweep(shlex.quote(str(sweep)) if sweep else "")
        return {"lines": text.lines, "problems": text.problems, "deployed": text.deployed, "next": following}

    def do_explain_kept(self, result, settings, inventories, summary=None):
        """Explain why the API of the inventory cannot run, and which setting helps. ``result`` is the failed task's."""
        from swarmsweep.lab.inventory_files import inventory_of
        from swarmsweep.lab.kept_api import kept_sentence

        return {"sentence": kept_sentence(result, settings, summary, inventory_of(inventories))}

    def do_page(self, locustfiles, source=None, workers=None, minutes=None, api_secrets=None):
        """Read what Locust's page will load: a sweep file, whose first cell has the load, or a locustfile.

        Without ``source``, ``load`` is null. Then the page that runs decides, see `do_page_order`.
        """
        from swarmsweep.sweep import by_hand

        given = {
            "workers": by_hand.check_number(workers, "--workers", by_hand.MAX_WORKERS),
            "minutes": by_hand.check_number(minutes, "--minutes", by_hand.MAX_MINUTES),
        }
        if source is None:
            return given | {"load": None, "scenario": None, "secrets": []}
        return given | self._load_by_hand(source, locustfiles, api_secrets)

    def do_page_order(self, wanted, pages, default, locustfiles, api_secrets=None):
        """Decide whether a page begins or workers join one, and return what is loaded.

        ``wanted`` is what `do_page` returned. ``pages`` is what runs on each load host, in order. ``default`` is the
        sweep file of a page that begins without a file. It is not read where workers join.
        """
        from msgspec import convert, to_builtins

        from swarmsweep.sweep import by_hand

        loaded, is_named = wanted, wanted["load"] is not None
        if not is_named and (page := by_hand.running_page(pages)) is not None:
            found = by_hand.load_of_page(page)
            loaded = {"load": to_builtins(found), "scenario": to_builtins(found.scenario()), "secrets": []}
        elif not is_named:
            loaded = self._load_by_hand(default, locustfiles, api_secrets)
        load = convert(loaded["load"], by_hand.LoadByHand)
        order = by_hand.decide(load, pages, is_named=is_named, workers=wanted["workers"], minutes=wanted["minutes"])
        return to_builtins(order) | {name: loaded[name] for name in ("load", "scenario", "secrets")}

    def _load_by_hand(self, source, locustfiles, api_secrets):
        from msgspec import to_builtins

        from swarmsweep import load_sweep
        from swarmsweep.sweep import by_hand
        from swarmsweep.sweep.load_secrets import secret_files

        if str(source).endswith(".py"):
            load, secrets = by_hand.load_of_locustfile(str(source), locustfiles), []
        else:
            sweep = load_sweep(source)
            load = sweep.load_of(sweep.cells[0])
            known = api_secrets if isinstance(api_secrets, dict) else {}
            secrets = secret_files(load.as_json().get("secrets"), source, known, ROOT)
        found = by_hand.by_hand(load, str(source))
        return {
            "load": to_builtins(found),
            "scenario": to_builtins(found.scenario()),
            "secrets": to_builtins(secrets),
        }

    def do_page_text(self, host, address, port, page, workers, connection):
        """Return the lines that say how to open the page."""
        from swarmsweep.lab.page_text import page_lines

        return {"lines": page_lines(host, address, int(port), page, int(workers), connection)}
