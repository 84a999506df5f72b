#!/usr/bin/python
"""Ansible module: deploy one measured Swarm service freshly and wait until it serves."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.haproxy_stats import HaproxyError, show_stat
from ansible.module_utils.lab_files import write_json, write_text
from ansible.module_utils.lab_secrets import mask_stack
from ansible.module_utils.other_hosts import ARGUMENTS as OTHER_HOSTS
from ansible.module_utils.other_hosts import OtherHosts
from ansible.module_utils.ready_check import ARGUMENT as READY_CHECK
from ansible.module_utils.ready_check import ReadyCheck
from ansible.module_utils.swarm_engine import HIDDEN, HarnessError, connect, hide_in_logs
from ansible.module_utils.swarm_service import Deployment, deploy, resume

DOCUMENTATION = r"""
module: swarm_service_ready
short_description: Deploy one measured Swarm service afresh and wait until it serves
description:
  - Removes the stack, waits until no old replica uses CPU, and deploys the stack file. Then it waits until every
    replica runs, and exactly that many servers of the HAProxy backend have passed a health check. Then it compares
    the running containers with the required limits, image and environment.
  - The module reads the ports of replicas on this host alone. With I(has_other_hosts), it stops when HAProxy cannot
    connect to a replica on another host for I(settled_seconds), so that this host can be asked.
  - A configuration that cannot run is a result, not a failure of the module. Then C(status) is C(failed), and
    C(reason_code) says why. The module fails only if the bench is broken. This is so if Docker or HAProxy does not
    respond, the stack file is missing, or the host is not a manager.
  - Runs on a Swarm manager that also runs HAProxy. Nothing is done in check mode.
requirements:
  - python >= 3.9
  - Docker SDK for Python >= 5.0.3 (Debian and Ubuntu package python3-docker)
  - docker CLI >= 20.10
options:
  stack_name:
    description: Name of the stack. It is removed first, with all that belongs to it.
    type: str
    required: true
  service_name:
    description: Full name of the measured service, C(<stack>_<service>).
    type: str
    required: true
  compose_path:
    description: Absolute path of the rendered stack file on this host.
    type: path
    required: true
  compose:
    description:
      - Content of the stack file, which is written to I(compose_path) first. If it is empty, the file is used as it
        is.
      - After the deployment the secrets in that file are masked, because it becomes part of the report.
    type: str
    default: ""
  replicas:
    description: Number of replicas in the stack file.
    type: int
    required: true
  nano_cpus:
    description: CPU limit of one replica in billionths of a core. 0 means no limit.
    type: int
    required: true
  memory_bytes:
    description: Memory limit of one replica in bytes. 0 means no limit.
    type: int
    required: true
  workers_env:
    description: Environment variables to compare in the running containers, and to store. The values must be strings.
    type: dict
    default: {}
  image:
    description:
      - Image from which the containers must have been started. Names are compared as Docker reads them, so
        C(own-api) is C(docker.io/library/own-api:latest). Digests are compared if both names have one.
    type: str
    required: true
  timeout_seconds:
    description: Seconds from the deployment until all replicas must serve.
    type: float
    default: 120
  remove_timeout_seconds:
    description: Seconds within which the old replicas must end. It must be more than C(stop_grace_period) of the
      stack file.
    type: float
    default: 60
  haproxy_socket:
    description:
      - Path of HAProxy's statistics socket on this host. With C(level admin), the servers of the removed replicas are
        taken out at once. With a lower level, their health checks must fail first.
    type: path
    required: true
  ready_check:
    required: true
  log_lines:
    description: Last lines of the log of the replica that failed.
    type: int
    default: 40
  haproxy_stat_path:
    description: HAProxy's C(show stat) is written to this file once all replicas serve.
    type: path
  output_path:
    description: The record is written to this file (deploy.json), complete or not at all.
    type: path
    required: true
  inspect_path:
    description: The C(docker inspect) documents of the replicas are written to this file, secrets masked.
    type: path
  proxy_service:
    description: Full name of the service of HAProxy. With I(has_other_hosts), the time of a connection from its
      network to each replica is measured, if one is on another host.
    type: str
    default: ""
  nodes:
    description: Names of the API hosts by the ids of their nodes. The record then has these names.
    type: dict
    default: {}
  killed_elsewhere:
    description: Ids of the containers that the kernel killed for memory on other hosts, as C(replica_listeners)
      returns them. It is asked about a replica there that ended with exit code 137.
    type: list
    elements: str
    default: []
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
- name: Deploy the cell
  swarm_service_ready:
    stack_name: bench
    service_name: bench_api
    compose_path: /var/lib/swarmsweep/cell/stack.yml
    replicas: 2
    nano_cpus: 500000000
    memory_bytes: 629145600
    workers_env:
      API_WORKERS: "2"
    image: swarmsweep/api:1f0c9b2
    haproxy_socket: /run/swarmsweep/haproxy.sock
    ready_check: {port: 8000, path: /ready, host: api}
    output_path: /var/lib/swarmsweep/cell/deploy.json
    inspect_path: /var/lib/swarmsweep/cell/inspect.json
  register: bench_cell_deployment
