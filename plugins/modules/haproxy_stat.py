#!/usr/bin/python
"""Ansible module: store HAProxy's `show stat`."""

from __future__ import annotations

import time

from ansible.module_utils import haproxy_stats
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.lab_files import write_text

DOCUMENTATION = r"""
module: haproxy_stat
short_description: Store what HAProxy counts, optionally once enough servers are up
description:
  - Sends C(show stat) to HAProxy's statistics socket, and writes the CSV to a file. The file is written complete or
    not at all.
  - With I(servers_up), the module first waits until exactly that many servers of the backend have passed a health
    check.
  - Nothing is done in check mode.
requirements:
  - python >= 3.9
options:
  socket:
    description: Path of HAProxy's statistics socket on this host.
    type: path
    required: true
  dest:
    description: The CSV is written to this file on this host.
    type: path
    required: true
  backend:
    description: Name of the backend that must exist and whose servers are counted.
    type: str
    default: api
  servers_up:
    description: Number of servers of the backend that must be up. Without it, the module does not wait.
    type: int
  timeout_seconds:
    description: Seconds to wait for HAProxy's response, and for I(servers_up).
    type: float
    default: 30
author:
  - swarmsweep
"""

EXAMPLES = r"""
- name: Store HAProxy's counters before the load
  haproxy_stat:
    socket: /run/swarmsweep/haproxy.sock
    dest: /var/lib/swarmsweep/cell/haproxy-before.csv
"""

RETURN = r"""
servers_up:
  description: Number of servers of the backend that have passed a health check.
  type: int
  returned: always
"""

ARGUMENTS = {
    "socket": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "backend": {"type": "str", "default": "api"},
    "servers_up": {"type": "int"},
    "timeout_seconds": {"type": "float", "default": 30},
}
POLL_SECONDS = 0.25


def wait_for_stat(path: str, backend: str, wanted: int | None, timeout_seconds: float) -> tuple[str, int]:
    """Return the CSV, and the number of servers that are up in it. Raises HaproxyError after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            text = haproxy_stats.show_stat(path)
            servers = haproxy_stats.list_servers(text, backend)
            if wanted is None or haproxy_stats.are_ready(servers, wanted):
                return text, haproxy_stats.count_ready(servers)
            problem = haproxy_stats.HaproxyError(
                f"{haproxy_stats.count_ready(servers)} of {wanted} servers of the backend {backend} are up "
                f"after {timeout_seconds:g} s: {haproxy_stats.describe(servers)}"
            )
        except haproxy_stats.HaproxyError as error:
            problem = error
        if time.monotonic() >= deadline:
            raise problem
        time.sleep(POLL_SECONDS)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, servers_up=None)
    try:
        text, up = wait_for_stat(params["socket"], params["backend"], params["servers_up"], params["timeout_seconds"])
        write_text(params["dest"], text)
    except haproxy_stats.HaproxyError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot write {params['dest']}: {error.strerror}")
    module.exit_json(changed=True, servers_up=up)


if __name__ == "__main__":
    main()
