"""How the page of a fixed load differs from that of a search for capacities."""

from collections.abc import Callable
from typing import Protocol

from swarmsweep.choose.capacity_load import unverified
from swarmsweep.choose.modes import CapacityChoice, Choice, FixedChoice
from swarmsweep.plan.planned import Plan, Step
from swarmsweep.plan.row import Row
from swarmsweep.report.capacity_page import CapacitySection, capacity_section
from swarmsweep.report.page_rows import figure
from swarmsweep.sweep.load import CAPACITY, FIXED, mode_of

# With a think time of so many mean latencies, users send at nearly the same times as independent callers.
RESPONSES = 20


class Page(Protocol):
    """The parts of a page that differ between modes; ``searches`` says whether there are capacities to show."""

    searches: bool
    load_column: str

    @property
    def choice(self) -> Choice:
        """The choice among the rows of the page."""

    def load_figure(self, row: Row) -> str:
        """The text of ``load_column``."""

    def section(self) -> CapacitySection | None:
        """The section for this mode alone; None if it has none."""

    def notes(self) -> list[str]:
        """Sentences below the recommendation for this mode alone."""

    def order(self) -> dict[str, str]:
        """The order of the steps: a title and a text for each line."""


class FixedPage:
    """The parts of a page on cells that got a fixed load."""

    searches = False
    load_column = "users"

    def __init__(self, plan: Plan, rows: list[Row]) -> None:
        self.choice = FixedChoice(plan, rows)

    def load_figure(self, row: Row) -> str:
        """The text of ``load_column``."""
        return figure(row.users, str)

    def section(self) -> CapacitySection | None:
        """The section for this mode alone."""
        return None

    def notes(self) -> list[str]:
        """Sentences below the recommendation for this mode alone."""
        return self.choice.sensitivity()

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

    def load_figure(self, row: Row) -> str:
        """The text of ``load_column``."""
        return figure(row.capacity_rps)

    def section(self) -> CapacitySection | None:
        """Capacities, their comparisons, the noise and the probes of each search."""
        choice = self.choice
        return capacity_section(choice.plan, choice.rows, choice.candidates, choice.chosen, choice.noise)

    def notes(self) -> list[str]:
        """Sentences below the recommendation for this mode alone."""
        plan, notes = self.choice.plan, self.choice.sensitivity()
        notes += closed_load_notes(self.choice.rows)
        if self.choice.chosen is not None:
            notes.extend(unverified(self.choice.candidates))
        if any(plan.load_of(cell).get("profile") == "smoke" for cell in plan.cells):
            notes.append(
                "The profile smoke only shows that everything works. Its searches are too short for a decision. "
                "Use the profile standard for that."
            )
        if self.choice.noise.controlled is False:
            notes.append(
                "The control pair differs, although both of its cells have the same configuration. The noise of "
                "this run is not controlled, so no configuration in it is called better."
            )
        return notes

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
