"""How the page of a fixed load differs from that of a search for capacities."""

from collections.abc import Callable
from typing import Protocol

from swarmsweep.choose.capacity_load import conservative_rps, held_once, unverified
from swarmsweep.choose.fixed_load import rps_per_cost
from swarmsweep.choose.modes import CapacityChoice, Choice, FixedChoice
from swarmsweep.choose.next_sweep import NextSweep
from swarmsweep.choose.target import target_of
from swarmsweep.markdown import MISSING
from swarmsweep.plan.planned import Plan, Step
from swarmsweep.plan.row import Row
from swarmsweep.report.capacity_page import CapacitySection, capacity_section, verified_text
from swarmsweep.report.page_rows import UNDECIDED, figure, latency_text, rps_text
from swarmsweep.report.verified_time import required_text
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.load import CAPACITY, FIXED, mode_of
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.units import counted, format_figure, format_plain

# With a think time of this many mean latencies, users send at nearly the same times as independent callers.
# A simulation of a queue with 8 slots gave users 5.7 % more than them at 13 latencies, 3.6 % at 27, and 2.5 % at 42.
RESPONSES = 40
# Limits that a verdict names, and cells that a list of notes names. The tables have all of them.
MAX_LIMITS = 2
MAX_CELLS = 3

# The title of the column that says yes or no: whether the SLO is held, or whether a target of a search is reached.
MEETS_SLO, REACHES_TARGET = "meets SLO", "reaches target"


class Page(Protocol):
    """The parts of a page that differ between modes; ``searches`` says whether there are capacities to show."""

    searches: bool
    load_column: str

    @property
    def verdict_column(self) -> str:
        """The title of the column that says yes or no of each cell."""

    @property
    def choice(self) -> Choice:
        """The choice among the rows of the page."""

    def load_figure(self, row: Row) -> str:
        """The text of ``load_column``."""

    def section(self) -> CapacitySection | None:
        """The section for this mode alone; None if it has none."""

    def notes(self) -> list[str]:
        """What to know before relying on the choice, for this mode alone."""

    def next_steps(self, following: NextSweep) -> list[str]:
        """What to do next, for this mode alone, without what the sweep ``following`` does."""

    def overview_columns(self) -> list[str]:
        """The titles of the four columns of figures on the first screen."""

    def overview_legend(self) -> str:
        """What these columns mean."""

    def overview_figures(self, row: Row) -> list[str]:
        """The figures of a row in these columns."""

    def verdict(self, row: Row) -> str:
        """Whether a valid row holds the SLO, in a few words."""

    def order(self) -> dict[str, str]:
        """The order of the steps: a title and a text for each line."""


class FixedPage:
    """The parts of a page on cells that got a fixed load."""

    searches = False
    load_column = "users"
    verdict_column = MEETS_SLO

    def __init__(self, plan: Plan, rows: list[Row]) -> None:
        self.choice = FixedChoice(plan, rows)

    def load_figure(self, row: Row) -> str:
        """The text of ``load_column``."""
        return figure(row.users, str)

    def section(self) -> CapacitySection | None:
        """The section for this mode alone."""
        return None

    def notes(self) -> list[str]:
        """What to know before relying on the choice, for this mode alone."""
        return self.choice.sensitivity()

    def next_steps(self, following: NextSweep) -> list[str]:
        """What to do next, for this mode alone."""
        return []

    def overview_columns(self) -> list[str]:
        """The titles of the four columns of figures on the first screen."""
        return ["RPS", f"{shown_latency(self.choice.plan.limits)} ms", "failures %", "CPU used"]

    def overview_legend(self) -> str:
        """What these columns mean."""
        return (
            "RPS: successful requests per second. failures %: of the requests or of the tasks, whichever share is "
            "larger. CPU used: cores of all replicas, and their limit."
        )

    def overview_figures(self, row: Row) -> list[str]:
        """The figures of a row in these columns."""
        cores, limit = row.api.cpu_cores, row.config["replicas"] * row.config["cpus"]
        # The SLO limits both shares.
        shares = [share for share in (row.failure_percent, row.failed_task_percent) if share is not None]
        return [
            rps_text(row),
            latency_text(row, shown_latency(self.choice.plan.limits)),
            figure(max(shares, default=None)),
            MISSING if cores is None else f"{format_figure(cores)} of {format_plain(round(limit, 6))}",
        ]

    def verdict(self, row: Row) -> str:
        """Whether a valid row holds the SLO, in a few words, with the limits that it misses or that are open."""
        if row.meets_slo:
            return "holds the SLO"
        missed = slo_of.misses(row, self.choice.plan.limits)
        if row.meets_slo is False:
            missed = [miss for miss in missed if miss.exceeds]
        names = list(dict.fromkeys(f"{miss.endpoint} {miss.name}".strip() for miss in missed))
        more = f" and {len(names) - MAX_LIMITS} more" if len(names) > MAX_LIMITS else ""
        verb = "misses the SLO" if row.meets_slo is False else UNDECIDED
        return f"{verb}: {', '.join(names[:MAX_LIMITS])}{more}" if names else verb

    def order(self) -> dict[str, str]:
        """The steps in the order in which they were made."""
        plan = self.choice.plan
        return {"order of the attempts": ", ".join(_step_text(step, plan.repeat) for step in plan.steps)}


def closed_load_notes(rows: list[Row]) -> list[str]:
    """What a number of users says less about than a rate, for the cells whose users think for a short time."""
    short = [
        row.id
        for row in rows
        if row.capacity_users is not None
        and row.think_time_seconds is not None
        and row.latency_ms.mean is not None
        and row.think_time_seconds < RESPONSES * row.latency_ms.mean / 1000
    ]
    if not short:
        return []
    cells = ", ".join(short[:3]) + (" and others" if len(short) > 3 else "")
    return [
        f"The users of {cells} think for less than {RESPONSES} times the mean latency. "
        "They wait for the API before they send again. "
        "So an API that is slow gets fewer requests, and its queue stays short. Independent callers do not wait. "
        "With them, the API would hold the SLO up to a lower rate only."
    ]


