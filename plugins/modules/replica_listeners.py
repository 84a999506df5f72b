#!/usr/bin/python
"""Ansible module: find replicas on this host that listen, but not where HAProxy connects to."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.other_hosts import watch
from ansible.module_utils.swarm_engine import HarnessError, run_docker

DOCUMENTATION = r"""
module: replica_listeners
short_description: Find replicas on this host that listen only where HAProxy does not connect to
description:
  - Reads the listening ports of containers on this host from the kernel. It is run on API hosts other than the manager,
    while a deployment is waited for, because the manager cannot read the ports there.
  - Returns at once unless a container listens only on another port or address. Then it looks again until
    I(settled_seconds) are over.
  - Containers that are not on this host are left out. The module changes nothing.
requirements:
  - python >= 3.9
  - docker CLI >= 20.10
options:
  containers:
    description: Ids of the containers to look for.
    type: list
    elements: str
    required: true
  port:
    description: Port of the API in its container (C(lab_api_port)).
    type: int
    required: true
  settled_seconds:
    description: A container must listen elsewhere for this time.
    type: float
    default: 10
author:
  - swarmsweep
"""

EXAMPLES = r"""
- name: Read what listens in the replicas on this host
  replica_listeners:
    containers: "{{ api_stack_deployment.deploy.unread }}"
    port: 8000
"""

RETURN = r"""
elsewhere:
  description: For each container that listens elsewhere, the text by its id.
  type: dict
  returned: always
  sample: {4b825dc642cb: "listens on 5000; lab_api_port is 8000"}
"""

PROCESSES = "{{.Id}} {{.State.Pid}}"


def find_processes(containers: list[str]) -> dict[str, int]:
    """Return the first process of each container that runs on this host. Raises HarnessError if Docker hangs."""
    # The exit code is 1 if one of them is missing. The others are printed nevertheless.
    out = run_docker("container", "inspect", "--format", PROCESSES, "--", *containers).stdout
    pairs = (line.split() for line in out.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit() and pair[1] != "0"}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "containers": {"type": "list", "elements": "str", "required": True},
            "port": {"type": "int", "required": True},
            "settled_seconds": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        processes = find_processes(params["containers"]) if params["containers"] else {}
    except HarnessError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, elsewhere=watch(processes, params["port"], params["settled_seconds"]))


if __name__ == "__main__":
    main()
