"""The settings of the ready check, before they become words of HAProxy's configuration."""

from __future__ import annotations

import re
from typing import Any

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, settings_of
from swarmsweep.lab.setting_values import is_whole
from swarmsweep.units import quoted

# The characters of a URL's path and query (RFC 3986), without ' and #, which mean something in HAProxy's configuration.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&()*+,;=:@/?%-]*", re.ASCII)
# A name or an address, with or without a port.
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
_PORTS = range(1, 65536)
# A day. No API needs longer.
_SECONDS = range(1, 86401)


def ready_problems(
    port: Any, path: Any, host: Any, inventory: str = DEFAULT_INVENTORY, timeout_seconds: Any = 120
) -> list[str]:
    """The mistakes in ``lab_api_port`` and the settings ``lab_api_ready_*``, one sentence each.

    A number may be text, because a value from -e is.
    """
    found = [
        ("lab_api_port", port, is_whole(port, _PORTS), "a whole number from 1 to 65535"),
        ("lab_api_ready_path", path, _matches(_PATH, path), "a path of a URL that begins with /, without spaces"),
        ("lab_api_ready_host", host, _matches(_HOST, host), "a host name, with or without :port"),
        (
            "lab_api_ready_timeout_seconds",
            timeout_seconds,
            is_whole(_without_fraction(timeout_seconds), _SECONDS),
            "a whole number from 1 to 86400",
        ),
    ]
    return [
        f"{name} is {quoted(value)}; allowed: {allowed}. Change it in {settings_of(inventory)}"
        for name, value, is_good, allowed in found
        if not is_good
    ]


def _without_fraction(value: Any) -> Any:
    """120.0 is 120: each use of a time limit takes both."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))
