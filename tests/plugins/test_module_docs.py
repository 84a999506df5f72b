"""What `ansible-doc` shows of each module is what the module takes, fragments of documentation included."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))


@pytest.fixture(scope="module")
def documented() -> dict[str, Any]:
    """The documented options of every module, as Ansible reads them."""
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "--type", "module", *MODULES]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return {name: found["doc"]["options"] for name, found in json.loads(done.stdout).items()}


class BegunError(Exception):
    """A module has named its options."""


def taken(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options that a module takes. It ends before it reads any."""
    spec = importlib.util.spec_from_file_location(f"documented_{name}", ROOT / f"plugins/modules/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def begin(argument_spec: dict[str, Any], **_: Any) -> None:
        raise BegunError(argument_spec)

    monkeypatch.setattr(module, "AnsibleModule", begin)
    with pytest.raises(BegunError) as begun:
        module.main()
    return begun.value.args[0]


def shape(options: dict[str, Any]) -> dict[str, Any]:
    """Name, type, default and options within, of each option."""
    return {
        name: (
            option.get("type", "str"),
            option.get("required", False),
            option.get("default"),
            shape(option.get("suboptions") or option.get("options") or {}),
        )
        for name, option in options.items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_the_documented_options_are_those_of_the_module(documented, name, monkeypatch):
    assert shape(documented[name]) == shape(taken(name, monkeypatch))
