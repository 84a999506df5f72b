"""The lines of the tables in summary.md: one for a stage of the ladder, one for a configuration."""

from collections.abc import Callable
from typing import Any

from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.row import Row
from swarmsweep.plan.tariff import CPU_EQUIVALENTS, Tariff
from swarmsweep.report.ladder import PART_NAMES, Stage
from swarmsweep.sweep.matrix import axis_text
from swarmsweep.units import factor_text, format_bytes, format_figure, format_memory, format_plain

UNDECIDED = "undecided"


def ladder_header() -> list[str]:
    """Titles of the table of stages."""
    return [
        "stage",
        "what changed",
        "RPS",
        "p95 ms",
        "factor",
        "ms inside",
        *(f"{n} %" for n in PART_NAMES.values()),
        "status",
    ]


def ladder_row(stage: Stage) -> list[str]:
    """One line of the table of stages."""
    return [
        markdown(stage.name),
        MISSING if stage.changed is None else markdown(stage.changed),
        figure(stage.rps),
        figure(stage.p95_ms),
        figure(stage.factor, factor_text),
        figure(stage.mean_ms),
        *(figure(stage.shares_percent[part], "{:.0f}".format) for part in PART_NAMES),
        markdown(status_text(stage.status, stage.reason)),
    ]


def header(axes: list[str], load_column: str, verdict_column: str = "meets SLO") -> list[str]:
    """Titles of the table of all configurations."""
    first = ["cell", "replicas", "memory", "CPU", "workers", *map(markdown, axes), "cost"]
    first.append(load_column)
    figures = ["RPS", "mean ms", "p50 ms", "p95 ms", "p99 ms", "failures %", "failed tasks %"]
    return [*first, *figures, "CPU used", "throttled %", "peak memory", verdict_column, "status"]


def row_of(cell: Row, axes: list[str], chosen: bool, load_figure: str, tariff: Tariff = CPU_EQUIVALENTS) -> list[str]:
    """One line of the table of all configurations. ``load_figure`` is the text of the column that the mode names."""
    config, api = cell.config, cell.api
    return [
        ("**→** " if chosen else "") + markdown(cell.id),
        str(config["replicas"]),
        format_memory(config["memory_bytes"]),
        format_plain(config["cpus"]),
        str(config["workers"]),
        *(markdown(axis_text(config[axis])) if axis in config else MISSING for axis in axes),
        tariff.figure(config),
        load_figure,
        rps_text(cell),
        *(latency_text(cell, name) for name in cell.latency_ms.by_name()),
        figure(cell.failure_percent),
        figure(cell.failed_task_percent),
        figure(api.cpu_cores),
        figure(api.throttled_percent),
        figure(api.memory_peak_bytes, format_bytes),
        meets_text(cell),
        markdown(status_text(cell.status, cell.reason, cell.twin_of)),
    ]


def meets_text(cell: Row) -> str:
    """Whether the cell holds the SLO, or reaches the target. It is undecided if the figures of users do not show it."""
    if cell.meets_slo is None:
        return UNDECIDED if cell.status == "valid" and cell.latency_intervals_ms else MISSING
    return "yes" if cell.meets_slo else "no"


def latency_text(cell: Row, name: str) -> str:
    """A latency of a cell; a lower bound begins with '>= '."""
    return (">= " if name in cell.lower_bounds else "") + figure(cell.latency_ms.by_name()[name])


def rps_text(cell: Row) -> str:
    """The requests per second of a cell; of several attempts, with the lowest and the highest."""
    spread = cell.rps_range
    return figure(cell.rps) + (f" ({figure(spread[0])} to {figure(spread[1])})" if spread else "")


def status_text(status: str | None, reason: str | None, twin_of: str | None = None) -> str:
    """Status and reason of a row."""
    if status is None:
        return str(reason)
    twin = f" (twin of {twin_of})" if twin_of else ""
    return f"{status}{twin}: {reason}" if reason else f"{status}{twin}"


def figure(value: Any, form: Callable[[Any], str] = format_figure) -> str:
    """A figure as text, or the sign for a missing one."""
    return MISSING if value is None else form(value)
