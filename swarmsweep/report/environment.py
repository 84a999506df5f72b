"""The environment of a run: the plan's facts and manifest.json as sections of summary.md."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.files import parse_json, read_text
from swarmsweep.lab.mask_secrets import restorable
from swarmsweep.markdown import MISSING, code, markdown
from swarmsweep.plan.planned import Host, Plan
from swarmsweep.report.own_image import of_own_image
from swarmsweep.units import counted, format_bytes, format_seconds

_NO_MANIFEST = "manifest.json is missing, so versions and digests were not recorded"


class Section(Struct, frozen=True):
    """One section, with a line for each item."""

    title: str
    items: list[str]


def environment_sections(run_dir: Path, plan: Plan, order: dict[str, str]) -> list[Section]:
    """The plan's facts, then the sections of manifest.json, whatever it contains: text that is safe in Markdown.

    ``order`` is the order of the steps, a title and a text for each line.
    """
    facts = {
        "sweep file": f"{plan.sweep_file}, sha256 {plan.sweep_sha256}",
        "seed of the order": plan.seed,
        "planned at": plan.created_at,
        **order,
        "expected duration": format_seconds(plan.estimate_seconds.total),
    }
    for group, hosts in plan.hosts.items():
        facts[f"hosts of group {group}"] = "; ".join(_host(host) for host in hosts) or None
    sections = [Section("plan", _flatten(facts))]
    path = run_dir / "manifest.json"
    if not path.exists():
        return [*sections, Section("manifest", [_NO_MANIFEST])]
    try:
        manifest = parse_json(read_text(path), path.name)
    except LabError as error:
        # The figures do not depend on it.
        return [*sections, Section("manifest", [markdown(f"{error}; versions and digests are not shown")])]
    for name, value in of_own_image(manifest, plan).items():
        if name in OMITTED:
            continue
        items = SHOWN[name](value) if name in SHOWN else _flatten(value)
        sections.append(Section(markdown(name.replace("_", " ")), items))
    return sections


def _host(host: Host) -> str:
    parts = [str(host.get("name", "?"))]
    if host.get("cpus") is not None:
        parts.append(counted(host["cpus"], "CPU"))
    if host.get("memory_bytes") is not None:
        parts.append(format_bytes(host["memory_bytes"]))
    system = " ".join(str(host[key]) for key in ("os_id", "os_version") if host.get(key))
    kernel = f"Linux {host['kernel']}" if host.get("kernel") else ""
    cgroups = f"cgroup v{host['cgroup_version']}" if host.get("cgroup_version") else ""
    swap = f"swap {format_bytes(host['swap_bytes'])}" if host.get("swap_bytes") else ""
    about = [text for text in (system, kernel, cgroups, str(host.get("cpu_model") or ""), swap) if text]
    return " ".join(parts) + (f" ({', '.join(about)})" if about else "")


def _commands(lines: Any) -> list[str]:
    """The commands as typed, to copy. Manifests of earlier versions contain more than a page may show."""
    return [code(restorable(line)) for line in lines] if isinstance(lines, list) else _flatten(lines)


def _environment(stored: Any) -> list[str]:
    """The names of the variables of the API. The keyed hashes of their values say nothing to a reader."""
    values = stored.get("values") if isinstance(stored, dict) else None
    return [markdown(name) for name in values] if isinstance(values, dict) else []


def _resumed(stored: Any) -> list[str]:
    """When the run was resumed. The differences are above, as notes."""
    entries = stored if isinstance(stored, list) else []
    return [markdown(entry.get("at")) for entry in entries if isinstance(entry, dict)]


def _flatten(value: Any, path: str = "") -> list[str]:
    """Nested JSON -> 'path: value' lines, each safe in Markdown. The entries of a list are counted from 1."""
    if isinstance(value, dict):
        return [line for key, entry in value.items() for line in _flatten(entry, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and any(isinstance(entry, (dict, list)) for entry in value):
        return [line for i, entry in enumerate(value, start=1) for line in _flatten(entry, f"{path} {i}".strip())]
    if isinstance(value, list) and not path:
        return [markdown(entry) for entry in value]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if value is None or not text.strip():
        text = MISSING if value is None else "(empty)"
    return [f"{markdown(path)}: {markdown(text)}" if path else markdown(text)]


# Sections of the manifest that are not shown as they are stored.
SHOWN = {"commands": _commands, "environment": _environment, "resumed": _resumed}
# Keyed hashes of settings that are in the section "api" too, which only serve to compare. And what commands of the page
# already have.
OMITTED = frozenset({"hidden", "inventories", "reports"})
