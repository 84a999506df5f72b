#!/usr/bin/python
"""Ansible module: report the state of a measured Swarm service after its load."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.container_metrics import collect
from ansible.module_utils.haproxy_stats import HaproxyError, show_stat
from ansible.module_utils.lab_files import write_json, write_text
from ansible.module_utils.swarm_engine import HIDDEN, HarnessError, connect, hide_in_logs
from ansible.module_utils.swarm_review import review

DOCUMENTATION = r"""
module: swarm_service_after
short_description: Report the state of a measured Swarm service after its load
description:
  - Compares the replicas that run now with the record that C(swarm_service_ready) wrote. It reports restarts, exit
    codes, OOM kills, and the log of the replica that failed. It does not change the service.
  - The kernel may kill a worker process inside a replica whose first process survives. Docker may not report this.
    The counter C(oom_kills) of the sampler does.
  - With I(metrics_directory), the module also requests the metrics of every running replica on this node. It uses the
    replica's own loopback interface, so no port has to be open. Replicas on other nodes are those of I(elsewhere). An
    API without metrics is not a failure. C(metrics_problem) of the record names the replicas without metrics, and the
    reason.
  - The module fails only when the bench is broken. Nothing is done in check mode.
requirements:
  - python >= 3.9
  - Docker SDK for Python >= 5.0.3 (Debian and Ubuntu package python3-docker)
options:
  service_name:
    description: Full name of the measured service.
    type: str
    required: true
  deploy_path:
    description: Path of the deployment record (deploy.json) on this host. Its status must be C(ready).
    type: path
    required: true
  output_path:
    description: The record is written to this file (after.json), complete or not at all.
    type: path
    required: true
  log_path:
    description: The last log lines of every replica, also of those that ended, are written to this file
      (service.log).
    type: path
  inspect_path:
    description: The C(docker inspect) documents of the replicas are written to this file, secrets masked.
    type: path
  log_lines:
    description: Lines of each replica in I(log_path).
    type: int
    default: 200
  tail_lines:
    description: Last lines of the log of the replica that failed, in the record.
    type: int
    default: 40
  metrics_directory:
    description: Folder for each replica's C(metrics-<first 12 digits of its id>.prom). Without it, no metrics are
      requested.
    type: path
  metrics_port:
    description: Port on which the API listens inside its container.
    type: int
    default: 8000
  haproxy_socket:
    description: Path of HAProxy's statistics socket on this host, for I(haproxy_stat_path).
    type: path
  haproxy_stat_path:
    description: HAProxy's C(show stat) is written to this file, before all else. Without it, HAProxy's counters are
      not read.
    type: path
  nodes:
    description: Names of the API hosts by the ids of their nodes. The record then has these names.
    type: dict
    default: {}
  elsewhere:
    description: What C(replica_records) returned on the other API hosts, as C(replicas), by the ids of the containers.
    type: dict
    default: {}
  silent:
    description: Why an API host returned no records, by its name. Its replicas count as lost.
    type: dict
    default: {}
  docker_url:
    description: Address of the Docker daemon.
    type: str
    default: unix:///var/run/docker.sock
extends_documentation_fragment:
  - hidden_secrets
author:
  - swarmsweep
"""

EXAMPLES = r"""
- name: Look at the replicas after the load
  swarm_service_after:
    service_name: bench_api
    deploy_path: /var/lib/swarmsweep/cell/deploy.json
    output_path: /var/lib/swarmsweep/cell/after.json
    log_path: /var/lib/swarmsweep/cell/service.log
    inspect_path: /var/lib/swarmsweep/cell/inspect.json
    metrics_directory: /var/lib/swarmsweep/cell
  register: bench_cell_after
"""

RETURN = r"""
after:
  description: The record, as written to I(output_path).
  type: dict
  returned: always
  sample:
    schema: 1
    collected_at: 1795347990.2
    containers: []
    restarts: 1
    oom_killed: true
    exit_codes: [137]
    changed: true
    reason_code: oom
    reason: >-
      under load replica 1 needed more than its memory limit of 256M: killed by the kernel (exit 137, OOM);
      replicas replaced: 1
    log_tail: []
    metrics_problem: null
reason_code:
  description: C(oom), C(crash), C(host_lost), or null if no replica ended during the load.
  type: str
  returned: always
reason:
  description: The reason in words, or null.
  type: str
  returned: always
"""

ARGUMENTS = {
    "service_name": {"type": "str", "required": True},
    "deploy_path": {"type": "path", "required": True},
    "output_path": {"type": "path", "required": True},
    "log_path": {"type": "path"},
    "inspect_path": {"type": "path"},
    "log_lines": {"type": "int", "default": 200},
    "tail_lines": {"type": "int", "default": 40},
    "metrics_directory": {"type": "path"},
    "metrics_port": {"type": "int", "default": 8000},
    "haproxy_socket": {"type": "path"},
    "haproxy_stat_path": {"type": "path"},
    "nodes": {"type": "dict", "default": {}},
    "elsewhere": {"type": "dict", "default": {}},
    "silent": {"type": "dict", "default": {}},
    "hidden": HIDDEN,
    "docker_url": {"type": "str", "default": "unix:///var/run/docker.sock"},
}


def read_deployment(path: str) -> dict:
    """Return the deployment record. Raises HarnessError if it is missing or broken, or has no ready service."""
    try:
        deployed = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"Cannot read the deployment record {path}: {error.strerror}") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not a deployment record: {error}") from error
    if deployed.get("status") != "ready":
        raise HarnessError(
            f"{path} records a service with status {deployed.get('status')!r}, which was never under load"
        )
    return deployed


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_by={"haproxy_stat_path": "haproxy_socket"},
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, after=None, reason=None, reason_code=None)
    hide_in_logs(params["hidden"])
    try:
        deployed = read_deployment(params["deploy_path"])
        if params["haproxy_stat_path"]:
            write_text(params["haproxy_stat_path"], show_stat(params["haproxy_socket"]))
        api = connect(params["docker_url"])
        record, documents, log = review(
            api,
            params["service_name"],
            deployed,
            params["log_lines"],
            params["tail_lines"],
            params["nodes"],
            params["elsewhere"],
            params["silent"],
        )
        record["metrics_problem"] = None
        if params["metrics_directory"]:
            others = {container: row["metrics_problem"] for container, row in params["elsewhere"].items()}
            texts, record["metrics_problem"] = collect(record["containers"], documents, params["metrics_port"], others)
            for container_id, text in texts.items():
                write_text(str(Path(params["metrics_directory"], f"metrics-{container_id[:12]}.prom")), text)
        if params["inspect_path"]:
            write_json(params["inspect_path"], documents)
        if params["log_path"]:
            write_text(params["log_path"], log)
        write_json(params["output_path"], record)
    except (HarnessError, HaproxyError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot read the state of {params['service_name']} after the load: {error}")
    module.exit_json(changed=False, after=record, reason=record["reason"], reason_code=record["reason_code"])


if __name__ == "__main__":
    main()
