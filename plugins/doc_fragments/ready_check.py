"""Documentation of the options that modules share which wait for HAProxy's check of the replicas."""


class ModuleDocFragment:
    """Named by ``extends_documentation_fragment`` of a module."""

    DOCUMENTATION = r"""
options:
  haproxy_backend:
    description: Name of the backend whose servers are the replicas.
    type: str
    default: api
  ready_check:
    description: What HAProxy requests of each replica. The messages name it. The port is that of C(lab_api_port).
    type: dict
    suboptions:
      port: {description: Port of the API in its container., type: int, required: true}
      path: {description: Path that returns 200 only when the API can predict., type: str, required: true}
      host: {description: Value of the header Host., type: str, required: true}
  settled_seconds:
    description:
      - The wait ends when the check has got one of the statuses 400, 401, 403, 404 and 405 for this time. It also ends
        when a replica has listened for this time, but only on other ports.
      - After a refused connection, another status or no response, the wait goes on until the timeout. A slow start
        looks the same.
    type: float
    default: 10
  has_other_hosts:
    description: Whether replicas may be on other hosts, which can be asked what listens there.
    type: bool
    default: false
  resumed:
    description:
      - What the module returned when it stopped so that other hosts could be asked. The wait then goes on, within the
        same time limit. Empty for a new wait.
    type: dict
    default: {}
  elsewhere:
    description: What these hosts found, as C(replica_listeners) returns it.
    type: dict
    default: {}
"""
