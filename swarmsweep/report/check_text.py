"""The text of `./lab check`: what one user saw of one deployment, and what looks wrong."""

import re
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.judge.checks.answers import kinds_in_words
from swarmsweep.lab.inventory_files import settings_of
from swarmsweep.lab.kept_api import setting_that_helps
from swarmsweep.lab.lab_command import LabCommands
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import Row
from swarmsweep.plan.row_file import read_row
from swarmsweep.plan.run_folder import attempt_dir, read_plan
from swarmsweep.record_file import Real, Whole, read_record
from swarmsweep.results.manifest import commands_of, read_manifest
from swarmsweep.units import counted, format_bytes, format_figure, format_memory

# Checks of an attempt that hold for a few requests of one user too. The others are about figures.
SOUND_FOR_ONE_USER = frozenset(
    {
        "some_requests", "counted_by_haproxy", "replicas_unchanged", "limits_as_labelled", "answers_correct",
        "errors_explained", "workers_present", "users_stayed",
    }
)  # fmt: skip
# Above this share of its limit, a replica that has hardly any load is likely to be killed under load.
MEMORY_SHARE = 0.8
# Above this share of the time limit, a slower machine or a smaller CPU limit is too slow.
READY_SHARE = 0.5
# What os.environ raises for a variable that is not set.
ENVIRONMENT_KEY = re.compile(r"^KeyError: '([A-Z][A-Z0-9_]*)'")
# The first characters of a body, which are shown on one line.
SHOWN_CHARACTERS = 160


class ReadyTimes(Struct, frozen=True):
    """The part of deploy.json that says how long the API took to start."""

    ready_seconds: Real | None = None


class FirstResponse(Struct, frozen=True):
    """first-*.json and task-first-*.json of a load (see loadgen/closed/first_response.py)."""

    name: str
    method: str
    status: Whole | None = None
    content_type: str | None = None
    size_bytes: Whole | None = None
    start: str = ""
    latency_ms: Real | None = None
    error: str | None = None
    is_setup: bool = False


@dataclass(frozen=True)
class CheckText:
    """What is printed, what looks wrong, and whether the API ran in the cell or was not touched."""

    lines: list[str]
    problems: list[str]
    deployed: bool


def check_text(run: Path, ready_limit_seconds: float, commands: LabCommands | None = None) -> CheckText:
    """The text on the only attempt of a run. ``commands`` are those for its lab; None: as the manifest has them."""
    plan = read_plan(run)
    cell = plan.cells[0]
    folder = attempt_dir(run, cell.id, 1)
    if cell.infeasible_reason:
        return CheckText([f"{cell.id} was not deployed"], [cell.infeasible_reason], deployed=True)
    row = read_row(folder / "trial.json", run, cell)
    first = _first(folder, "first-*.json")
    # Without a login, it is the first of all.
    after_setup = first is not None and first.is_setup
    of_task = _first(folder, "task-first-*.json") if after_setup else None
    commands = commands or commands_of(run)
    ready = _ready_seconds(folder)
    lines = [
        f"{cell.id}, scenario {plan.load_of(cell)['locustfile']}, one user",
        *_line("inventory", ", ".join(commands.inventories)),
        *_line("image", _image(run, cell) or "not recorded"),
        *_line("ready", None if ready is None else f"after {format_figure(ready)} s"),
        *_response_lines("first response", first),
        *(_response_lines("first of a task", of_task) if after_setup else []),
        *_line("requests", _requests(row)),
        *_redirect_lines(row),
        *_line("memory", _memory(row, cell)),
        *_line("processes", _processes(row, cell)),
    ]
    settings_file = settings_of(commands.inventory)
    problems = _problems(row, cell, [first, of_task], ready, ready_limit_seconds, settings_file)
    if row.status == "failed" and row.log_tail:
        lines += ["  last lines of the log:", *(f"    {_printable(line)}" for line in row.log_tail)]
    return CheckText(lines, problems, deployed=row.status != "failed")


def check_sentence(row: Row) -> str:
    """The outcome of the attempt in one line. A few requests of one user are no load, so they get no judgement."""
    if row.status == "failed" or row.requests is None or _did_not_run(row):
        return f"{row.status}: {row.reason}"
    return f"{counted(row.requests, 'request')}, of which {row.failures} failed"


def _did_not_run(row: Row) -> bool:
    """Whether the reason is another one than the checks: a program of the load has died, or the bench broke."""
    failed = [check.sentence for check in row.checks if check.passed is False and not check.warning]
    return row.status == "invalid" and row.reason != "; ".join(failed)


def _line(name: str, text: str | None) -> list[str]:
    return [f"  {name:<16}{'not measured' if text is None else text}"]


def _image(run: Path, cell: PlannedCell) -> str | None:
    """The image of the cell, without its digest; None where the manifest does not have it."""
    if named := cell.config.get("image"):
        return str(named)
    try:
        images = read_manifest(run).get("images")
    except LabError:
        return None
    image = images.get("api") if isinstance(images, dict) else None
    return image.partition(" ")[0] if isinstance(image, str) else None


def _first(folder: Path, pattern: str) -> FirstResponse | None:
    """The first response of the worker whose user sent a request."""
    for path in sorted((folder / "locust").glob(pattern)):
        return read_record(path, FirstResponse)
    return None


