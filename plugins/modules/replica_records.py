#!/usr/bin/python
"""Ansible module: report the replicas of a measured Swarm service on an API host other than the manager."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.container_metrics import request_metrics
from ansible.module_utils.lab_files import mask_inspect, write_json, write_text
from ansible.module_utils.swarm_containers import inspected_row
from ansible.module_utils.swarm_engine import SERVICE_LABEL, HarnessError, connect_to_engine

DOCUMENTATION = r"""
module: replica_records
short_description: Report the replicas of a measured Swarm service on an API host other than the manager
description:
  - The manager cannot inspect containers on another host. This module does it there, after the load, and requests the
    metrics of each replica that runs. C(swarm_service_after) puts all of it into its record.
  - It changes nothing in Docker. Nothing is done in check mode.
requirements:
  - python >= 3.9
  - Docker SDK for Python >= 5.0.3 (Debian and Ubuntu package python3-docker)
options:
  service_name: {description: Full name of the measured service., type: str, required: true}
  environment:
    description: Names of the environment variables that are returned. The others may be secrets.
    type: list
    elements: str
    default: []
  metrics_directory:
    description: Folder for each replica's C(metrics-<first 12 digits of its id>.prom).
    type: path
    required: true
  metrics_port: {description: Port on which the API listens inside its container., type: int, default: 8000}
  inspect_path:
    description: The C(docker inspect) documents of the replicas are written to this file, secrets masked.
    type: path
    required: true
  docker_url:
    description: Address of the Docker daemon.
    type: str
    default: unix:///var/run/docker.sock
author:
  - swarmsweep
"""

EXAMPLES = r"""
- name: Look at the replicas of this host after the load
  replica_records:
    service_name: bench_api
    environment: [WEB_CONCURRENCY]
    metrics_directory: /var/lib/swarmsweep/cell
    inspect_path: /var/lib/swarmsweep/cell/inspect-lab-api2.json
"""

RETURN = r"""
replicas:
  description: The containers of the service on this host, also those that ended, by their ids.
  type: dict
  returned: always
  sample:
    4b825dc642cb:
      nano_cpus: 500000000
      memory_bytes: 629145600
      image: swarmsweep/api:1f0c9b2
      env: {WEB_CONCURRENCY: "2"}
      oom_killed: false
      metrics_problem: null
"""

ARGUMENTS = {
    "service_name": {"type": "str", "required": True},
    "environment": {"type": "list", "elements": "str", "default": []},
    "metrics_directory": {"type": "path", "required": True},
    "metrics_port": {"type": "int", "default": 8000},
    "inspect_path": {"type": "path", "required": True},
    "docker_url": {"type": "str", "default": "unix:///var/run/docker.sock"},
}


def inspect_replicas(api, service_name: str) -> list[dict]:
    """Return the `docker inspect` documents of the service's containers on this host."""
    from docker.errors import NotFound

    documents = []
    for container in api.containers(all=True, filters={"label": f"{SERVICE_LABEL}={service_name}"}):
        try:
            documents.append(api.inspect_container(container["Id"]))
        except NotFound:  # it was removed in between
            continue
    return documents


def describe(document: dict, environment: list[str], port: int, folder: str) -> dict:
    """Return the row of a container. If it runs, write its metrics, or note the reason why it has none."""
    state = document["State"]
    text, problem = None, "it is not running any more"
    if state.get("Running"):
        text, problem = request_metrics(state["Pid"], port)
    if text is not None:
        write_text(str(Path(folder, f"metrics-{document['Id'][:12]}.prom")), text)
    killed = {"oom_killed": bool(state.get("OOMKilled")), "metrics_problem": problem}
    return inspected_row(document, environment) | killed


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, replicas={})
    try:
        api, _ = connect_to_engine(params["docker_url"])
        documents = inspect_replicas(api, params["service_name"])
        write_json(params["inspect_path"], [mask_inspect(document) for document in documents])
        rows = {
            document["Id"]: describe(
                document, params["environment"], params["metrics_port"], params["metrics_directory"]
            )
            for document in documents
        }
    except HarnessError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot report the replicas of {params['service_name']}: {error}")
    module.exit_json(changed=False, replicas=rows)


if __name__ == "__main__":
    main()
