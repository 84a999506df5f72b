"""What the page says to do next: what to remove first, the sweep that settles what is open, and how to use the answer.

A step that the next sweep already takes is left out.
"""

from shlex import quote

from msgspec import Struct

from swarmsweep.choose.baseline import is_baseline
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.next_sweep import NextSweep
from swarmsweep.choose.questions import MIN_REPEAT, is_limited, some
from swarmsweep.lab.inventory_files import UNNAMED, settings_of
from swarmsweep.lab.lab_command import USUAL, LabCommands, further_inventories
from swarmsweep.markdown import code, markdown
from swarmsweep.plan.row import NOT_MEASURED, CheckEntry, Row
from swarmsweep.report.modes import Page
from swarmsweep.report.next_file import NextSection, code_with_note, next_section, with_code
from swarmsweep.sweep.sweep_text import flow
from swarmsweep.units import counted, format_memory, format_plain, listed

# The settings of axes that not every cell has. Axes in capitals are variables of `lab_api_env`.
_SETTINGS = {"image": "lab_api_image", "variant": "lab_api_variant"}


class NextSteps(Struct, frozen=True, kw_only=True):
    """The list of the page, as text that is safe in Markdown. ``use`` is empty where it would be too early."""

    first: list[str]
    sweep: NextSection
    use: str


def next_steps_of(
    page: Page, following: NextSweep, *, is_part: bool = False, commands: LabCommands = USUAL
) -> NextSteps:
    """What to do next. ``following`` is the sweep that would settle what is open.

    ``is_part``: the command left attempts for later, see `swarmsweep.plan.part`. ``commands`` are those for the lab of
    the run.
    """
    choice = page.choice
    cells, chosen = choice.rows, choice.chosen
    blocking = [*_advised(page, following), *map(markdown, page.next_steps(following))]
    if is_part or any(cell.status is None and cell.reason == NOT_MEASURED for cell in cells):
        resume = code_with_note(commands.sweep(f"-e resume={quote(choice.plan.run_id)}"))
        blocking.append(f"Measure what is missing: {resume}.{_retried(cells, following)}")
    further = [*_invalid(choice, following), *_once(cells, following)]
    if following.sweep is None and not blocking and not (further and following.is_settled):
        further = [*(with_code(reason, following.command) for reason in following.reasons), *further]
    can_use = chosen is not None and chosen.meets_slo and not blocking and _is_final(page, following)
    if chosen is not None and is_baseline(choice, chosen):
        # The inventory has it already, as a reason says.
        can_use = False
    return NextSteps(
        first=[*_noisy(cells, choice.plan.colocated), *blocking, *further],
        sweep=next_section(choice.plan, following, commands),
        use=_use_of(chosen, commands) if chosen is not None and can_use else "",
    )


def _advised(page: Page, following: NextSweep) -> list[str]:
    """The advice of the recommendation.

    More deployments of a cell that was deployed once are in the next sweep. So are all cells, where each is invalid.
    Where none reaches the target, so is the best one, if its capacity may be higher.
    """
    choice = page.choice
    best = choice.nearest() if choice.chosen is None else None
    capacity = None if best is None or best.id not in following.cell_ids else best.capacity
    if capacity is not None and capacity.is_lower_bound:
        return []
    if choice.chosen is not None and choice.chosen.attempt_count == 1 and _repeats(following):
        return []
    states = {cell.status for cell in choice.rows}
    again = "failed" not in states and any(cell.id in following.cell_ids for cell in choice.rows)
    if again and all(cell.status != "valid" for cell in choice.candidates if not cell.twin_of):
        return []
    return [markdown(step) for step in choice.recommendation.next_steps]


def _noisy(cells: list[Row], colocated: bool) -> list[str]:
    """How to find the programs that made cells invalid."""
    count = sum(cell.status == "invalid" and any(map(_is_noise, cell.checks)) for cell in cells)
    if not count:
        return []
    where = "on the computer that the machines run on" if colocated else "on each host that a reason names"
    return [
        f"Noisy neighbours made {counted(count, 'cell')} invalid. `top -o %CPU` {where} shows their programs. "
        "End them, or measure while they are idle. If it shows none, other machines use the same cores. "
        "Then measure on cores that only the lab uses."
    ]


def _is_noise(check: CheckEntry) -> bool:
    return check.name == "foreign_cpu" and check.passed is False and not check.warning


def _invalid(choice: Choice, following: NextSweep) -> list[str]:
    """The invalid cells that no next command measures again. Without a valid cell, the answer names them."""
    left = [cell for cell in choice.rows if cell.status == "invalid" and cell.id not in following.cell_ids]
    if not choice.is_measured or not left:
        return []
    verb, causes, them = ("is", "the cause", "it") if len(left) == 1 else ("are", "the causes", "them")
    where = 'The section "Are the figures valid?" says why.'
    return [markdown(f"{some(left)} {verb} invalid. {where} Remove {causes} before you measure {them} again.")]


def _retried(cells: list[Row], following: NextSweep) -> str:
    """That the command also retries invalid attempts; empty without one."""
    rows = [cell for cell in cells if cell.id in following.resumed]
    if not rows:
        return ""
    causes = "the cause, which is" if len(rows) == 1 else "the causes, which are"
    return f" This also retries the invalid attempts of {markdown(some(rows))}. First remove {causes} below."


def _once(cells: list[Row], following: NextSweep) -> list[str]:
    counts = [cell.attempt_count for cell in cells if cell.status == "valid"]
    if _repeats(following) or 1 not in counts:
        return []
    which = "Each measured cell was" if set(counts) == {1} else "Some cells were"
    return [
        f"{which} deployed and loaded once, so the variation between deployments is unknown. "
        f"Set `repeat` to {MIN_REPEAT} or more in the sweep file before you rely on a small difference."
    ]


def _is_final(page: Page, following: NextSweep) -> bool:
    """Whether the answer may be used before the next sweep: it has the load of the run, or nothing is open.

    A next sweep with another load measures what the load of the run could not show.
    """
    if following.sweep is None:
        return following.is_settled
    load, chosen = page.choice.plan.load, page.choice.chosen
    # More Locust workers make the same load, and show more of a cell that they limited.
    same = () if chosen is not None and is_limited(chosen) else ("workers",)
    keys = [key for key in load if key not in same]
    following_load = following.sweep.load.as_json()
    return all(load[key] == following_load[key] for key in keys if key in following_load)


def _repeats(following: NextSweep) -> bool:
    return following.sweep is not None and following.sweep.repeat >= MIN_REPEAT


def _use_of(chosen: Row, commands: LabCommands) -> str:
    """How the lab's own deployment takes the configuration."""
    config = chosen.config
    values = {
        "lab_api_replicas": config["replicas"],
        "lab_api_cpus": format_plain(config["cpus"]),
        "lab_api_memory": format_memory(config["memory_bytes"]),
        "lab_api_workers": config["workers"],
    }
    values |= {setting: flow(config[axis]) for axis, setting in _SETTINGS.items() if axis in config}
    texts = [code(f"{name}: {value}") for name, value in values.items()]
    variables = [code(f"{axis}: {flow(value)}") for axis, value in config.items() if axis.isupper()]
    in_env = f", and in {code('lab_api_env')} {listed(variables)}" if variables else ""
    file = settings_of(commands.inventory)
    place = file if file == UNNAMED else code(file)
    site = code_with_note(commands.in_text("./lab site --tags api") + further_inventories(commands.inventories))
    return f"To use the configuration in this lab, set {listed(texts)}{in_env}. The file is {place}. Then run {site}."
