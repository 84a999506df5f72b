"""Load a scenario once, as Locust will, and say why it cannot run: one line of JSON on standard output.

    python check_scenario.py MODE SECONDS SCENARIO FILE...

MODE is that of the load (fixed or capacity), SECONDS the time that loading may take, FILE... are the files of
``locust -f`` in their order, and SCENARIO is the one of them that is judged. No load is made and no user is started.

The line is ``{"problem": null, "users": [...]}`` or a problem with what belongs to it:

error          it raised: ``text``, ``type``; where known ``file``, ``line``, ``missing`` (module or file), ``environ``
exit, signal   it ended Python: ``code`` or ``name``, and the last ``words`` on standard error
time           it was not loaded in time: ``seconds``
start          Locust itself did not start in time: ``seconds``
locust         Locust refuses the files: ``text``
options        its command line options do not go with Locust's: ``text``
shape          it holds a LoadTestShape: ``name``, ``line``
abstract       all its user classes are abstract: ``names``
no_user        it holds no user class
not_open_loop  it does not hold exactly one user class, which is an OpenLoopUser (mode capacity): ``names``
no_task        a user class or a TaskSet has no task: ``name``, ``line``
"""

import contextlib
import io
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Locust itself is imported before the scenario's time begins: on a busy host that takes seconds.
LOCUST_SECONDS = 60.0
# Between closing its files and being gone.
END_SECONDS = 5.0
# Of a text that a scenario raised or printed; more does not help to find it.
MOST_CHARACTERS = 300
WORDS_BYTES = 4096
LOADED = b"\n"
# Where os.environ raises.
OS_FILES = (os.__file__, "<frozen os>")


def main(arguments: list[str]) -> None:
    """Judge the scenario in a child: whatever it does to its process, this one can report it."""
    mode, seconds, *files = arguments
    print(json.dumps(judge_in_child(mode, float(seconds), files)))


def judge_in_child(mode: str, seconds: float, files: list[str]) -> dict[str, Any]:
    """What the child reports, or how it ended without a report."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            [sys.executable, __file__, "--child", str(writer), mode, *files],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        text, is_loading = read_report(reader, seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that ended without a report is just dying.
            child.wait(END_SECONDS if text == b"" else 0)
        with contextlib.suppress(ProcessLookupError):
            # What it has started meanwhile too.
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        if text is None:
            return (
                {"problem": "time", "seconds": seconds}
                if is_loading
                else {"problem": "start", "seconds": LOCUST_SECONDS}
            )
        if text:
            return json.loads(text)
        said = {"words": last_words(words)}
    if code < 0:
        return {"problem": "signal", "name": signal.Signals(-code).name} | said
    return {"problem": "exit", "code": code} | said


def read_report(reader: int, seconds: float) -> tuple[bytes | None, bool]:
    """The line that the child writes, empty when it ended without, None when it was not done in time; and whether
    Locust had started, so that the time was the scenario's.
    """
    report, is_loading, deadline = b"", False, time.monotonic() + LOCUST_SECONDS
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while not report.strip():
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None, is_loading
            data = pipe.read(1 << 20)
            if not data:
                return b"", is_loading
            if not is_loading:
                is_loading, deadline = True, time.monotonic() + seconds
            report += data
        # The child writes it at once; a long one comes in pieces.
        while not report.endswith(b"\n") and (data := pipe.read(1 << 20)):
            report += data
    return report, True


def last_words(file: Any) -> str:
    """The last line on standard error, shortened."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - WORDS_BYTES))
    lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:MOST_CHARACTERS]


# --- In the child -----------------------------------------------------------------------------------------------------


def judge(report: int, mode: str, files: list[str]) -> None:
    """Load the files as `locust -f` does, and write the report; never returns, as threads may run on."""
    scenario, files = files[0], files[1:]
    # As the command `locust` has it. The programs beside this one are found only while one of them is loaded.
    sys.path[0] = str(Path(sys.executable).parent)
    sys.argv = ["locust", "-f", ",".join(files), "--headless", "--host", "http://127.0.0.1"]
    # A broken installation is no fault of a scenario: its traceback becomes the child's last words.
    from locust import main as locust_main

    os.write(report, LOADED)
    found = load(locust_main, scenario, files, mode)
    os.write(report, json.dumps(found).encode() + b"\n")
    os._exit(0)


def load(locust_main: Any, scenario: str, files: list[str], mode: str) -> dict[str, Any]:
    """The report on one scenario."""
    said = Copy()
    try:
        with contextlib.redirect_stderr(said):
            users, shapes, tasks, shape = locust_main.merge_locustfiles_content(files)
    except SystemExit as error:
        if ended_by(error) == locust_main.__file__:
            return {"problem": "locust", "text": shorten(said.getvalue())}
        code = 0 if error.code is None else error.code
        if isinstance(code, int):
            return {"problem": "exit", "code": code, "words": ""}
        return {"problem": "exit", "code": 1, "words": shorten(code)}
    except BaseException as error:  # whatever it raises, Locust would end with it
        return describe(error, scenario)
    if shape is not None:
        return {"problem": "shape", "name": type(shape).__name__, "line": line_of(type(shape))}
    if not users:
        names = abstract_users(scenario)
        return {"problem": "abstract", "names": names} if names else {"problem": "no_user"}
    classes = list(users.values())
    if mode == "capacity" and (len(classes) != 1 or not issubclass(classes[0], open_loop_user())):
        return {"problem": "not_open_loop", "names": sorted(users)}
    if not gives_tasks_later() and (empty := next(without_tasks(classes), None)):
        return {"problem": "no_task", "name": empty.__name__, "line": line_of(empty)}
    return start(locust_main, scenario, files, users, shapes, tasks) or {"problem": None, "users": sorted(users)}


