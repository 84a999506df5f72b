#!/usr/bin/python
"""Ansible module: find replicas on this host that listen where HAProxy does not connect to, or that were killed."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.other_hosts import watch
from ansible.module_utils.swarm_engine import HarnessError, run_docker

DOCUMENTATION = r"""
module: replica_listeners
short_description: Find replicas on this host that listen only where HAProxy does not connect to, or were killed
description:
  - Reads the listening ports of containers on this host from the kernel. It is run on API hosts other than the manager,
    while a deployment is waited for, because the manager cannot read the ports there.
  - Returns at once unless a container listens only on another port or address. Then it looks again until
    I(settled_seconds) are over.
  - It also says which of the containers ended because the kernel killed them for memory.
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
killed:
  description: Ids of the containers that ended and that the kernel had killed for memory.
  type: list
  elements: str
  returned: always
"""

STATES = "{{.Id}} {{.State.Pid}} {{.State.OOMKilled}}"


def find_states(containers: list[str]) -> tuple[dict[str, int], list[str]]:
    """Return the first process of each container that runs on this host, and those that were killed for memory.

    Raises HarnessError if Docker hangs.
    """
    # The exit code is 1 if one of them is missing. The others are printed nevertheless.
    out = run_docker("container", "inspect", "--format", STATES, "--", *containers).stdout
    rows = [row for line in out.splitlines() if len(row := line.split()) == 3 and row[1].isdigit()]
    killed = [container for container, pid, is_killed in rows if pid == "0" and is_killed == "true"]
    return {container: int(pid) for container, pid, _ in rows if pid != "0"}, killed


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
        processes, killed = find_states(params["containers"]) if params["containers"] else ({}, [])
    except HarnessError as error:
        module.fail_json(msg=str(error))
    found = watch(processes, params["port"], params["settled_seconds"])
    module.exit_json(changed=False, elsewhere=found, killed=killed)


if __name__ == "__main__":
    main()
