"""Run folder -> summary.json, summary.csv, summary.md and plots/rps.svg, from the stored files alone.

The same files give the same bytes: nothing here reads a clock, a locale or the machine.
"""

import csv
import html
import io
import re
from pathlib import Path
from typing import Any

from swarmsweep import choose
from swarmsweep import slo as slo_of
from swarmsweep.cell import SUMMARY_KEYS, unmeasured_cell
from swarmsweep.chart import rps_chart
from swarmsweep.errors import InputError, LabError
from swarmsweep.files import read_json, write_atomically, write_json
from swarmsweep.plan import RUN_ID, read_plan
from swarmsweep.templating import render
from swarmsweep.units import format_bytes, format_figure, format_memory, format_plain, format_seconds

SCHEMA = 1
MISSING = "\N{EN DASH}"  # a figure that was not measured; never 0
_NO_MANIFEST = "manifest.json is missing: versions and digests were not recorded"
_CORE = ("replicas", "cpus", "memory_bytes", "workers")


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
    write_atomically(run_dir / "summary.csv", as_csv(cells))
    write_atomically(run_dir / "plots" / "rps.svg", rps_chart(cells))
    page = summary_page(run_dir, plan, cells, summary)
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
    row = read_json(path)
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
        "recommendation": choose.recommend(cells, plan["slo"]),
    }


def extra_axes(cells: list[dict[str, Any]]) -> list[str]:
    """Names of all axes beside the four that every cell has, sorted."""
    return sorted({axis for cell in cells for axis in cell["config"] if axis not in _CORE})


def as_csv(cells: list[dict[str, Any]]) -> str:
    """One line per cell; an empty field was not measured. Text cannot be taken for a formula by a spreadsheet."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    rows = [_flat(cell, extra_axes(cells)) for cell in cells]
    writer.writerow(rows[0] if rows else [])
    writer.writerows([_csv_field(value) for value in row.values()] for row in rows)
    return stream.getvalue()


def _flat(cell: dict[str, Any], axes: list[str]) -> dict[str, Any]:
    keys = ("users", "trials", "requests", "failures", "failure_percent", "rps")
    return (
        {"id": cell["id"], "status": cell["status"], "reason": cell["reason"]}
        | {axis: cell["config"].get(axis) for axis in (*_CORE, *axes)}
        | {"cost": round(choose.cost(cell["config"]), 6)}
        | {key: cell[key] for key in keys}
        | {f"{name}_ms": value for name, value in cell["latency_ms"].items()}
        | {"meets_slo": cell["meets_slo"], "capacity_rps": cell["capacity_rps"]}
        | {f"api_{name}": value for name, value in cell["api"].items()}
        | {f"load_{name}": value for name, value in cell["load"].items()}
        | {"bottleneck": cell["bottleneck"]}
    )


def _csv_field(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = one_line(value)
        return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
    return value


def one_line(text: str) -> str:
    """Text on one line without control characters, as logs and reasons may hold."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).split())


def markdown(text: Any) -> str:
    """Text that Markdown shows as it is: no table column, no tag, no link comes of it."""
    escaped = html.escape(one_line(str(text)), quote=False)
    return re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", escaped)


def summary_page(
    run_dir: Path, plan: dict[str, Any], cells: list[dict[str, Any]], summary: dict[str, Any]
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
        "load": markdown(_load_sentence(plan)),
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
    notes = choose.sensitivity(cells, plan["slo"])
    if chosen and (headroom := choose.memory_headroom(chosen)):
        notes.append(headroom)
    if any(cell["trials"] == 1 for cell in cells):
        notes.append(
            "Each cell was deployed and loaded once, so how much the figures vary between deployments is not known; "
            "set repeat to 3 or more in the sweep file before you rely on a small difference."
        )
    return notes


def _load_sentence(plan: dict[str, Any]) -> str:
    load = plan["load"]
    low, high = load["wait_seconds"]
    think = f"{format_plain(low)} to {format_plain(high)} s of think time" if high else "no think time"
    return (
        f"{load['users']} users ({format_plain(load['spawn_rate'])} started per second) with {think}, "
        f"{format_plain(load['warmup_seconds'])} s of warm-up thrown away, "
        f"{format_plain(load['measure_seconds'])} s measured, "
        f"{load['workers']} Locust worker(s), scenario {load['locustfile']}, trials per cell: {plan['repeat']}"
    )


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
