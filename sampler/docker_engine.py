"""The sampler's requests to the Docker Engine API, over its unix socket."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse

# The daemon may be busy on a loaded core; the lookup thread waits this many seconds before it tries again.
DOCKER_TIMEOUT_SECONDS = 5.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=DOCKER_TIMEOUT_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class DockerEngine:
    """The sampler's two requests to the Docker Engine API, over one kept connection."""

    def __init__(self, path: str) -> None:
        self.connection = UnixConnection(path)

    def get(self, target: str) -> object:
        """JSON response to a GET; None on 404. Raises OSError, HTTPException or ValueError."""
        try:
            self.connection.request("GET", target)
            response = self.connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()  # the next request opens a new connection
            raise
        if response.status == 404:
            return None
        if response.status != 200:
            raise OSError(f"GET {target}: {response.status} {body[:200].decode(errors='replace')}")
        return json.loads(body)

    def running(self, label: str) -> dict[str, dict[str, str]]:
        """Labels of the running containers with this label (`name` or `name=value`), by id."""
        filters = urllib.parse.quote(json.dumps({"label": [label], "status": ["running"]}))
        containers = self.get(f"/containers/json?filters={filters}") or []
        return {container["Id"]: container.get("Labels") or {} for container in containers}

    def pid(self, container_id: str) -> int | None:
        """Pid of the container's first process in our pid namespace; None when it no longer runs."""
        response = self.get(f"/containers/{container_id}/json")
        return (response["State"]["Pid"] or None) if response else None
