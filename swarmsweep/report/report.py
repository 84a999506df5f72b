"""Run folder -> summary.json, summary.csv, summary.md and plots/, from the stored files alone.

The same files give the same bytes: nothing here reads a clock, a locale or the machine.
"""

import html
import re
from pathlib import Path
from typing import Any

from swarmsweep.choose import capacity_load, fixed_load
from swarmsweep.choose.comparisons import noise_in
from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_atomically, write_json
from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.planned import Plan, PlannedCell, as_json
from swarmsweep.plan.row import NEWER_KEYS, SUMMARY_KEYS, unmeasured_cell
from swarmsweep.plan.run_folder import newest_run, read_plan
from swarmsweep.report.capacity_page import capacity_page
from swarmsweep.report.environment import environment_sections
from swarmsweep.report.ladder import PART_NAMES, Stage, stages
from swarmsweep.report.ladder_chart import factor_text, ladder_chart
from swarmsweep.report.rps_chart import rps_chart
from swarmsweep.report.summary_csv import as_csv, extra_axes
from swarmsweep.report.templating import render
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.load import is_capacity
from swarmsweep.sweep.load_text import load_sentence, other_loads
from swarmsweep.sweep.matrix import LOCUSTFILE_AXIS, MEMORY_PRICE_PER_GIB, cost
from swarmsweep.units import format_bytes, format_figure, format_memory, format_plain

SCHEMA = 1
# More attempts than this share that were invalid the first time say that the lab itself is disturbed.
MAX_RETRIED_SHARE = 0.2
# Different exception texts that the page shows of a cell; cell.json has all of them.
MAX_EXCEPTIONS = 10


def write_report(run_dir: Path | str, reports_dir: Path | str = "reports") -> Path:
    """Write the report of a run into its folder and return the path of its summary.md.

    Copies summary.md and summary.json to ``reports_dir`` when the run is the newest there. Raises `LabError` when
    the folder is no run folder or a file in it is damaged.
    """
    run_dir, reports_dir = Path(run_dir), Path(reports_dir)
    plan = read_plan(run_dir)
    cells = read_cells(run_dir, plan)
    summary = summarise(plan, cells)
    write_json(run_dir / "summary.json", summary)
    ladder, capacity = stages(plan, cells), is_capacity(plan.load)
    write_atomically(run_dir / "summary.csv", as_csv(cells, ladder, capacity))
    write_atomically(run_dir / "plots" / "rps.svg", rps_chart(cells, capacity))
    if ladder:
        write_atomically(run_dir / "plots" / "ladder.svg", ladder_chart(ladder))
    page = summary_page(run_dir, plan, cells, summary, ladder)
    write_atomically(run_dir / "summary.md", render("summary.md.j2", page | {"folder": ""}))
    if newest_run(reports_dir, default=run_dir).resolve() == run_dir.resolve():
        write_json(reports_dir / "summary.json", summary)
        write_atomically(reports_dir / "summary.md", render("summary.md.j2", page | {"folder": f"{run_dir.name}/"}))
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