def _ready_seconds(folder: Path) -> float | None:
    path = folder / "deploy.json"
    return read_record(path, ReadyTimes).ready_seconds if path.is_file() else None


def _response_lines(title: str, first: FirstResponse | None) -> list[str]:
    if first is None:
        return _line(title, None)
    request = f"{first.method} {first.name}"
    if first.status is None:
        return _line(title, f"{_printable(request)}: none, {_printable(first.error or 'no reason recorded')}")
    size = "body not read" if first.size_bytes is None else format_bytes(first.size_bytes)
    latency = "" if first.latency_ms is None else f", {format_figure(first.latency_ms)} ms"
    kind = first.content_type or "no content type"
    lines = _line(title, _printable(f"{request}: status {first.status}, {kind}, {size}{latency}"))
    return [*lines, f"  {'':<16}{_printable(first.start)}"] if first.start else lines


def _requests(row: Row) -> str | None:
    if row.requests is None:
        return None
    median = "" if row.latency_ms.p50 is None else f", median {format_figure(row.latency_ms.p50)} ms"
    return f"{row.requests}, of which {row.failures} failed{median}"


def _redirect_lines(row: Row) -> list[str]:
    """Frameworks redirect /predict to /predict/, so one request of a user is two. Not wrong, but seldom wanted."""
    followed = row.request_counts.redirects_followed if row.request_counts else 0
    if not followed:
        return []
    return _line("redirects", f"{followed} followed. To measure one request, write the final path into the locustfile")


def _memory(row: Row, cell: PlannedCell) -> str | None:
    peak = row.api.memory_peak_bytes
    return None if peak is None else f"{format_bytes(peak)} at most, of {format_memory(cell.config['memory_bytes'])}"


def _processes(row: Row, cell: PlannedCell) -> str | None:
    if row.server_processes is None:
        return None
    return f"serving the port in each replica: {row.server_processes} (the cell says workers: {cell.config['workers']})"


def _problems(
    row: Row,
    cell: PlannedCell,
    responses: list[FirstResponse | None],
    ready: float | None,
    ready_limit: float,
    settings_file: str,
) -> list[str]:
    """What looks wrong, the cause before its consequences."""
    if row.status == "failed":
        return _problems_of_failure(row.reason or "the deployment failed", settings_file)
    found = []
    if _did_not_run(row):
        found.append(row.reason or "the load did not run")
    for request, response in zip(("The first request", "The first request of a task"), responses, strict=True):
        if response is None:
            continue
        if response.status is None:
            found.append(f"{request} got no response: {_printable(response.error or 'no reason recorded')}")
        else:
            found += _problems_of_response(response)
    if row.failures:
        kinds = f": {kinds_in_words(row.failure_kinds)}" if row.failure_kinds else ""
        found.append(f"{row.failures} of {row.requests} requests failed{kinds}")
    found += [f"A task raised {_printable(text)} ({count} times)" for text, count in row.exceptions.items()]
    found += [
        f"If {name} is a variable of the environment, set it in the sweep file below load:, as env or as secrets"
        for text in row.exceptions
        for name in ENVIRONMENT_KEY.findall(text)
    ]
    # The exceptions say why no request began.
    expected = SOUND_FOR_ONE_USER - ({"some_requests"} if row.exceptions else set())
    found += [check.sentence for check in row.checks if check.passed is False and check.name in expected]
    peak, limit = row.api.memory_peak_bytes, cell.config["memory_bytes"]
    if peak is not None and peak > MEMORY_SHARE * limit:
        found.append(
            f"Memory is at {100 * peak / limit:.0f} % of the limit with one user. Set a larger memory in the sweep file"
        )
    processes = row.server_processes
    if isinstance(processes, int) and processes != cell.config["workers"]:
        run = "1 server process runs" if processes == 1 else f"{processes} server processes run"
        found.append(
            f"{run}, and the cell says workers: {cell.config['workers']}. "
            "Set lab_api_workers_env to the variable that the image reads. "
            f"Or write workers: {processes} in the sweep file"
        )
    if ready is not None and ready > READY_SHARE * ready_limit:
        found.append(
            f"The API took {ready:.0f} s of {ready_limit:.0f} s to start. Set lab_api_ready_timeout_seconds higher"
        )
    return list(dict.fromkeys(found))


def _problems_of_failure(reason: str, settings_file: str) -> list[str]:
    """Why the API did not start, and what to set if that is known."""
    if "OOM" in reason:
        return [reason, "Fix: set a larger memory in the sweep file"]
    fix = setting_that_helps(reason)
    return [reason] if fix is None else [reason, f"Fix: {fix} ({settings_file})"]


def _problems_of_response(first: FirstResponse) -> list[str]:
    request = _printable(f"{first.method} {first.name}")
    if first.status is not None and first.status >= 400:
        return [f"{request} returned status {first.status}. Compare path, method and body with those of the API"]
    found = []
    if first.size_bytes == 0:
        found.append(f"{request} returned an empty body")
    if "text/html" in (first.content_type or ""):
        found.append(f"{request} returned a page of HTML. A path of an API returns data, for example JSON")
    return found


def _printable(text: str) -> str:
    """Foreign text on one line: each control sign as its escape."""
    signs = (sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    line = "".join(signs)
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]} ..."
