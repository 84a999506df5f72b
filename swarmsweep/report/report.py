"""Run folder -> summary.json, .csv, .md, .html, next.yml and plots/, from the stored files alone.

The same files give the same bytes: this code reads no clock, locale or property of the machine.
"""

from pathlib import Path

from msgspec import UNSET
from msgspec.structs import asdict, replace

from swarmsweep.choose.money import money_of
from swarmsweep.choose.next_sweep import next_sweep
from swarmsweep.files import read_json, write_atomically, write_json
from swarmsweep.lab.lab_command import LabCommands
from swarmsweep.markdown import markdown, one_line
from swarmsweep.plan.part import read_part, reasons
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import Row, unmeasured_row
from swarmsweep.plan.row_file import has_row, read_row
from swarmsweep.plan.run_folder import PARTIAL_FILE, attempt_dir, newest_run, read_plan
from swarmsweep.report.draw import svg
from swarmsweep.report.html_page import html_page
from swarmsweep.report.ladder import stages
from swarmsweep.report.modes import page_of
from swarmsweep.report.next_file import NEXT_FILE, next_summary, next_text
from swarmsweep.report.page import summary_page
from swarmsweep.report.pictures import Picture, pictures_of
from swarmsweep.report.summary_csv import as_csv
from swarmsweep.report.summary_json import summarise, summary_json
from swarmsweep.report.templating import render
from swarmsweep.results.manifest import commands_of, resumes_of
from swarmsweep.results.retry import left_by_part, left_retries
from swarmsweep.results.shared_failure import unmeasured_reasons
from swarmsweep.results.workers_axis import judge_workers

# Pictures that stand beside the table of the same figures.
MAIN = ("rps", "ladder")


def write_report(run_dir: Path | str, reports_dir: Path | str = "reports") -> Path:
    """Write the report of a run into its folder and return the path of its summary.md.

    Copies summary.md, .html and .json to ``reports_dir`` when the run is the newest there. Raises `LabError` when
    the folder is no run folder or a file in it is damaged.
    """
    run_dir, reports_dir = Path(run_dir), Path(reports_dir)
    plan = read_plan(run_dir)
    commands = commands_of(run_dir)
    cells = [_with_inventory(row, commands) for row in read_cells(run_dir, plan)]
    page = page_of(plan, cells)
    resumed = resumes_of(run_dir)
    left = left_by_part(run_dir, plan, with_command=False)
    following = next_sweep(page.choice, commands, left, left_retries(run_dir))
    summary = summary_json(summarise(page.choice, resumed, next_summary(following)))
    write_json(run_dir / "summary.json", summary)
    ladder = stages(plan, cells)
    write_atomically(run_dir / "summary.csv", as_csv(cells, ladder, page.searches, money_of(page.choice)))
    write_atomically(run_dir / NEXT_FILE, next_text(run_dir, plan, following))
    drawn = [(picture, svg(picture.spec, picture.name)) for picture in pictures_of(run_dir, page, ladder)]
    for picture, drawing in drawn:
        write_atomically(run_dir / "plots" / f"{picture.name}.svg", drawing)
    content = summary_page(run_dir, page, ladder, resumed or [], following)
    html = html_page(content, cells, page.choice.chosen, drawn)
    write_atomically(run_dir / "summary.html", html)
    shown = asdict(content) | {"pictures": [_further(picture) for picture, _ in drawn if picture.name not in MAIN]}
    write_atomically(run_dir / "summary.md", render("summary.md.j2", shown | {"folder": ""}))
    if newest_run(reports_dir, default=run_dir).resolve() == run_dir.resolve():
        write_json(reports_dir / "summary.json", summary)
        write_atomically(reports_dir / "summary.html", html)
        write_atomically(reports_dir / "summary.md", render("summary.md.j2", shown | {"folder": f"{run_dir.name}/"}))
    return run_dir / "summary.md"


def _with_inventory(row: Row, commands: LabCommands) -> Row:
    """A row whose reasons and steps name the inventory in their commands of ./lab. Its file has no inventory."""
    if not commands.prefix:
        return row

    def named(text: str | None) -> str | None:
        return None if text is None else commands.in_text(text)

    capacity = row.capacity
    return replace(
        row,
        reason=named(row.reason),
        capacity=None if capacity is None else replace(capacity, next_step=named(capacity.next_step)),
        retries=[replace(retry, reason=named(retry.reason)) for retry in row.retries],
        checks=[replace(check, sentence=commands.in_text(check.sentence)) for check in row.checks],
        attempts=[
            replace(attempt, reason=named(attempt.reason), next_step=named(attempt.next_step))
            for attempt in row.attempts
        ],
    )


def _further(picture: Picture) -> dict[str, str]:
    """A picture of the section of further ones, as text that is safe in Markdown."""
    return {"name": picture.name, "title": markdown(picture.title), "sentence": markdown(picture.sentence)}


def report_lines(summary: Path) -> list[str]:
    """The lines for a terminal: the recommendation in the report beside a summary.md, and the path of both."""
    sentence = read_json(summary.with_name("summary.json"))["recommendation"]["sentence"]
    return [one_line(sentence), f"summary: {summary}"]


def read_cells(run_dir: Path, plan: Plan) -> list[Row]:
    """The rows of all planned cells in the order of the plan; a cell without cell.json is not measured yet.

    A cell that was left out after some of its attempts has a row of these, or that of the last one. The rows are also
    judged together, see `workers_axis`.
    """
    left_out = reasons(read_part(run_dir), [cell.id for cell in plan.cells]) | unmeasured_reasons(run_dir, plan)
    rows = [_read_cell(run_dir, plan, cell, left_out.get(cell.id)) for cell in plan.cells]
    return judge_workers(rows, plan.added_cell)


def _read_cell(run_dir: Path, plan: Plan, cell: PlannedCell, left_out: str | None) -> Row:
    path = run_dir / "cells" / cell.id / "cell.json"
    if has_row(path):
        return read_row(path, run_dir, cell)
    if left_out is None:
        return unmeasured_row(cell)
    if has_row(partial := path.with_name(PARTIAL_FILE)):
        return read_row(partial, run_dir, cell)
    trials = (attempt_dir(run_dir, cell.id, attempt, "trial.json") for attempt in range(plan.repeat, 0, -1))
    trial = next((trial for trial in trials if has_row(trial)), None)
    return unmeasured_row(cell, left_out) if trial is None else replace(read_row(trial, run_dir, cell), attempt=UNSET)
