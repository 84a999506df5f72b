"""Run folder -> summary.json, summary.csv, summary.md and plots/, from the stored files alone.

The same files give the same bytes: nothing here reads a clock, a locale or the machine.
"""

import html
import re
from pathlib import Path
from typing import Any

from swarmsweep import choose
from swarmsweep import slo as slo_of
from swarmsweep.cell import NEWER_KEYS, SUMMARY_KEYS, unmeasured_cell
from swarmsweep.chart import rps_chart
from swarmsweep.errors import InputError, LabError
from swarmsweep.files import read_json, write_atomically, write_json
from swarmsweep.ladder import PART_NAMES, Stage, stages
from swarmsweep.ladder_chart import factor_text, ladder_chart
from swarmsweep.load_words import load_sentence, other_loads
from swarmsweep.markdown import MISSING, markdown
from swarmsweep.matrix import LOCUSTFILE_AXIS
from swarmsweep.plan import RUN_ID, read_plan
from swarmsweep.summary_csv import as_csv, extra_axes
from swarmsweep.templating import render
from swarmsweep.units import format_bytes, format_figure, format_memory, format_plain, format_seconds

SCHEMA = 1
_NO_MANIFEST = "manifest.json is missing: versions and digests were not recorded"


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
    ladder = stages(plan, cells)
    write_atomically(run_dir / "summary.csv", as_csv(cells, ladder))
    write_atomically(run_dir / "plots" / "rps.svg", rps_chart(cells))
    if ladder:
        write_atomically(run_dir / "plots" / "ladder.svg", ladder_chart(ladder))
    page = summary_page(run_dir, plan, cells, summary, ladder)
    write_atomically(run_dir / "summary.md", render("summary.md.j2", page | {"folder": ""}))
    if newest_run(reports_dir, default=run_dir).resolve() == run_dir.resolve():
        write_json(reports_dir / "summary.json", summary)
        write_atomically(reports_dir / "summary.md", render("summary.md.j2", page | {"folder": f"{run_dir.name}/"}))
    return run_dir / "summary.md"


def newest_run(reports_dir: Path | str, default: Path | None = None) -> Path:
    """The run folder with the latest run id that has a plan. Raises `InputError` when there is none and no default."""
    folder = Path(reports_dir)
    runs = sorted(path.parent for path in folder.glob("*/plan.json") if RUN_ID.fullmatch(path.parent.name))
    if runs:
        return runs[-1]
    if default is None:
        raise InputError(f"{folder}: holds no run yet; make one with: ansible-playbook sweep.yml")
    return default


