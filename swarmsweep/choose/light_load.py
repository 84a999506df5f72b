"""A load that stressed no configuration: its figures do not show which one is better."""

import math
from collections.abc import Sequence

from swarmsweep.choose.advice import is_without_load
from swarmsweep.choose.ties import plain_order
from swarmsweep.plan.row import Row
from swarmsweep.plan.tariff import CPU_EQUIVALENTS, Tariff
from swarmsweep.units import counted, format_figure

# Users that would use up the CPU limit are rounded up to this many digits: the rest is chance.
DIGITS = 2


def light_load(cells: Sequence[Row], tariff: Tariff = CPU_EQUIVALENTS) -> str | None:
    """That the load stressed nothing, and what to change; None where some cell was stressed.

    A closed load is light where the latency is near that of one user in every valid cell, and all of them serve what
    their users ask for: ``users = requests/s x (latency + think time)``.
    """
    valid = unstressed(cells)
    if not valid:
        return None
    in_order = sorted(valid, key=lambda cell: plain_order(cell, tariff))
    smallest, largest = in_order[0], in_order[-1]
    rates = [cell.rps for cell in valid if cell.rps]
    who = "The configuration" if len(valid) == 1 else "They"
    asked = f" {who} served {_span(rates)} requests/s, which is all that {_users(valid)} send." if rates else ""
    needed = users_to_fill(smallest)
    more = "Raise load.users, or shorten load.wait_seconds"
    if needed is not None:
        more = f"About {counted(needed, 'user')} would use up the CPU limit of {smallest.id}"
        most = users_to_fill(largest)
        if largest is not smallest and most is not None and most > needed:
            more += f", and about {most:,} that of {largest.id}"
        more += ". Raise load.users accordingly, or shorten load.wait_seconds"
    missing = (
        "The load was light for the only valid configuration, so it does not show a limit of it."
        if len(valid) == 1
        else f"The load stressed none of the {len(valid)} valid configurations, so it does not show which is better."
    )
    return f"{missing}{asked} {more}. Or find the limits with load.mode: capacity."


def unstressed(cells: Sequence[Row]) -> list[Row]:
    """The valid cells, if the load stressed none of them; empty otherwise."""
    valid = [cell for cell in cells if cell.status == "valid"]
    light = all(is_without_load(cell) and cell.meets_slo is not False and cell.users for cell in valid)
    return valid if light else []


def _span(values: Sequence[float]) -> str:
    low, high = format_figure(min(values)), format_figure(max(values))
    return low if low == high else f"{low} to {high}"


def _users(cells: Sequence[Row]) -> str:
    counts = sorted({cell.users for cell in cells if cell.users})
    users = counted(counts[0], "user") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} users"
    times = [cell.think_time_seconds for cell in cells if cell.think_time_seconds]
    return f"{users} with a think time of {format_figure(sum(times) / len(times))} s" if times else users


def users_to_fill(cell: Row) -> int | None:
    """The number of users whose requests would use up the CPU limit, in proportion to the CPU that these used."""
    used, limit = cell.api.cpu_cores, cell.config["replicas"] * cell.config["cpus"]
    if not used or not cell.users or used >= limit:
        return None
    users = cell.users * limit / used
    step = 10 ** max(0, math.floor(math.log10(users)) - DIGITS + 1)
    return int(math.ceil(users / step) * step)
