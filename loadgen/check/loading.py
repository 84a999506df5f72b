"""Load a scenario in a separate process, as `locust -f` does, and report why it cannot run: see program.py."""

import contextlib
import io
import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from loadgen.check.tasks import gives_tasks_later, line_of, tags_of, without_tasks
from loadgen.common.secrets_folder import hide

# Maximum characters of a text that a scenario raised or printed; more does not help to find the cause.
MAX_CHARACTERS = 300
LOADED = b"\n"
# The module in which os.environ raises.
OS_FILES = (os.__file__, "<frozen os>")


def judge(report: int, mode: str, files: list[str]) -> None:
    """Load the files as `locust -f` does, and write the report. It never returns, as threads may continue to run."""
    scenario, files = files[0], files[1:]
    # The same path as for the command `locust`. The package and the programs beside it can be imported only while one
    # of them is loaded.
    sys.path[0] = str(Path(sys.executable).parent)
    sys.argv = ["locust", "-f", ",".join(files), "--headless", "--host", "http://127.0.0.1"]
    # A broken installation is not a mistake of the scenario: its traceback is the last output of the child.
    from locust import main as locust_main

    os.write(report, LOADED)
    result = load(locust_main, scenario, files, mode)
    os.write(report, json.dumps(result).encode() + b"\n")
    os._exit(0)


def load(locust_main: Any, scenario: str, files: list[str], mode: str) -> dict[str, Any]:
    """The report on one scenario."""
    stderr = Copy()
    try:
        with contextlib.redirect_stderr(stderr):
            users, shapes, tasks, shape = locust_main.merge_locustfiles_content(files)
    except SystemExit as error:
        if ended_by(error) == locust_main.__file__:
            return {"problem": "locust", "text": shorten(stderr.getvalue())}
        code = 0 if error.code is None else error.code
        if isinstance(code, int):
            return {"problem": "exit", "code": code, "words": ""}
        return {"problem": "exit", "code": 1, "words": shorten(code)}
    except BaseException as error:  # Locust would end with any exception of the scenario
        return describe(error, scenario)
    if shape is not None:
        return {"problem": "shape", "name": type(shape).__name__, "line": line_of(type(shape))}
    if not users:
        names = abstract_users(scenario)
        return {"problem": "abstract", "names": names} if names else {"problem": "no_user"}
    chosen = os.environ.get("LOCUST_USER_CLASSES", "").split()
    if missing := [name for name in chosen if name not in users]:
        return {"problem": "no_class", "names": missing, "available": sorted(users)}
    classes = [users[name] for name in chosen or users]
    if mode == "capacity" and (len(classes) != 1 or not issubclass(classes[0], open_loop_user())):
        return {"problem": "not_open_loop", "names": sorted(users)}
    if mode == "arrivals" and (fixed := sorted(one.__name__ for one in classes if one.fixed_count)):
        return {"problem": "fixed_count", "names": fixed}
    if not gives_tasks_later() and (empty := next(without_tasks(classes), None)):
        return {"problem": "no_task", "name": empty.__name__, "line": line_of(empty)}
    problem = start(locust_main, scenario, files, classes, users, shapes, tasks)
    return problem or {"problem": None, "users": sorted(one.__name__ for one in classes)}


def start(
    locust_main: Any, scenario: str, files: list[str], classes: list[type], users: dict, shapes: dict, tasks: dict
) -> dict | None:
    """The next steps of Locust: its options, including the scenario's, and the environment. None when they succeed."""
    stderr, uncaught = Copy(), Uncaught()
    logging.getLogger().addHandler(uncaught)
    try:
        with contextlib.redirect_stderr(stderr):
            options = locust_main.get_parser().parse_args()
    except SystemExit:
        return {"problem": "options", "text": shorten(stderr.getvalue().rpartition("error: ")[2])}
    except BaseException as error:
        return describe(error, scenario)
    if uncaught.error is not None:
        report = describe(uncaught.error, scenario)
        return report | {"problem": "options"} if report["type"] == "ArgumentError" else report
    try:
        environment = locust_main.create_environment(
            classes,
            options,
            locustfile=Path(files[0]).name,
            parsed_locustfiles=files,
            available_user_classes=users,
            available_shape_classes=shapes,
            available_user_tasks=tasks,
        )
        return filter_tasks(environment, options)
    except BaseException as error:
        return describe(error, scenario)


