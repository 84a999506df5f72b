"""next.yml of a run, and what the page says of it."""

import os
import textwrap
from dataclasses import replace
from pathlib import Path
from shlex import quote

from msgspec import Struct

from swarmsweep.choose.next_sweep import NextSweep
from swarmsweep.lab.lab_command import USUAL, LabCommands
from swarmsweep.lab.repeated_arguments import note_on_hidden
from swarmsweep.markdown import code, markdown, one_line
from swarmsweep.plan.modes import mode_for
from swarmsweep.plan.planned import Plan
from swarmsweep.results.manifest import commands_of
from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load_secrets import OF_INVENTORY
from swarmsweep.sweep.sweep_text import sweep_text
from swarmsweep.units import counted, format_seconds

NEXT_FILE = "next.yml"
SCHEMA_LINE = "# yaml-language-server: $schema=../../docs/sweep.schema.json"
WIDTH = 120


class NextSection(Struct, frozen=True, kw_only=True):
    """What the page says of the next sweep, as text that is safe in Markdown. ``command`` is empty without a sweep."""

    reasons: list[str]
    duration: str
    command: str


class NextSummary(Struct, frozen=True, kw_only=True):
    """The same for summary.json. ``file`` and ``minutes`` are null without a sweep."""

    file: str | None
    minutes: float | None
    reasons: list[str]


def next_section(plan: Plan, following: NextSweep, commands: LabCommands = USUAL) -> NextSection:
    """The lines of the page."""
    has_sweep = following.sweep is not None
    return NextSection(
        reasons=[with_code(reason, following.command) for reason in following.reasons],
        duration=markdown(_duration(following)) if has_sweep else "",
        command=code_with_note(_command(plan, commands)) if has_sweep else "",
    )


def next_summary(following: NextSweep) -> NextSummary:
    """The part of summary.json."""
    seconds = following.seconds
    return NextSummary(
        file=None if following.sweep is None else NEXT_FILE,
        minutes=None if seconds is None else round(seconds / 60, 1),
        reasons=list(following.reasons),
    )


def next_text(run_dir: Path, plan: Plan, following: NextSweep) -> str:
    """The text of next.yml: a sweep file, or comments alone with the reason why there is none."""
    reasons = [line for reason in following.reasons for line in _reason_lines(reason, following.command)]
    if following.sweep is None:
        head = f"After run {plan.run_id}, there is no next sweep:"
        return "\n".join([_comment(head), *reasons]) + "\n"
    command = _command(plan, commands_of(run_dir))
    head = f"The next sweep after run {plan.run_id}. It takes {_duration(following)}. To start it:"
    # On one line, however long, so that it can be copied.
    start = f"# {one_line(command + note_on_hidden(command))}"
    comments = [SCHEMA_LINE, _comment(head), start, _comment("It would settle what is open:"), *reasons]
    return "\n".join(comments) + "\n" + sweep_text(_with_moved_secrets(following.sweep, plan, run_dir))


def _duration(following: NextSweep) -> str:
    """As 'about 7 min 12 s for 4 cells'."""
    if following.sweep is None or following.seconds is None:
        return ""
    sweep = following.sweep
    most = mode_for(sweep.load.as_json()).at_most
    deployed = f"{counted(len(sweep.cells), 'cell')} x {counted(sweep.repeat, 'deployment')}"
    return f"{most}about {format_seconds(following.seconds)}, for {deployed}"


def code_with_note(command: str) -> str:
    """A command as code, and a note where a value is hidden, as text that is safe in Markdown."""
    note = note_on_hidden(command).strip()
    return f"{code(command)} {markdown(note)}" if note else code(command)


def with_code(text: str, command: str) -> str:
    """A text with a command in it, which is shown as code, as text that is safe in Markdown."""
    if not command or command not in text:
        return markdown(text)
    before, _, after = text.partition(command)
    # The letter keeps the space beside the command.
    return f"{markdown(f'{before}x')[:-1]}{code(command)}{markdown(f'x{after}')[1:]}"


def _command(plan: Plan, commands: LabCommands) -> str:
    return commands.sweep(quote(f"{commands.reports}/{plan.run_id}/{NEXT_FILE}"))


def _reason_lines(reason: str, command: str) -> list[str]:
    """A reason as comments. A command in it is on one line, so that it can be copied."""
    text = one_line(reason)
    if not command or command not in text:
        return [_comment(f"- {text}", "  ")]
    before, _, after = text.partition(command)
    return [_comment(f"- {before}", "  "), f"#   {command}{after.removesuffix('.')}"]


def _comment(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent=f"# {indent}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _with_moved_secrets(sweep: Sweep, plan: Plan, run_dir: Path) -> Sweep:
    """The sweep with the same files of secrets: a relative path begins at the folder of the sweep file."""
    secrets = sweep.load.secrets
    if not secrets:
        return sweep
    folder = Path(plan.sweep_file or "").parent
    moved = {
        name: os.path.relpath(folder / path, run_dir) if _is_relative(path) else path for name, path in secrets.items()
    }
    return replace(sweep, load=replace(sweep.load, secrets=moved))


def _is_relative(path: str) -> bool:
    """Whether it is a path from the folder of the sweep file. The word for a secret of the inventory is no path."""
    return path != OF_INVENTORY and not path.startswith(("/", "~"))
