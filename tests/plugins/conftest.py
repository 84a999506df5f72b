"""Lets the tests import our module_utils under the name that Ansible gives them on the hosts."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils

ansible.module_utils.__path__.append(str(Path(__file__).parents[2] / "plugins" / "module_utils"))
