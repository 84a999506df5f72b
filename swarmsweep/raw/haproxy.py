"""HAProxy's counters: the CSV of ``show stat`` -> typed rows, and the differences between two of them."""

from dataclasses import dataclass

from swarmsweep.errors import LabError
from swarmsweep.shared.show_stat import parse_show_stat

PROXY = "api"  # the backend of the system under test
_SUMS = {"FRONTEND", "BACKEND"}

# The columns in use, by HAProxy's names (management guide, "Statistics and monitoring"). All count from its start.
_COUNTERS = (
    "stot",  # sessions, or connections of a frontend
    "req_tot",  # HTTP requests
    "hrsp_1xx",
    "hrsp_2xx",
    "hrsp_3xx",
    "hrsp_4xx",
    "hrsp_5xx",
    "hrsp_other",
    "cli_abrt",  # transfers that a client ended
    "srv_abrt",  # transfers that a server ended
    "econ",  # failed connections to a server
    "eresp",  # broken responses of a server
    "wretr",  # retried connections
    "wredis",  # requests sent to another server after a failure
)


@dataclass(frozen=True)
class ProxyRow:
    """One row of ``show stat``: a frontend, a backend or a server. A counter that it does not have is None."""

    proxy: str
    server: str
    status: str
    address: str
    counters: dict[str, int | None]

    @property
    def is_server(self) -> bool:
        """Whether the row is one server and not a sum."""
        return self.server not in _SUMS


def parse_stat(text: str, where: str = "show stat") -> list[ProxyRow]:
    """Rows of ``show stat``. Raises `LabError` that begins with ``where`` when the text is not such a table."""
    try:
        rows = parse_show_stat(text)
    except ValueError as error:
        raise LabError(f"{where}: {error}") from error
    if not text.endswith("\n"):
        raise LabError(f"{where}: ends within a row; the file is incomplete")
    return [_row(row, f"{where}:{number}") for number, row in enumerate(rows, start=2)]


def _row(values: dict[str, str], where: str) -> ProxyRow:
    return ProxyRow(
        proxy=values["pxname"],
        server=values["svname"],
        status=values.get("status", ""),
        address=values.get("addr", ""),
        counters={name: _count(values.get(name, ""), where) for name in _COUNTERS},
    )


def _count(text: str, where: str) -> int | None:
    if text in ("", "N/A", "-1"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise LabError(f"{where}: {text[:40]!r} is not a count")
    return int(text)


@dataclass(frozen=True)
class ProxyDelta:
    """HAProxy's counts between two ``show stat``: the whole backend, and each server that was in use.

    ``requests`` is None when the version does not count requests. ``restarted``: a counter went back.
    """

    requests: int | None
    total: dict[str, int | None]
    servers: dict[str, dict[str, int | None]]
    restarted: bool


def delta(before: list[ProxyRow], after: list[ProxyRow], proxy: str = PROXY) -> ProxyDelta:
    """Counters of ``after`` minus those of ``before`` for a proxy. Raises `LabError` when it or its sum is missing."""
    old = {row.server: row for row in before if row.proxy == proxy}
    new = {row.server: row for row in after if row.proxy == proxy}
    if not new or not old:
        present = ", ".join(sorted({row.proxy for row in before + after})) or "none"
        raise LabError(f"HAProxy has no proxy named {proxy!r}; present: {present}")
    if "BACKEND" not in new or "BACKEND" not in old:
        raise LabError(f"HAProxy's counters have no row BACKEND of proxy {proxy!r}; the file is incomplete")
    changes = {name: _minus(row, old.get(name)) for name, row in new.items()}
    total = changes.get("BACKEND") or changes.get("FRONTEND") or {}
    requests = next(
        (c["req_tot"] for c in map(changes.get, ("BACKEND", "FRONTEND")) if c and c["req_tot"] is not None), None
    )
    servers = {name: change for name, change in changes.items() if new[name].is_server and _in_use(new[name], change)}
    restarted = any(value is not None and value < 0 for change in changes.values() for value in change.values())
    return ProxyDelta(requests, total, servers, restarted)


def _minus(new: ProxyRow, old: ProxyRow | None) -> dict[str, int | None]:
    if old is None:
        return dict(new.counters)
    change: dict[str, int | None] = {}
    for name, value in new.counters.items():
        before = old.counters[name]
        change[name] = None if value is None or before is None else value - before
    return change


def _in_use(row: ProxyRow, change: dict[str, int | None]) -> bool:
    return row.status.startswith("UP") or bool(change["stot"])