def read_cells(run_dir: Path, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of all planned cells in the order of the plan; a cell without cell.json is not measured yet."""
    return [_read_cell(run_dir / "cells" / cell["id"] / "cell.json", cell) for cell in plan["cells"]]


def _read_cell(path: Path, cell: dict[str, Any]) -> dict[str, Any]:
    if not path.exists():
        return unmeasured_cell(cell)
    row = dict.fromkeys(NEWER_KEYS) | read_json(path)
    expected = unmeasured_cell(cell)
    if row.get("id") != cell["id"] or row.get("config") != cell["config"] or any(key not in row for key in expected):
        again = f"python -m swarmsweep report --remeasure {path.parents[2]}"
        raise LabError(
            f"{path}: does not fit cell {cell['id']} of plan.json; make it again from the raw files: {again}"
        )
    return row


def summarise(plan: dict[str, Any], cells: list[dict[str, Any]]) -> dict[str, Any]:
    """summary.json: the plan's frame, the rows with their public keys, and the recommendation."""
    return {
        "schema": SCHEMA,
        "run_id": plan["run_id"],
        "sweep": plan["sweep"],
        "colocated": bool(plan.get("colocated")),
        "slo": plan["slo"],
        "cells": [{key: cell[key] for key in SUMMARY_KEYS} for cell in cells],
        "recommendation": choose.recommend(_candidates(plan, cells), plan["slo"]),
    }


def summary_page(
    run_dir: Path, plan: dict[str, Any], cells: list[dict[str, Any]], summary: dict[str, Any], ladder: list[Stage]
) -> dict[str, Any]:
    """Everything that summary.md shows, as text that is already safe in Markdown."""
    axes = extra_axes(cells)
    chosen = next((cell for cell in cells if cell["id"] == summary["recommendation"]["cell_id"]), None)
    return {
        "title": markdown(plan["sweep"]),
        "run_id": markdown(plan["run_id"]),
        "colocated": summary["colocated"],
        "sentence": _sentence(summary["recommendation"]),
        "notes": [markdown(note) for note in _notes(plan, cells, chosen)],
        "slo": markdown(slo_of.describe(plan["slo"])),
        "load": markdown(load_sentence(plan)),
        "other_loads": other_loads(plan),
        "ladder_header": _ladder_header(),
        "ladder": [_ladder_row(stage) for stage in ladder],
        "unsplit": _unsplit(cells) if ladder else [],
        "memory_price": choose.MEMORY_PRICE_PER_GIB,
        "header": _header(axes),
        "rows": [_row(cell, axes, cell is chosen) for cell in cells],
        "bottlenecks": [_bottleneck(cell) for cell in cells if cell["bottleneck"]],
        "failed_checks": _failed_checks(cells),
        "doubts": _doubts(cells),
        "logs": [_log(cell) for cell in cells if cell["log_tail"]],
        "setting": _setting(run_dir, plan),
        "unmeasured": sum(cell["status"] is None for cell in cells),
    }


def _sentence(recommendation: dict[str, Any]) -> str:
    text, name = markdown(recommendation["sentence"]), markdown(recommendation["cell_id"] or "")
    return text.replace(name, f"**{name}**", 1) if name else text


def _notes(plan: dict[str, Any], cells: list[dict[str, Any]], chosen: dict[str, Any] | None) -> list[str]:
    notes = choose.sensitivity(_candidates(plan, cells), plan["slo"])
    if beside := len(cells) - len(_candidates(plan, cells)):
        notes.append(
            f"{beside} of {len(cells)} cells ask something else than {plan['load']['locustfile']}: they are there to "
            "compare with, and cannot be chosen."
        )
    if chosen and (headroom := choose.memory_headroom(chosen)):
        notes.append(headroom)
    if any(cell["trials"] == 1 for cell in cells):
        notes.append(
            "Each cell was deployed and loaded once, so how much the figures vary between deployments is not known; "
            "set repeat to 3 or more in the sweep file before you rely on a small difference."
        )
    return notes


def _candidates(plan: dict[str, Any], cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells that can be recommended: an endpoint that does nothing is faster, but no way to predict."""
    usual = plan["load"]["locustfile"]
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


def _header(axes: list[str]) -> list[str]:
    first = ["", "replicas", "memory", "CPU", "workers", *map(markdown, axes), "cost", "users"]
    figures = ["RPS", "mean ms", "p50 ms", "p95 ms", "p99 ms", "failures %", "CPU used", "throttled %", "peak memory"]
    return [*first, *figures, "meets SLO", "status"]


def _row(cell: dict[str, Any], axes: list[str], chosen: bool) -> list[str]:
    config, latency, api = cell["config"], cell["latency_ms"], cell["api"]
    return [
        "**→**" if chosen else "",
        str(config["replicas"]),
        format_memory(config["memory_bytes"]),
        format_plain(config["cpus"]),
        str(config["workers"]),
        *(markdown(config[axis]) if axis in config else MISSING for axis in axes),
        f"{choose.cost(config):.2f}",
        _figure(cell["users"], str),
        _rps(cell),
        *(_figure(latency[name]) for name in ("mean", "p50", "p95", "p99")),
        _figure(cell["failure_percent"]),
        _figure(api["cpu_cores"]),
        _figure(api["throttled_percent"]),
        _figure(api["memory_peak_bytes"], format_bytes),
        {True: "yes", False: "no", None: MISSING}[cell["meets_slo"]],
        markdown(_status(cell)),
    ]


def _rps(cell: dict[str, Any]) -> str:
    spread = cell["rps_range"]
    return _figure(cell["rps"]) + (f" ({_figure(spread[0])} to {_figure(spread[1])})" if spread else "")


def _status(cell: dict[str, Any]) -> str:
    if cell["status"] is None:
        return cell["reason"]
    return f"{cell['status']}: {cell['reason']}" if cell["reason"] else cell["status"]


def _figure(value: Any, form=format_figure) -> str:
    return MISSING if value is None else form(value)


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


def _setting(run_dir: Path, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What was run where: the plan's facts, then every section of manifest.json, whatever it holds."""
    facts = {
        "sweep file": f"{plan.get('sweep_file')}, sha256 {plan.get('sweep_sha256')}",
        "seed of the order": plan.get("seed"),
        "planned at": plan.get("created_at"),
        "order of the trials": ", ".join(_step(step, plan["repeat"]) for step in plan["steps"]),
        "expected duration": format_seconds((plan.get("estimate_seconds") or {}).get("total", 0)),
    }
    for group, hosts in (plan.get("hosts") or {}).items():
        facts[f"hosts of group {group}"] = "; ".join(_host(host) for host in hosts)
    sections = [{"title": "plan", "items": _flatten(facts)}]
    path = run_dir / "manifest.json"
    if not path.exists():
        return [*sections, {"title": "manifest", "items": [_NO_MANIFEST]}]
    for name, value in read_json(path).items():
        sections.append({"title": markdown(name), "items": _flatten(value)})
    return sections


def _step(step: dict[str, Any], repeat: int) -> str:
    return step["cell_id"] if repeat == 1 else f"{step['cell_id']} (attempt {step['attempt']})"


def _host(host: dict[str, Any]) -> str:
    parts = [str(host.get("name", "?"))]
    if host.get("cpus") is not None:
        parts.append(f"{format_plain(host['cpus'])} CPU{'' if host['cpus'] == 1 else 's'}")
    if host.get("memory_bytes") is not None:
        parts.append(format_bytes(host["memory_bytes"]))
    system = " ".join(str(host[key]) for key in ("os_id", "os_version") if host.get(key))
    kernel = f"Linux {host['kernel']}" if host.get("kernel") else ""
    cgroups = f"cgroup v{host['cgroup_version']}" if host.get("cgroup_version") else ""
    swap = f"swap {format_bytes(host['swap_bytes'])}" if host.get("swap_bytes") else ""
    about = [text for text in (system, kernel, cgroups, str(host.get("cpu_model") or ""), swap) if text]
    return " ".join(parts) + (f" ({', '.join(about)})" if about else "")


def _flatten(value: Any, path: str = "") -> list[str]:
    """Nested JSON -> 'path: value' lines, each safe in Markdown."""
    if isinstance(value, dict):
        return [line for key, entry in value.items() for line in _flatten(entry, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and any(isinstance(entry, (dict, list)) for entry in value):
        return [line for i, entry in enumerate(value) for line in _flatten(entry, f"{path}[{i}]")]
    if isinstance(value, list) and not path:
        return [markdown(entry) for entry in value]
    text = ", ".join(map(str, value)) if isinstance(value, list) else MISSING if value is None else str(value)
    return [f"{markdown(path)}: {markdown(text)}" if path else markdown(text)]
