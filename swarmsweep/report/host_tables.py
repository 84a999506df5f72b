"""The use of the hosts under load: a table by host, one by cell and host, and which limits were near."""

from collections.abc import Callable

from msgspec import Struct

from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.row import HostUse, Row
from swarmsweep.report.page_rows import figure
from swarmsweep.units import counted, format_bytes

# From this share of a limit on, a small difference between runs may reach the limit, and latencies grow before that.
NEAR_PERCENT = 80
_COLUMNS = [
    *("group", "cores", "CPU busy %", "memory used", "network in / out", "link used %", "disk read / written"),
    "disk busy %",
]
_GROUPS = {"api": "API", "load": "load"}


class HostSection(Struct, frozen=True, kw_only=True):
    """The tables and sentences, as text that is already safe in Markdown. Without figures, ``rows`` is empty."""

    header: list[str]
    rows: list[list[str]]
    cell_header: list[str]
    cell_rows: list[list[str]]
    near: list[str]


def host_section(cells: list[Row]) -> HostSection | None:
    """The hosts of all cells; None where no cell was loaded.

    The figures of a host are the highest of all cells.
    """
    if not any(cell.attempts for cell in cells):
        return None
    by_host: dict[str, list[tuple[Row, HostUse]]] = {}
    for cell in cells:
        for host in cell.hosts or ():
            by_host.setdefault(host.name, []).append((cell, host))
    return HostSection(
        header=["host", *_COLUMNS],
        rows=[_row(_highest([host for _, host in uses])) for uses in by_host.values()],
        cell_header=["cell", "host", *_COLUMNS],
        cell_rows=[[f"`{cell.id}`", *_row(host)] for cell in cells for host in cell.hosts or ()],
        near=[markdown(sentence) for uses in by_host.values() for sentence in _near(uses)],
    )


def _row(host: HostUse) -> list[str]:
    return [
        markdown(host.name),
        _GROUPS.get(host.group, markdown(host.group)),
        figure(host.cores, str),
        figure(host.cpu_percent),
        _of(host.memory_bytes, host.memory_total_bytes),
        _pair(host.received_bytes_per_second, host.sent_bytes_per_second),
        figure(host.link_percent),
        _pair(host.disk_read_bytes_per_second, host.disk_written_bytes_per_second),
        figure(host.disk_busy_percent),
    ]


def _of(used: int | None, total: int | None) -> str:
    if used is None:
        return MISSING
    return format_bytes(used) if total is None else f"{format_bytes(used)} of {format_bytes(total)}"


def _pair(first: float | None, second: float | None) -> str:
    if first is None and second is None:
        return MISSING
    return " / ".join(MISSING if value is None else f"{format_bytes(value)}/s" for value in (first, second))


def _highest(hosts: list[HostUse]) -> HostUse:
    """Each figure of one host at its highest over the cells; None where no cell has it."""

    def most(figure_of: Callable[[HostUse], float | None]) -> float | None:
        return max((value for host in hosts if (value := figure_of(host)) is not None), default=None)

    def whole(figure_of: Callable[[HostUse], int | None]) -> int | None:
        return max((value for host in hosts if (value := figure_of(host)) is not None), default=None)

    return HostUse(
        name=hosts[0].name,
        group=hosts[0].group,
        cores=whole(lambda host: host.cores),
        cpu_percent=most(lambda host: host.cpu_percent),
        memory_bytes=whole(lambda host: host.memory_bytes),
        memory_total_bytes=whole(lambda host: host.memory_total_bytes),
        received_bytes_per_second=most(lambda host: host.received_bytes_per_second),
        sent_bytes_per_second=most(lambda host: host.sent_bytes_per_second),
        link_percent=most(lambda host: host.link_percent),
        disk_read_bytes_per_second=most(lambda host: host.disk_read_bytes_per_second),
        disk_written_bytes_per_second=most(lambda host: host.disk_written_bytes_per_second),
        disk_busy_percent=most(lambda host: host.disk_busy_percent),
    )


def _near(uses: list[tuple[Row, HostUse]]) -> list[str]:
    """A sentence on each limit of the host that was near in some cell, with the cell that was nearest."""
    shares: dict[str, Callable[[HostUse], float | None]] = {
        "CPU": lambda host: host.cpu_percent,
        "memory": lambda host: (
            100 * host.memory_bytes / host.memory_total_bytes
            if host.memory_bytes is not None and host.memory_total_bytes
            else None
        ),
        "network link": lambda host: host.link_percent,
        "disk": lambda host: host.disk_busy_percent,
    }
    sentences = []
    for what, share_of in shares.items():
        near = [
            (share, cell.id) for cell, host in uses if (share := share_of(host)) is not None and share >= NEAR_PERCENT
        ]
        if near:
            share, cell_id = max(near)
            others = len(near) - 1
            more = f", and at least {NEAR_PERCENT} % with {counted(others, 'further cell')}" if others else ""
            sentences.append(f"{uses[0][1].name}: {what} {share:.0f} % used with {cell_id}{more}")
    return sentences
