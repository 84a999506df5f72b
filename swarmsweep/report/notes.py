"""The sentences around the recommendation: further reasons, and what to know before relying on it."""

from swarmsweep.choose import fixed_load
from swarmsweep.choose.baseline import against_baseline
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.sizing import sizing_of
from swarmsweep.lab.prices import SETTING as PRICES
from swarmsweep.plan.load_text import own_load
from swarmsweep.report.hops import hop_notes
from swarmsweep.report.modes import Page
from swarmsweep.results.manifest import Resume

# If more than this share of the attempts was invalid the first time, the lab itself is disturbed.
MAX_RETRIED_SHARE = 0.2


def reasons_of(page: Page) -> list[str]:
    """Why the recommended cell was chosen, or why there is none."""
    reasons = list(page.choice.recommendation.reasons)
    chosen = page.choice.chosen
    if chosen is not None and (headroom := fixed_load.memory_headroom(chosen)):
        reasons.append(headroom)
    sizing, compared = sizing_of(page.choice), against_baseline(page.choice)
    return reasons + [sentence for sentence in (sizing.sentence if sizing else None, compared) if sentence]


def cautions_title(page: Page) -> str:
    """The heading of the cautions, by what is left to do."""
    return "Before you rely on it" if page.choice.is_measured else "Before you measure again"


def cautions_of(page: Page) -> list[str]:
    """The facts that a reader must know before relying on the choice, as sentences.

    Without a valid cell that can be recommended, only two are left: that valid ones have another scenario, and what
    disturbs the lab. The other facts are about figures.
    """
    choice = page.choice
    plan, cells = choice.plan, choice.rows
    if not choice.is_measured:
        beside = _beside(choice) if any(cell.status == "valid" for cell in cells) else []
        return [*beside, *_disturbed(page, "measure again")]
    disturbed = _disturbed(page, "rely on the figures")
    return [*page.notes(), *_own_load(choice), *_beside(choice), *disturbed, *hop_notes(plan, cells)]


def _own_load(choice: Choice) -> list[str]:
    """That the recommended cell had another load than most cells, so its figures are those of this load."""
    chosen = choice.chosen
    text = "" if chosen is None else own_load(choice.plan, chosen.id)
    if chosen is None or not text:
        return []
    return [
        f"{chosen.id} had a load of its own (load.cases): {text}. It was not measured with the load of the sweep. "
        "To compare it with cells that had another load, measure them with one load."
    ]


def _beside(choice: Choice) -> list[str]:
    """That cells have another scenario, so they cannot be recommended."""
    beside = len(choice.rows) - len(choice.candidates)
    if not beside:
        return []
    verb, are = ("uses", "It is") if beside == 1 else ("use", "They are")
    return [
        f"{beside} of {len(choice.rows)} cells {verb} another scenario than {choice.plan.load['locustfile']}. {are} "
        "shown for comparison and cannot be recommended."
    ]


def _disturbed(page: Page, goal: str) -> list[str]:
    """That many attempts were retried, and what to do before the ``goal``."""
    again, steps = sum(len(cell.retries) for cell in page.choice.rows), len(page.choice.plan.steps)
    if not steps or again / steps <= MAX_RETRIED_SHARE:
        return []
    verb = "was" if again == 1 else "were"
    return [
        f"{again} of {steps} attempts {verb} invalid and {verb} retried. That is more than "
        f"{100 * MAX_RETRIED_SHARE:.0f} %, so something disturbs this lab. The reasons are below. Remove the cause "
        f"before you {goal}."
    ]


def resume_notes(resumed: list[Resume]) -> list[str]:
    """A sentence on each resume with another sweep file: the run is judged as it was planned."""
    return [
        f"The run was resumed at {resume.at} with {_what(resume)}. It is judged as it was planned. "
        f"The differences are: {'; '.join(difference.sentence() for difference in resume.differences)}. "
        "To judge by them, start a new run."
        for resume in resumed
        if resume.differences
    ]


def _what(resume: Resume) -> str:
    """What differed when the run was resumed: the sweep file, the prices of the inventory, or both."""
    names = {difference.name for difference in resume.differences}
    if names == {PRICES}:
        return "other prices"
    return "another sweep file and other prices" if PRICES in names else "another sweep file"
