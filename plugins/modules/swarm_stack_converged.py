#!/usr/bin/python
"""Ansible module: wait until all services of a Swarm stack run."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.other_hosts import ARGUMENTS as OTHER_HOSTS
from ansible.module_utils.other_hosts import OtherHosts
from ansible.module_utils.ready_check import ARGUMENT as READY_CHECK
from ansible.module_utils.ready_check import ReadyCheck
from ansible.module_utils.swarm_engine import HIDDEN, HarnessError, connect, hide_in_logs
from ansible.module_utils.swarm_stack import Serving, wait_for_stack

DOCUMENTATION = r"""
module: swarm_stack_converged
short_description: Wait until all services of a Swarm stack run, and keep running
description:
  - C(docker stack deploy) returns before anything runs. This module waits until no roll-out is running, and every
    service has had all replicas of its present specification running for I(stable_seconds) without interruption.
  - It fails at the deadline. It fails at once if a node rejects a task permanently, or if Swarm has rolled an update
    back. The message has the error of the task and the end of its log. The module changes nothing. Nothing is done in
    check mode.
requirements:
  - python >= 3.9
  - Docker SDK for Python >= 5.0.3 (Debian and Ubuntu package python3-docker)
options:
  stack_name:
    description: Name of the stack.
    type: str
    required: true
  services:
    description:
      - Number of replicas that services must have, by service name with or without the stack's prefix. Each service
        must exist.
      - Services that are not named must have the replicas of their own specification.
    type: dict
    default: {}
  stable_seconds:
    description: Seconds for which everything must run without interruption.
    type: float
    default: 2
  timeout_seconds:
    description: Seconds until the stack must have converged.
    type: float
    default: 300
  log_lines:
    description: Last lines of the log of a task that failed, in the message.
    type: int
    default: 40
  most_deaths:
    description:
      - Number of times that one replica may end outside a roll-out before the module fails. It also fails after one
        OOM kill. With 0, it waits for the deadline.
    type: int
    default: 0
  servers_up:
    description: Number of servers of HAProxy's backend that must have passed a health check, too.
    type: int
  haproxy_socket:
    description: Path of HAProxy's statistics socket on this host, for I(servers_up).
    type: path
  docker_url:
    description: Address of the Docker daemon.
    type: str
    default: unix:///var/run/docker.sock
extends_documentation_fragment:
  - ready_check
  - hidden_secrets
author:
  - swarmsweep
"""

EXAMPLES = r"""
- name: Wait for the platform
  swarm_stack_converged:
    stack_name: lab
    services:
      proxy: 1
      mlflow: 1
      postgres: 1
"""

RETURN = r"""
services:
  description:
    - State of each service. When the module fails, also C(reason_code) (C(oom), C(crash), C(rejected), C(not_ready) or
      null) and C(reason) of those that do not run.
  type: list
  elements: dict
  returned: always
  sample:
    - {name: lab_proxy, wanted: 1, running: 1, error: null}
undecided:
  description:
    - The wait stopped so that other API hosts say what listens in their replicas. Run C(replica_listeners) there with
      C(unread), then this module again, with this value as I(resumed).
  type: dict
  returned: when other hosts must be asked
  sample: {unread: [4b825dc642cb], asked: 1, started_at: 1795347900.1}
"""

ARGUMENTS = {
    "stack_name": {"type": "str", "required": True},
    "services": {"type": "dict", "default": {}},
    "stable_seconds": {"type": "float", "default": 2},
    "timeout_seconds": {"type": "float", "default": 300},
    "log_lines": {"type": "int", "default": 40},
    "most_deaths": {"type": "int", "default": 0},
    "servers_up": {"type": "int"},
    "haproxy_socket": {"type": "path"},
    "haproxy_backend": {"type": "str", "default": "api"},
    "ready_check": READY_CHECK,
    "settled_seconds": {"type": "float", "default": 10},
    "hidden": HIDDEN,
    "docker_url": {"type": "str", "default": "unix:///var/run/docker.sock"},
} | OTHER_HOSTS


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_by={"servers_up": ("haproxy_socket", "ready_check")}, supports_check_mode=True
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, services=[])
    hide_in_logs(params["hidden"])
    try:
        wanted = {name: int(count) for name, count in params["services"].items()}
    except (TypeError, ValueError) as error:
        module.fail_json(msg=f"services must map names to whole numbers: {error}")
    serving = None
    if params["servers_up"] is not None:
        begun = params["resumed"]
        others = OtherHosts(
            params["settled_seconds"], params["has_other_hosts"], begun.get("asked", 0), params["elsewhere"]
        )
        serving = Serving(
            params["haproxy_socket"],
            params["haproxy_backend"],
            params["servers_up"],
            ReadyCheck(**params["ready_check"]),
            params["settled_seconds"],
            others,
        )
    started_at = params["resumed"].get("started_at", time.time())
    try:
        problem, services = wait_for_stack(
            connect(params["docker_url"]),
            params["stack_name"],
            wanted,
            params["stable_seconds"],
            params["timeout_seconds"],
            params["log_lines"],
            params["most_deaths"],
            serving,
            started_at,
        )
    except HarnessError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot inspect the stack {params['stack_name']}: {error}")
    if serving is not None and serving.others.is_due:
        question = serving.others.question() | {"started_at": started_at}
        module.exit_json(changed=False, services=services, undecided=question)
    if problem:
        module.fail_json(msg=problem, services=services)
    module.exit_json(changed=False, services=services)


if __name__ == "__main__":
    main()