def filter_tasks(environment: Any, options: Any) -> dict[str, Any] | None:
    """Leave out tasks by their tags, as Locust does when a load begins; None unless a tag or a task is missing."""
    if gives_tasks_later() or not (wanted := [*(options.tags or []), *(options.exclude_tags or [])]):
        return None
    classes = list(environment.user_classes)
    available = tags_of(classes)
    if missing := [name for name in dict.fromkeys(wanted) if name not in available]:
        return {"problem": "no_tag", "names": missing, "available": sorted(available)}
    environment._filter_tasks_by_tags()
    if empty := next(without_tasks(classes), None):
        return {"problem": "none_left", "name": empty.__name__, "line": line_of(empty)}
    return None


class Copy:
    """Standard error, with a copy of its text: Python may end before the text is read here.

    All else is the real stream's, because a scenario may use its ``fileno`` or ``buffer``.
    """

    def __init__(self) -> None:
        self._text = io.StringIO()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.__stderr__, name)

    def write(self, text: str) -> int:
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
        return self._text.write(text)

    def getvalue(self) -> str:
        """The text that was written, by `write` alone."""
        return self._text.getvalue()


class Uncaught(logging.Handler):
    """The first exception of a listener: Locust logs it, goes on, and ends with exit code 2."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Uncaught exception in event handler"):
            self.error = self.error or sys.exc_info()[1]


def describe(error: BaseException, scenario: str) -> dict[str, Any]:
    """Describe an exception: the last line of its traceback, and the place in the user's files where it occurred."""
    folder = Path(scenario).parent
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    name = type(error).__name__
    report = {"problem": "error", "type": name, "text": shorten(f"{name}: {error}" if str(error) else name)}
    if isinstance(error, SyntaxError):
        # The text of the exception repeats the place.
        report["text"] = shorten(f"{name}: {error.msg}")
    own = [(found, line) for file, line in frames if (found := own_name(file, folder))]
    if own:
        report |= {"file": own[-1][0], "line": own[-1][1]}
    if isinstance(error, ModuleNotFoundError) and error.name:
        report["missing"] = error.name
    elif isinstance(error, FileNotFoundError) and isinstance(error.filename, str | bytes):
        report["missing"] = os.fsdecode(error.filename)
    elif isinstance(error, KeyError) and frames and frames[-1][0] in OS_FILES and error.args:
        report["environ"] = str(error.args[0])
    return report


def own_name(file: str, folder: Path) -> str | None:
    """The path of a file below the folder of the scenarios, None for any other file.

    A module may be imported by a link in the working directory, which has one to each entry of that folder.
    """
    path, root = Path(file).resolve(), folder.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) and path.is_file() else None


def ended_by(error: BaseException) -> str:
    """The file that raised the exception."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def shorten(text: object) -> str:
    """The first line with content, without secrets. A part of a secret would not be found after the text was cut."""
    return next((line.strip() for line in hide(str(text)).splitlines() if line.strip()), "")[:MAX_CHARACTERS]


def open_loop_user() -> type:
    """The class that a scenario for capacity must have; open_loop.py was loaded with it."""
    return sys.modules["open_loop"].OpenLoopUser


def abstract_users(scenario: str) -> list[str]:
    """User classes of the scenario itself that are abstract."""
    from locust import User

    stem = Path(scenario).stem
    classes = [value for value in vars(sys.modules[stem]).values() if isinstance(value, type)]
    return sorted(value.__name__ for value in classes if issubclass(value, User) and value.__module__ == stem)