class CapacityPage:
    """The parts of a page on cells of a search."""

    searches = True
    load_column = "capacity RPS"

    def __init__(self, plan: Plan, rows: list[Row]) -> None:
        self.choice = CapacityChoice(plan, rows)

    @property
    def verdict_column(self) -> str:
        """With a target, a cell is judged by it: its rates below the target hold the SLO too."""
        return MEETS_SLO if target_of(self.choice.plan.load) is None else REACHES_TARGET

    def load_figure(self, row: Row) -> str:
        """The text of ``load_column``."""
        return figure(row.capacity_rps)

    def section(self) -> CapacitySection | None:
        """Capacities, their comparisons, the noise and the probes of each search."""
        choice = self.choice
        return capacity_section(choice.plan, choice.rows, choice.candidates, choice.chosen, choice.noise)

    def notes(self) -> list[str]:
        """What to know before relying on the choice, for this mode alone."""
        notes = self.choice.sensitivity() + closed_load_notes(self.choice.rows)
        if self.choice.chosen is not None:
            notes += _first(unverified(self.choice.candidates))
        if self.choice.noise.controlled is False:
            notes.append(
                "The control pair differs, although both of its cells have the same configuration. The noise of "
                "this run is not controlled, so no configuration in it is called better."
            )
        return notes

    def next_steps(self, following: NextSweep) -> list[str]:
        """What to do next, for this mode alone, without what the sweep ``following`` does."""
        plan, steps = self.choice.plan, []
        load = None if following.sweep is None else following.sweep.load.as_json()
        is_short = any(plan.load_of(cell).get("profile") == "smoke" for cell in plan.cells)
        if is_short and (load is None or load.get("profile") == "smoke"):
            steps.append(
                "The profile smoke shows only the order of magnitude. Its searches are too short for a decision. "
                "Use the profile standard for that."
            )
        bounded = [row.id for row in self.choice.rows if row.capacity and row.capacity.limited_by == "generator"]
        if load is not None and load["workers"] > plan.load.get("workers", 1):
            bounded = [name for name in bounded if name not in following.cell_ids]
        if bounded and self.choice.chosen is not None:
            cells = ", ".join(bounded[:MAX_CELLS]) + (" and others" if len(bounded) > MAX_CELLS else "")
            steps.append(
                f"The load generator could not load {cells} up to the limit. Give the load hosts more workers, and "
                "measure again."
            )
        return steps

    def overview_columns(self) -> list[str]:
        """The titles of the four columns of figures on the first screen."""
        return ["verified RPS", "conservative RPS", f"{shown_latency(self.choice.plan.limits)} ms", "RPS per cost"]

    def overview_legend(self) -> str:
        """What these columns mean."""
        return (
            f"verified RPS: the highest rate that held the SLO for {required_text(self.choice.plan)}. "
            f"The {shown_latency(self.choice.plan.limits)} is that of the longest probe at this rate. "
            "conservative RPS: the verified rate with one deployment. With several, the smaller of it and the "
            "one-sided 95 % lower bound of the estimate. Cells are chosen by it."
        )

    def overview_figures(self, row: Row) -> list[str]:
        """The figures of a row in these columns. Without a verified rate, there is no latency at it."""
        conservative = conservative_rps(row)
        latency = shown_latency(self.choice.plan.limits)
        return [
            MISSING if row.capacity is None else verified_text(row.capacity),
            figure(conservative),
            MISSING if conservative is None else latency_text(row, latency),
            figure(rps_per_cost(row, self.choice.tariff)),
        ]

    def verdict(self, row: Row) -> str:
        """Whether a rate of a valid row was verified and, with a target, whether it is high enough."""
        if conservative_rps(row) is None:
            return "no rate verified" if row.meets_slo is None or held_once(row) else "no rate held the SLO"
        if target_of(self.choice.plan.load) is None:
            return "holds the SLO"
        return {True: "reaches the target", False: "below the target", None: "target undecided"}[row.meets_slo]

    def order(self) -> dict[str, str]:
        """The steps by block, each with the seed of its load."""
        blocks: dict[int, list[str]] = {}
        for step in self.choice.plan.steps:
            seeded = step.cell_id if step.seed is None else f"{step.cell_id} (seed {step.seed})"
            blocks.setdefault(step.attempt if step.block is None else step.block, []).append(seeded)
        return {f"block {number} of {len(blocks)}": ", ".join(steps) for number, steps in blocks.items()}


def page_of(plan: Plan, rows: list[Row]) -> Page:
    """The page on the rows of a run, by the mode of its load."""
    return PAGES[mode_of(plan.load)](plan, rows)


PAGES: dict[str, Callable[[Plan, list[Row]], Page]] = {FIXED: FixedPage, CAPACITY: CapacityPage}


def _step_text(step: Step, repeat: int) -> str:
    return step.cell_id if repeat == 1 else f"{step.cell_id} (attempt {step.attempt})"


def shown_latency(slo: SloLimits) -> str:
    """The latency of the first screen: the highest percentile that the SLO limits."""
    return next((name for name in ("p99", "p95", "p50", "mean") if f"{name}_ms" in slo.total), "p95")


def _first(sentences: list[str]) -> list[str]:
    """The first of several sentences on cells, and the number of the others."""
    more = len(sentences) - MAX_CELLS
    return [*sentences[:MAX_CELLS], *([f"The same holds for {counted(more, 'further cell')}."] if more > 0 else [])]
