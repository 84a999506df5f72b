#!/usr/bin/python
"""Ansible module: look up which version of the model is the champion."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.model_registry import RegistryError, look_up

DOCUMENTATION = r"""
module: lab_champion
short_description: Report which version of the model is the champion
description:
  - Sends a request to the lab's own MLflow, in its container on this manager. It changes nothing, and does the same
    in check mode.
options:
  lab_name: {description: Name of the lab., type: str, required: true}
  wait_seconds: {description: How long MLflow, which may just have been started, may take., type: float, default: 60}
author: [swarmsweep]
"""

EXAMPLES = r"""
- lab_champion:
    lab_name: lab
  register: champion
"""

RETURN = r"""
version:
  description: The version behind the alias, or an empty text when nothing was trained yet.
  type: str
  returned: always
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "lab_name": {"type": "str", "required": True},
            "wait_seconds": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        champion = look_up(module, module.params["lab_name"], module.params["wait_seconds"])
    except RegistryError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, version=champion["version"] if champion else "")


if __name__ == "__main__":
    main()
