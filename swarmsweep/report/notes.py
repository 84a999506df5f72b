"""The sentences below the recommendation."""

from swarmsweep.choose import fixed_load
from swarmsweep.report.modes import Page

# More attempts than this share that were invalid the first time say that the lab itself is disturbed.
MAX_RETRIED_SHARE = 0.2


def notes_of(page: Page) -> list[str]:
    """What a reader must know before relying on the choice, as sentences."""
    choice = page.choice
    plan, cells, notes = choice.plan, choice.rows, page.notes()
    if beside := len(cells) - len(choice.candidates):
        notes.append(
            f"{beside} of {len(cells)} cells ask something else than {plan.load['locustfile']}: they are there to "
            "compare with, and cannot be chosen."
        )
    if choice.chosen and (headroom := fixed_load.memory_headroom(choice.chosen)):
        notes.append(headroom)
    if any(cell.attempt_count == 1 for cell in cells):
        notes.append(
            "Each cell was deployed and loaded once, so how much the figures vary between deployments is not known; "
            "set repeat to 3 or more in the sweep file before you rely on a small difference."
        )
    again, steps = sum(len(cell.retries) for cell in cells), len(plan.steps)
    if steps and again / steps > MAX_RETRIED_SHARE:
        notes.append(
            f"{again} of {steps} attempts were invalid and had to be made again, more than "
            f"{100 * MAX_RETRIED_SHARE:.0f} %: something disturbs this lab. Find it before you rely on the "
            "figures; the reasons are below."
        )
    return notes
