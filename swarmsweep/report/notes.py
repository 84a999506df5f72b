"""The sentences below the recommendation."""

from swarmsweep.choose import fixed_load
from swarmsweep.report.modes import Page
from swarmsweep.results.manifest import Resume

# If more than this share of the attempts was invalid the first time, the lab itself is disturbed.
MAX_RETRIED_SHARE = 0.2


def notes_of(page: Page) -> list[str]:
    """The facts that a reader must know before relying on the choice, as sentences."""
    choice = page.choice
    plan, cells, notes = choice.plan, choice.rows, page.notes()
    if beside := len(cells) - len(choice.candidates):
        notes.append(
            f"{beside} of {len(cells)} cells use another scenario than {plan.load['locustfile']}. They are "
            "shown for comparison and cannot be recommended."
        )
    if choice.chosen and (headroom := fixed_load.memory_headroom(choice.chosen)):
        notes.append(headroom)
    if any(cell.attempt_count == 1 for cell in cells):
        notes.append(
            "Each cell was deployed and loaded once, so the variation between deployments is unknown. "
            "Set repeat to 3 or more in the sweep file before you rely on a small difference."
        )
    again, steps = sum(len(cell.retries) for cell in cells), len(plan.steps)
    if steps and again / steps > MAX_RETRIED_SHARE:
        notes.append(
            f"{again} of {steps} attempts were invalid and were retried. That is more than "
            f"{100 * MAX_RETRIED_SHARE:.0f} %, so something disturbs this lab. The reasons are below. Remove the cause "
            "before you rely on the figures."
        )
    return notes


def resume_notes(resumed: list[Resume]) -> list[str]:
    """A sentence on each resume with another sweep file: the run is judged as it was planned."""
    return [
        f"The run was resumed at {resume.at} with another sweep file. It is judged as it was planned. "
        f"The differences are: {'; '.join(difference.sentence() for difference in resume.differences)}. "
        "For the other file, start a new run."
        for resume in resumed
        if resume.differences
    ]