"""

RETURN = r"""
status:
  description:
    - C(ready), C(failed) or C(undecided). The last one means that other API hosts must say what listens in their
      replicas. Run C(replica_listeners) there, then this module again, with I(resumed) and I(elsewhere).
  type: str
  returned: always
reason_code:
  description: C(oom), C(crash), C(rejected), C(not_ready), C(mismatch), C(host_lost), or null when ready.
  type: str
  returned: always
reason:
  description: The reason in words, or null when ready.
  type: str
  returned: always
deploy:
  description: The whole record, as written to I(output_path).
  type: dict
  returned: always
  sample:
    schema: 1
    status: ready
    reason: null
    reason_code: null
    cause: null
    started_at: 1795347900.1
    ready_at: 1795347904.3
    ready_seconds: 4.2
    remove_seconds: 2.4
    haproxy_up: 1
    hop_problem: null
    restarts: 0
    log_tail: []
    containers:
      - id: 4b825dc642cb6eb9a060e54bf8d69288fbee49040d1d8f1a5c0e7d1c2b3a4958
        task_id: 0kl2m3qhx1ky3nr0b1hs2p8zq
        slot: 1
        node: lab-api
        nano_cpus: 500000000
        memory_bytes: 629145600
        image: swarmsweep/api:1f0c9b2
        env: {API_WORKERS: "2"}
        inspected: true
"""

ARGUMENTS = {
    "stack_name": {"type": "str", "required": True},
    "service_name": {"type": "str", "required": True},
    "compose_path": {"type": "path", "required": True},
    # The journal of the host has the arguments of a module, and the environment of an API may have a password.
    "compose": {"type": "str", "default": "", "no_log": True},
    "replicas": {"type": "int", "required": True},
    "nano_cpus": {"type": "int", "required": True},
    "memory_bytes": {"type": "int", "required": True},
    "workers_env": {"type": "dict", "default": {}},
    "image": {"type": "str", "required": True},
    "timeout_seconds": {"type": "float", "default": 120},
    "remove_timeout_seconds": {"type": "float", "default": 60},
    "haproxy_socket": {"type": "path", "required": True},
    "haproxy_backend": {"type": "str", "default": "api"},
    "haproxy_stat_path": {"type": "path"},
    "ready_check": READY_CHECK | {"required": True},
    "settled_seconds": {"type": "float", "default": 10},
    "log_lines": {"type": "int", "default": 40},
    "output_path": {"type": "path", "required": True},
    "inspect_path": {"type": "path"},
    "proxy_service": {"type": "str", "default": ""},
    "nodes": {"type": "dict", "default": {}},
    "killed_elsewhere": {"type": "list", "elements": "str", "default": []},
    "hidden": HIDDEN,
    "docker_url": {"type": "str", "default": "unix:///var/run/docker.sock"},
} | OTHER_HOSTS


def read_request(params: dict) -> Deployment:
    """Return the wanted deployment. Raises HarnessError for invalid values."""
    if params["replicas"] < 1:
        raise HarnessError(f"replicas is {params['replicas']}: at least 1 is needed")
    if not params["service_name"].startswith(params["stack_name"] + "_"):
        raise HarnessError(
            f"service_name is {params['service_name']!r}: a service of this stack is named {params['stack_name']}_..."
        )
    environment = {name: str(value) for name, value in params["workers_env"].items()}
    names = set(Deployment.__dataclass_fields__) - {"environment", "ready_check"}
    check = ReadyCheck(**params["ready_check"])
    return Deployment(environment=environment, ready_check=check, **{name: params[name] for name in names})


def run(params: dict, request: Deployment) -> tuple[dict, list[dict]]:
    """Deploy and wait, or go on with a wait that other hosts were asked about."""
    api, begun = connect(params["docker_url"]), params["resumed"]
    others = OtherHosts(
        params["settled_seconds"],
        params["has_other_hosts"],
        begun.get("asked", 0),
        params["elsewhere"],
        params["killed_elsewhere"],
    )
    return resume(api, request, begun, others) if begun else deploy(api, request, others)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, status=None, reason=None, reason_code=None, deploy=None)
    hide_in_logs(module.params["hidden"])
    try:
        request = read_request(module.params)
        if module.params["compose"]:
            write_text(request.compose_path, module.params["compose"])
        try:
            record, documents = run(module.params, request)
        finally:
            # Docker has read the file. What stays is gathered into the report.
            if module.params["compose"]:
                write_text(request.compose_path, mask_stack(module.params["compose"]))
        # Its last record has all of it.
        if record["status"] == "undecided":
            module.exit_json(changed=True, status="undecided", reason=None, reason_code=None, deploy=record)
        write_json(module.params["output_path"], record)
        if module.params["inspect_path"]:
            write_json(module.params["inspect_path"], documents)
        if module.params["haproxy_stat_path"] and record["status"] == "ready":
            write_text(module.params["haproxy_stat_path"], show_stat(request.haproxy_socket))
    except (HarnessError, HaproxyError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot deploy {module.params['service_name']}: {error}")
    summary = {name: record[name] for name in ("status", "reason", "reason_code")}
    module.exit_json(changed=True, deploy=record, **summary)


if __name__ == "__main__":
    main()
