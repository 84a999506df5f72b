"""The content of summary.md."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from swarmsweep.choose.money import money_of
from swarmsweep.choose.next_sweep import NextSweep
from swarmsweep.choose.recommendation import Recommendation
from swarmsweep.choose.rules import rules_of
from swarmsweep.choose.scaling import scalings_of
from swarmsweep.lab.lab_command import LabCommands
from swarmsweep.markdown import markdown
from swarmsweep.plan.load_text import OtherLoad, load_sentence, other_loads
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import NOT_MEASURED, Row
from swarmsweep.report import page_lists, page_rows
from swarmsweep.report.capacity_page import CapacitySection
from swarmsweep.report.endpoint_tables import EndpointSection, endpoint_section
from swarmsweep.report.environment import Section, environment_sections
from swarmsweep.report.host_tables import HostSection, host_section
from swarmsweep.report.ladder import Stage
from swarmsweep.report.modes import Page
from swarmsweep.report.money_page import MoneySection, money_section
from swarmsweep.report.next_file import code_with_note, with_code
from swarmsweep.report.next_steps import NextSteps, next_steps_of
from swarmsweep.report.notes import cautions_of, cautions_title, reasons_of, resume_notes
from swarmsweep.report.overview import Overview, overview
from swarmsweep.report.rule_lists import RuleGroup, rule_groups
from swarmsweep.report.summary_csv import extra_axes
from swarmsweep.report.user_class_tables import ClassSection, user_class_section
from swarmsweep.results import slo as slo_of
from swarmsweep.results.manifest import Resume, commands_of
from swarmsweep.results.retry import left_by_part
from swarmsweep.results.shared_failure import again_command, end_sentence
from swarmsweep.sweep.matrix import MEMORY_PRICE_PER_GIB
from swarmsweep.units import format_figure


class SummaryPage(Struct, frozen=True, kw_only=True):
    """The values for the template summary.md.j2, as text that is already safe in Markdown.

    ``answer`` to ``overview`` are the first screen. The rest is below it.
    """

    title: str
    run_id: str
    again: str
    colocated: bool
    answer: list[str]
    reasons: list[str]
    next_steps: NextSteps
    cautions_title: str
    cautions: list[str]
    slo: str
    load: str
    think_time: str | None
    overview: Overview
    capacity: CapacitySection | None
    other_loads: list[OtherLoad]
    rules: list[RuleGroup]
    ladder_header: list[str]
    ladder: list[list[str]]
    unsplit: list[page_lists.Unsplit]
    memory_price: float
    cost_unit: str
    money: MoneySection | None
    header: list[str]
    verdict_column: str
    rows: list[list[str]]
    lower_bounds: bool
    endpoints: EndpointSection | None
    user_classes: ClassSection | None
    undecided: list[page_lists.UndecidedLine]
    exceptions: list[page_lists.Exceptions]
    failure_kinds: list[page_lists.FailureKinds]
    request_notes: list[page_lists.RequestNote]
    bottlenecks: list[page_lists.BottleneckLine]
    bottleneck_counts: str
    hosts: HostSection | None
    failed_checks: list[page_lists.FailedCheck]
    is_checked: bool
    otherwise_invalid: list[page_lists.InvalidLine]
    retries: list[page_lists.RetryLine]
    warnings: list[page_lists.SharedWarning]
    check_counts: str
    logs: list[page_lists.LogLines]
    setting: list[Section]
    unmeasured: int
    left_out: str


def summary_page(
    run_dir: Path, page: Page, ladder: list[Stage], resumed: list[Resume], following: NextSweep
) -> SummaryPage:
    """The page on the rows of a run. ``resumed`` is when it was resumed, and with which differences.

    ``following`` is the sweep that would settle what is open.
    """
    choice = page.choice
    plan, cells, chosen = choice.plan, choice.rows, choice.chosen
    axes = extra_axes(cells)
    bottlenecks = page_lists.bottlenecks_of(cells, choice.candidates)
    failed_checks, retries = page_lists.failed_checks_of(cells), page_lists.retries_of(cells)
    invalid, warnings = page_lists.otherwise_invalid_of(cells), page_lists.warnings_of(cells)
    verdicts = [check.verdict for check in failed_checks] + ["invalid"] * len(invalid)
    commands = commands_of(run_dir)
    part = _part_notes(run_dir, plan)
    return SummaryPage(
        title=markdown(plan.sweep),
        run_id=markdown(plan.run_id),
        again=_again(plan, commands),
        colocated=plan.colocated,
        answer=_answer(choice.recommendation),
        reasons=[markdown(reason) for reason in reasons_of(page)],
        next_steps=next_steps_of(page, following, is_part=bool(part), commands=commands),
        cautions_title=cautions_title(page),
        cautions=[markdown(note) for note in (*cautions_of(page), *resume_notes(resumed), *part)],
        slo=markdown(slo_of.describe(plan.limits)),
        load=markdown(load_sentence(plan)),
        think_time=_think_time(cells),
        overview=overview(page),
        capacity=page.section(),
        other_loads=other_loads(plan),
        rules=rule_groups(rules_of(choice), scalings_of(choice)),
        ladder_header=page_rows.ladder_header(),
        ladder=[page_rows.ladder_row(stage) for stage in ladder],
        unsplit=page_lists.unsplit_of(cells) if ladder else [],
        memory_price=MEMORY_PRICE_PER_GIB,
        cost_unit=markdown(choice.tariff.unit),
        money=money_section(choice, money_of(choice)),
        header=page_rows.header(axes, page.load_column, page.verdict_column),
        verdict_column=page.verdict_column,
        rows=[page_rows.row_of(cell, axes, cell is chosen, page.load_figure(cell), choice.tariff) for cell in cells],
        lower_bounds=any(cell.lower_bounds for cell in cells),
        endpoints=endpoint_section(cells, plan.limits),
        user_classes=user_class_section(cells),
        undecided=page_lists.undecided_of(cells, plan.limits),
        exceptions=[page_lists.exceptions_of(cell) for cell in cells if cell.exceptions],
        request_notes=page_lists.request_notes_of(cells),
        failure_kinds=page_lists.failure_kinds_of(cells),
        bottlenecks=bottlenecks,
        bottleneck_counts=_counts(line.word for line in bottlenecks),
        hosts=host_section(cells),
        failed_checks=failed_checks,
        is_checked=any(cell.checks for cell in cells),
        otherwise_invalid=invalid,
        retries=retries,
        warnings=warnings,
        check_counts=_counts([*verdicts, *["retried"] * len(retries), *["warning"] * len(warnings)]),
        logs=[page_lists.log_of(cell) for cell in cells if cell.log_tail],
        setting=environment_sections(run_dir, plan, page.order()),
        unmeasured=sum(cell.status is None and cell.reason == NOT_MEASURED for cell in cells),
        left_out=with_code(end_sentence(run_dir, plan) or "", again_command(run_dir, plan)),
    )


def _again(plan: Plan, commands: LabCommands) -> str:
    """The command that builds the report again. Beside commands that name an inventory, it says why it names none."""
    return code_with_note(commands.report(plan.run_id)) + (", which reads no inventory" if commands.prefix else "")


def _counts(words: Iterable[str]) -> str:
    """The words with their numbers, the most frequent first, as 'cpu throttled: 2, memory: 1'."""
    return ", ".join(f"{word}: {count}" for word, count in Counter(words).most_common())


def _part_notes(run_dir: Path, plan: Plan) -> list[str]:
    """What the command left out of the sweep. The next step has the command that measures it."""
    left = left_by_part(run_dir, plan, with_command=False)
    return [f"A part of the sweep was measured. {left}"] if left else []


def _think_time(cells: list[Row]) -> str | None:
    """The mean think times that were measured; None where none was."""
    known = [cell.think_time_seconds for cell in cells if cell.think_time_seconds is not None]
    if not known:
        return None
    low, high = _seconds_text(min(known)), _seconds_text(max(known))
    return low if low == high else f"{low} to {high}, by cell"


def _seconds_text(seconds: float) -> str:
    return f"{format_figure(seconds)} s" if seconds >= 1 else f"{format_figure(1000 * seconds)} ms"


def _answer(recommendation: Recommendation) -> list[str]:
    """The paragraphs of the answer, with the name of the recommended cell in bold."""
    name = markdown(recommendation.cell_id or "")
    return [
        paragraph.replace(f"Take {name} ", f"Take **{name}** ", 1) if name else paragraph
        for paragraph in map(markdown, recommendation.answer)
    ]