def summarise(plan: Plan, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """summary.json: the plan's frame, the rows with their public keys, and the recommendation."""
    return {
        "schema": SCHEMA,
        "run_id": plan.run_id,
        "sweep": plan.sweep,
        "colocated": plan.colocated,
        "slo": plan.slo,
        "cells": [{key: cell[key] for key in SUMMARY_KEYS} for cell in cells],
        "recommendation": recommendation(plan, cells),
    }


def recommendation(plan: Plan, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """``{"cell_id": ..., "sentence": ...}`` by the mode of the load; ``cells`` are the rows of the plan's cells."""
    candidates = _candidates(plan, cells)
    if is_capacity(plan.load):
        return capacity_load.recommend(plan, candidates, noise_in(plan, cells))
    return fixed_load.recommend(candidates, plan.slo)


def summary_page(
    run_dir: Path, plan: Plan, cells: list[dict[str, Any]], summary: dict[str, Any], ladder: list[Stage]
) -> dict[str, Any]:
    """Everything that summary.md shows, as text that is already safe in Markdown."""
    axes, capacity = extra_axes(cells), is_capacity(plan.load)
    chosen = next((cell for cell in cells if cell["id"] == summary["recommendation"]["cell_id"]), None)
    return {
        "title": markdown(plan.sweep),
        "run_id": markdown(plan.run_id),
        "colocated": summary["colocated"],
        "sentence": _sentence(summary["recommendation"]),
        "notes": [markdown(note) for note in _notes(plan, cells, chosen)],
        "capacity": _capacity_page(plan, cells, chosen) if capacity else None,
        "slo": markdown(slo_of.describe(plan.slo)),
        "load": markdown(load_sentence(as_json(plan))),
        "other_loads": other_loads(as_json(plan)),
        "ladder_header": _ladder_header(),
        "ladder": [_ladder_row(stage) for stage in ladder],
        "unsplit": _unsplit(cells) if ladder else [],
        "memory_price": MEMORY_PRICE_PER_GIB,
        "header": _header(axes, capacity),
        "rows": [_row(cell, axes, cell is chosen, capacity) for cell in cells],
        "lower_bounds": any(cell["lower_bounds"] for cell in cells),
        "exceptions": [_exceptions(cell) for cell in cells if cell["exceptions"]],
        "bottlenecks": [_bottleneck(cell) for cell in cells if cell["bottleneck"]],
        "failed_checks": _failed_checks(cells),
        "retries": _retries(cells),
        "doubts": _doubts(cells),
        "logs": [_log(cell) for cell in cells if cell["log_tail"]],
        "setting": environment_sections(run_dir, plan),
        "unmeasured": sum(cell["status"] is None for cell in cells),
    }


def _capacity_page(plan: Plan, cells: list[dict[str, Any]], chosen: dict[str, Any] | None) -> dict[str, Any]:
    others = _candidates(plan, cells)
    return capacity_page(plan, cells, others, chosen, noise_in(plan, cells))


def _sentence(recommendation: dict[str, Any]) -> str:
    text, name = markdown(recommendation["sentence"]), markdown(recommendation["cell_id"] or "")
    return text.replace(name, f"**{name}**", 1) if name else text


def _notes(plan: Plan, cells: list[dict[str, Any]], chosen: dict[str, Any] | None) -> list[str]:
    candidates = _candidates(plan, cells)
    if is_capacity(plan.load):
        notes = _capacity_notes(plan, cells, candidates)
    else:
        notes = fixed_load.sensitivity(candidates, plan.slo)
    if beside := len(cells) - len(candidates):
        notes.append(
            f"{beside} of {len(cells)} cells ask something else than {plan.load['locustfile']}: they are there to "
            "compare with, and cannot be chosen."
        )
    if chosen and (headroom := fixed_load.memory_headroom(chosen)):
        notes.append(headroom)
    if any(cell["trials"] == 1 for cell in cells):
        notes.append(
            "Each cell was deployed and loaded once, so how much the figures vary between deployments is not known; "
            "set repeat to 3 or more in the sweep file before you rely on a small difference."
        )
    again, steps = sum(len(cell["retries"]) for cell in cells), len(plan.steps)
    if steps and again / steps > MAX_RETRIED_SHARE:
        notes.append(
            f"{again} of {steps} attempts were invalid and had to be made again, more than "
            f"{100 * MAX_RETRIED_SHARE:.0f} %: something disturbs this lab. Find it before you rely on the "
            "figures; the reasons are below."
        )
    return notes


def _capacity_notes(plan: Plan, cells: list[dict[str, Any]], candidates: list[dict[str, Any]]) -> list[str]:
    notes = capacity_load.sensitivity(plan, candidates)
    if any(plan.load_of(cell).get("profile") == "smoke" for cell in plan.cells):
        notes.append(
            "The profile smoke shows that everything works; its searches are too short for a figure to build on. Take "
            "the profile standard for that."
        )
    if noise_in(plan, cells).controlled is False:
        notes.append(
            "One configuration under two names came out as two that differ: the noise of this run is not controlled, "
            "and nothing in it is called better."
        )
    return notes


def _candidates(plan: Plan, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells that can be recommended: an endpoint that does nothing is faster, but no way to predict."""
    usual = plan.load["locustfile"]
    same = [cell for cell in cells if cell["config"].get(LOCUSTFILE_AXIS, usual) == usual]
    return same or cells


def _ladder_header() -> list[str]:
    return [
        "stage",
        "what changed",
        "RPS",
        "p95 ms",
        "factor",
        "ms inside",
        *(f"{n} %" for n in PART_NAMES.values()),
        "status",
    ]


def _ladder_row(stage: Stage) -> list[str]:
    return [
        markdown(stage.name),
        MISSING if stage.changed is None else markdown(stage.changed),
        _figure(stage.rps),
        _figure(stage.p95_ms),
        _figure(stage.factor, factor_text),
        _figure(stage.mean_ms),
        *(_figure(stage.shares_percent[part], "{:.0f}".format) for part in PART_NAMES),
        markdown(_status({"status": stage.status, "reason": stage.reason})),
    ]


def _unsplit(cells: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Valid cells that do not say where the time of a request goes, and why."""
    unknown = [cell for cell in cells if cell["status"] == "valid" and cell["request_parts"] is None]
    reason = "its API counts no requests at /metrics"
    return [{"id": cell["id"], "reason": markdown(cell["metrics_problem"] or reason)} for cell in unknown]


def _header(axes: list[str], capacity: bool) -> list[str]:
    first = ["", "replicas", "memory", "CPU", "workers", *map(markdown, axes), "cost"]
    first.append("capacity RPS" if capacity else "users")
    figures = ["RPS", "mean ms", "p50 ms", "p95 ms", "p99 ms", "failures %", "failed tasks %"]
    return [*first, *figures, "CPU used", "throttled %", "peak memory", "meets SLO", "status"]


def _row(cell: dict[str, Any], axes: list[str], chosen: bool, capacity: bool) -> list[str]:
    config, api = cell["config"], cell["api"]
    return [
        "**→**" if chosen else "",
        str(config["replicas"]),
        format_memory(config["memory_bytes"]),
        format_plain(config["cpus"]),
        str(config["workers"]),
        *(markdown(config[axis]) if axis in config else MISSING for axis in axes),
        f"{cost(config):.2f}",
        _figure(cell["capacity_rps"]) if capacity else _figure(cell["users"], str),
        _rps(cell),
        *(_latency(cell, name) for name in ("mean", "p50", "p95", "p99")),
        _figure(cell["failure_percent"]),
        _figure(cell["failed_task_percent"]),
        _figure(api["cpu_cores"]),
        _figure(api["throttled_percent"]),
        _figure(api["memory_peak_bytes"], format_bytes),
        {True: "yes", False: "no", None: MISSING}[cell["meets_slo"]],
        markdown(_status(cell)),
    ]


def _latency(cell: dict[str, Any], name: str) -> str:
    """A latency in ms; '>= ' stands before a lower bound."""
    return (">= " if name in cell["lower_bounds"] else "") + _figure(cell["latency_ms"][name])


def _rps(cell: dict[str, Any]) -> str:
    spread = cell["rps_range"]
    return _figure(cell["rps"]) + (f" ({_figure(spread[0])} to {_figure(spread[1])})" if spread else "")


def _status(cell: dict[str, Any]) -> str:
    if cell["status"] is None:
        return cell["reason"]
    twin = f" (twin of {cell['twin_of']})" if cell.get("twin_of") else ""
    return f"{cell['status']}{twin}: {cell['reason']}" if cell["reason"] else f"{cell['status']}{twin}"


def _figure(value: Any, form=format_figure) -> str:
    return MISSING if value is None else form(value)


def _exceptions(cell: dict[str, Any]) -> dict[str, Any]:
    """What the tasks of a cell raised, the most frequent text first."""
    texts = sorted(cell["exceptions"].items(), key=lambda entry: (-entry[1], entry[0]))
    shown = [{"text": markdown(text), "count": count} for text, count in texts[:MAX_EXCEPTIONS]]
    return {
        "id": cell["id"],
        "raised": cell["task_exceptions"],
        "failed_percent": _figure(cell["failed_task_percent"]),
        "texts": shown,
        "other_texts": len(texts) - len(shown),
    }


def _bottleneck(cell: dict[str, Any]) -> dict[str, str]:
    return {
        "id": cell["id"],
        "word": cell["bottleneck"].replace("_", " "),
        "evidence": markdown(cell["bottleneck_evidence"] or "no evidence was stored"),
    }


def _failed_checks(cells: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Checks that failed or could not be made, said once for each cell and attempt."""
    found = []
    for cell in cells:
        if cell["status"] == "infeasible":
            continue
        for check in cell["checks"]:
            if check["passed"] is True or (check["passed"] is None and cell["status"] == "failed"):
                continue
            verdict = "not checked" if check["passed"] is None else "doubt" if check["warning"] else "failed"
            entry = {
                "verdict": verdict,
                "name": check["name"].replace("_", " "),
                "sentence": markdown(check["sentence"]),
            }
            found.append({"id": cell["id"], "attempt": str(check["attempt"]), **entry})
    return found


def _retries(cells: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Attempts that were invalid and made again, and why; the second one is the one that counts."""
    return [
        {
            "id": cell["id"],
            "attempt": str(retry["attempt"]),
            "reason": markdown(retry["reason"] or "no reason was stored"),
        }
        for cell in cells
        for retry in cell["retries"]
    ]


def _doubts(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Doubts of the plan, each with the cells that share it."""
    shared: dict[str, list[str]] = {}
    for cell in cells:
        for doubt in cell["doubts"]:
            shared.setdefault(doubt, []).append(cell["id"])
    return [{"text": markdown(doubt), "ids": ids} for doubt, ids in shared.items()]


def _log(cell: dict[str, Any]) -> dict[str, Any]:
    """The last log lines of a dead replica, for a <pre> element; terminal colours and other controls are dropped."""
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(line)) for line in cell["log_tail"]]
    clean = [re.sub(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]", " ", line)[:500] for line in lines]
    return {"id": cell["id"], "status": cell["status"], "lines": [html.escape(line, quote=False) for line in clean]}