def start(locust_main: Any, scenario: str, files: list[str], users: dict, shapes: dict, tasks: dict) -> dict | None:
    """What Locust does next: its options, the scenario's among them, and the environment. None when all is well."""
    said, uncaught = Copy(), Uncaught()
    logging.getLogger().addHandler(uncaught)
    try:
        with contextlib.redirect_stderr(said):
            options = locust_main.get_parser().parse_args()
    except SystemExit:
        return {"problem": "options", "text": shorten(said.getvalue().rpartition("error: ")[2])}
    except BaseException as error:
        return describe(error, scenario)
    if uncaught.error is not None:
        found = describe(uncaught.error, scenario)
        return found | {"problem": "options"} if found["type"] == "ArgumentError" else found
    try:
        locust_main.create_environment(
            list(users.values()),
            options,
            locustfile=Path(files[0]).name,
            parsed_locustfiles=files,
            available_user_classes=users,
            available_shape_classes=shapes,
            available_user_tasks=tasks,
        )
    except BaseException as error:
        return describe(error, scenario)
    return None


class Copy:
    """Standard error, and what was written to it: Python may end before anybody reads it here.

    All else is the real stream's, as a scenario may ask for its ``fileno`` or ``buffer``.
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
        """What was written, by `write` alone."""
        return self._text.getvalue()


class Uncaught(logging.Handler):
    """The first exception of a listener: Locust logs it, goes on, and ends with exit code 2."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Uncaught exception in event handler"):
            self.error = self.error or sys.exc_info()[1]


def describe(error: BaseException, scenario: str) -> dict[str, Any]:
    """An exception: the last line of its traceback, and the place in the user's files that it came from."""
    folder = str(Path(scenario).parent)
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    name = type(error).__name__
    found = {"problem": "error", "type": name, "text": shorten(f"{name}: {error}" if str(error) else name)}
    if isinstance(error, SyntaxError):
        # Its own text repeats the place.
        found["text"] = shorten(f"{name}: {error.msg}")
    own = [(file, line) for file, line in frames if str(Path(file).parent) == folder]
    if own:
        found |= {"file": Path(own[-1][0]).name, "line": own[-1][1]}
    if isinstance(error, ModuleNotFoundError) and error.name:
        found["missing"] = error.name
    elif isinstance(error, FileNotFoundError) and isinstance(error.filename, str | bytes):
        found["missing"] = os.fsdecode(error.filename)
    elif isinstance(error, KeyError) and frames and frames[-1][0] in OS_FILES and error.args:
        found["environ"] = str(error.args[0])
    return found


def ended_by(error: BaseException) -> str:
    """The file that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def shorten(text: object) -> str:
    """The first line that says something."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")[:MOST_CHARACTERS]


def line_of(thing: type) -> int | None:
    """The line where a class is defined."""
    import inspect

    try:
        return inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return None


def open_loop_user() -> type:
    """The class that a scenario for capacity must have; open_loop.py was loaded with it."""
    return sys.modules["open_loop"].OpenLoopUser


def abstract_users(scenario: str) -> list[str]:
    """User classes of the scenario itself that are abstract."""
    from locust import User

    stem = Path(scenario).stem
    classes = [value for value in vars(sys.modules[stem]).values() if isinstance(value, type)]
    return sorted(value.__name__ for value in classes if issubclass(value, User) and value.__module__ == stem)


def gives_tasks_later() -> bool:
    """Whether the scenario has a listener that Locust calls before users start, and that may give them their tasks."""
    from locust import events

    locust, programs = Path(sys.modules["locust"].__file__).parent, Path(__file__).parent
    for hook in (events.init_command_line_parser, events.init, events.test_start):
        for listener in hook._handlers:
            module = sys.modules.get(getattr(listener, "__module__", ""))
            file = getattr(module, "__file__", None)
            # One of unknown origin may be the scenario's, which lies in a folder beside the programs.
            if file is None or not (Path(file).is_relative_to(locust) or Path(file).parent == programs):
                return True
    return False


def without_tasks(classes: list[type]) -> Iterator[type]:
    """User classes and TaskSets that have no task, and do not seem to get one when they start."""
    from locust import SequentialTaskSet, TaskSet, User

    ways = (TaskSet.get_next_task, SequentialTaskSet.get_next_task)
    # Task sets may lead to one another.
    waiting, seen = list(classes), set(classes)
    while waiting:
        thing = waiting.pop(0)
        # Any other class is called with the user, as a function is.
        base = next((base for base in (User, TaskSet) if issubclass(thing, base)), None)
        # A MarkovTaskSet has its tasks elsewhere, and refuses itself when it has none.
        if base is None or (base is TaskSet and thing.get_next_task not in ways):
            continue
        # Locust leaves such a class out.
        if base is User and thing.weight <= 0 and thing.fixed_count <= 0:
            continue
        # One that runs by itself, or that is prepared for each user, may need none here.
        names = ("run", "start", "__init__", "on_start", "execute_next_task")
        is_own = any(
            name in vars(parent) and parent.__module__.partition(".")[0] != "locust"
            for parent in thing.__mro__[:-1]
            for name in names
        )
        if is_own or thing.run is not base.run:
            continue
        if not thing.tasks:
            yield thing
        elif isinstance(thing.tasks, list):
            inner = [one for one in dict.fromkeys(thing.tasks) if isinstance(one, type) and one not in seen]
            waiting += inner
            seen.update(inner)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        judge(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    main(sys.argv[1:])
