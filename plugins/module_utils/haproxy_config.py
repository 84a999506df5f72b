"""The ready check in HAProxy's configuration, as the role platform writes it (haproxy.cfg.j2)."""

from __future__ import annotations

import re

from ansible.module_utils.ready_check import ReadyCheck

REQUEST = re.compile(r"^\s*http-check send meth GET uri (\S+) ver HTTP/1\.1 hdr Host (\S+)\s*$", re.MULTILINE)
PORT = re.compile(r"^\s*server-template \S+ \d+ \S+:(\d+) ", re.MULTILINE)
# The settings of the inventory, in the order of the messages.
SETTINGS = {"port": "lab_api_port", "path": "lab_api_ready_path", "host": "lab_api_ready_host"}


def read_ready_check(text: str) -> ReadyCheck:
    """Return what HAProxy requests of each replica. Raises ValueError if the configuration does not say it."""
    request, port = REQUEST.search(text), PORT.search(text)
    if request is None or port is None:
        missing = "http-check send" if request is None else "server-template"
        raise ValueError(f"HAProxy's configuration has no line `{missing}`, which this version writes")
    return ReadyCheck(int(port[1]), request[1], request[2])


def differences(configured: ReadyCheck, wanted: ReadyCheck) -> list[str]:
    """Return one text for each setting that HAProxy does not have as the inventory has it."""
    pairs = ((setting, getattr(configured, name), getattr(wanted, name)) for name, setting in SETTINGS.items())
    return [f"{setting} is {new}, but HAProxy still has {old}" for setting, old, new in pairs if old != new]
