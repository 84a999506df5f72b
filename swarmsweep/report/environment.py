"""What was run where: the plan's facts and manifest.json as sections of summary.md."""

from pathlib import Path
from typing import Any

from swarmsweep.files import read_json
from swarmsweep.lab.mask_secrets import restorable
from swarmsweep.markdown import MISSING, code, markdown
from swarmsweep.plan.planned import Plan, Step
from swarmsweep.sweep.load import is_capacity
from swarmsweep.units import format_bytes, format_plain, format_seconds

_NO_MANIFEST = "manifest.json is missing: versions and digests were not recorded"


def environment_sections(run_dir: Path, plan: Plan) -> list[dict[str, Any]]:
    """The plan's facts, then every section of manifest.json, whatever it holds: text that is safe in Markdown."""
    facts = {
        "sweep file": f"{plan.sweep_file}, sha256 {plan.sweep_sha256}",
        "seed of the order": plan.seed,
        "planned at": plan.created_at,
        **_order(plan),
        "expected duration": format_seconds(plan.estimate_seconds.total),
    }
    for group, hosts in plan.hosts.items():
        facts[f"hosts of group {group}"] = "; ".join(_host(host) for host in hosts)
    sections = [{"title": "plan", "items": _flatten(facts)}]
    path = run_dir / "manifest.json"
    if not path.exists():
        return [*sections, {"title": "manifest", "items": [_NO_MANIFEST]}]
    for name, value in read_json(path).items():
        items = _commands(value) if name == "commands" and isinstance(value, list) else _flatten(value)
        sections.append({"title": markdown(name), "items": items})
    return sections


def _order(plan: Plan) -> dict[str, str]:
    """The steps in the order in which they were made; in capacity mode by block, each with the seed of its load."""
    if not is_capacity(plan.load):
        return {"order of the trials": ", ".join(_step(step, plan.repeat) for step in plan.steps)}
    blocks: dict[int, list[str]] = {}
    for step in plan.steps:
        seeded = step.cell_id if step.seed is None else f"{step.cell_id} (seed {step.seed})"
        blocks.setdefault(step.attempt if step.block is None else step.block, []).append(seeded)
    return {f"block {number} of {len(blocks)}": ", ".join(steps) for number, steps in blocks.items()}


def _step(step: Step, repeat: int) -> str:
    return step.cell_id if repeat == 1 else f"{step.cell_id} (attempt {step.attempt})"


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


def _commands(lines: list[Any]) -> list[str]:
    """What was typed, to copy. Manifests of earlier versions hold more than a page may show."""
    return [code(restorable(line)) for line in lines]


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
