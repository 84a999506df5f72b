"""All shell code of the repository as it runs: scripts, rendered templates, Dockerfiles, tasks and units."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

ROOT = Path(__file__).parents[1]
# Templates that are scripts, and the names that they are rendered with beside their role's defaults.
TWO_HOSTS = {
    "hostvars": {"api": {"ansible_host": "198.18.0.11"}, "load": {"ansible_host": "198.18.0.12"}, "load2": {}},
    "locust_host_api_hosts": ["api"],
    "locust_host_load_hosts": ["load", "load2"],
    "locust_host_proxy_port": 8080,
}
TEMPLATES = {
    "roles/locust_host/templates/firewall.sh.j2": TWO_HOSTS,
    "roles/virtual_lab/templates/writable-cgroups.j2": {},
}
# Replaces what is known only on the hosts: a word without quotes, because those values are checked for it.
WORD = "word"


@dataclass(frozen=True)
class Shell:
    """One text for a shell (``sh`` or ``bash``). ``where``: file, and the task or place in it."""

    where: str
    shell: str
    text: str


def scripts(files: list[Path]) -> Iterator[Shell]:
    """Files that begin with ``#!`` and a shell, and templates of such files, rendered."""
    for path in files:
        first, _, _ = path.read_text(encoding="utf-8", errors="replace").partition("\n")
        if not (found := re.match(r"#!.*\b(ba)?sh\b", first)):
            continue
        name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if path.suffix == ".j2":
            defaults = yaml.safe_load((path.parents[1] / "defaults/main.yml").read_text(encoding="utf-8"))
            environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
            text = environment.from_string(text).render(defaults | TEMPLATES[name])
        yield Shell(name, "bash" if found[1] else "sh", text)


def dockerfiles(files: list[Path]) -> Iterator[Shell]:
    """Return what each RUN of a Dockerfile passes to /bin/sh."""
    for path in files:
        if not path.name.startswith("Dockerfile"):
            continue
        text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for number, run in enumerate(re.findall(r"^RUN ((?:.*\\\n)*.*)$", text, re.MULTILINE), 1):
            yield Shell(
                f"{path.relative_to(ROOT)}, RUN {number}", "sh", re.sub(r"^(--mount=\S+\s+(\\\n\s*)?)+", "", run)
            )


def units(files: list[Path]) -> Iterator[Shell]:
    """Return what the units of systemd pass to ``/bin/sh -c``."""
    for path in files:
        if ".service" in path.name:
            lines = re.findall(r"^Exec\w+=-?/bin/sh -c '(.*)'$", path.read_text(encoding="utf-8"), re.MULTILINE)
            for number, line in enumerate(lines, 1):
                yield Shell(f"{path.relative_to(ROOT)}, sh -c {number}", "sh", fill(line, {}))


def tasks(files: list[Path]) -> Iterator[Shell]:
    """Return what Ansible's tasks pass to a shell. Text variables of the role are replaced, as when it runs."""
    for path in files:
        if path.suffix != ".yml" or not {"tasks", "handlers", "playbooks"} & set(path.relative_to(ROOT).parts):
            continue
        constants = path.parents[1] / "vars/main.yml"
        known = yaml.safe_load(constants.read_text(encoding="utf-8")) if constants.exists() else {}
        for task in _mappings(yaml.safe_load(path.read_text(encoding="utf-8"))):
            call = task.get("ansible.builtin.shell")
            if call is None:
                continue
            options = (call if isinstance(call, dict) else {"cmd": call}) | task.get("args", {})
            shell = Path(options.get("executable", "/bin/sh")).name
            yield Shell(f"{path.relative_to(ROOT)}: {task['name']}", shell, fill(options["cmd"], known))


def fill(text: str, known: dict[str, Any]) -> str:
    """Return a text with its templates replaced: by known text, else by a word. Raw blocks stay as they are."""

    def replace(found: re.Match) -> str:
        if found[1] is not None:
            return found[1]
        value = known.get(found[2].strip())
        return fill(value, {}) if isinstance(value, str) else WORD

    templates = r"\{% raw %\}(.*?)\{% endraw %\}|\{\{(.*?)\}\}"
    return textwrap.dedent(re.sub(templates, replace, text, flags=re.DOTALL))


def _mappings(node: Any) -> Iterator[dict]:
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _mappings(value)
