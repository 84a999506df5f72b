"""Load a scenario once, as Locust will, and say why it cannot run: one line of JSON on standard output.

    python check_scenario.py MODE SECONDS SCENARIO FILE...

MODE is that of the load (fixed, capacity, or arrivals for iterations of users), SECONDS the time that loading may take.
FILE... are the files of ``locust -f`` in their order, and SCENARIO is the one of them that is judged. No load is made
and no user is started.

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
fixed_count    user classes have a fixed number of users (mode arrivals): ``names``
no_task        a user class or a TaskSet has no task: ``name``, ``line``
no_class       the sweep file names user classes that it does not hold: ``names``, ``available``
no_tag         the sweep file names tags that no task has: ``names``, ``available``
none_left      no task of a user class has the wanted tags: ``name``, ``line``
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from loadgen.check.loading import MAX_CHARACTERS, judge
from loadgen.common.secrets_folder import end_of, hide, know_secrets

# First argument on the child's command line.
CHILD = "--child"
# Locust itself is imported before the scenario's time limit begins: on a busy host that takes seconds.
LOCUST_SECONDS = 60.0
# Seconds between closing its files and the end of the process.
END_SECONDS = 5.0
WORDS_BYTES = 4096


def main(program: str, arguments: list[str]) -> None:
    """Judge the scenario in a child process. Whatever the scenario does to its process, this one can report it.

    Args:
        program: path of the program that was started, which also starts the child.
        arguments: of the command line, without the program.
    """
    if arguments[0] == CHILD:
        judge(int(arguments[1]), arguments[2], arguments[3:])
    mode, seconds, *files = arguments
    know_secrets()
    print(json.dumps(hidden(judge_in_child(program, mode, float(seconds), files))))


def hidden(value: Any) -> Any:
    """A report without secrets: the scenario gives the names of files, classes and variables in it, too."""
    if isinstance(value, dict):
        return {key: each if key == "problem" else hidden(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hidden(each) for each in value]
    return hide(value) if isinstance(value, str) else value


def judge_in_child(program: str, mode: str, seconds: float, files: list[str]) -> dict[str, Any]:
    """The child's report, or how it ended without a report."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            [sys.executable, program, CHILD, str(writer), mode, *files],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        text, is_loading = read_report(reader, seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A child without a report is about to end.
            child.wait(END_SECONDS if text == b"" else 0)
        with contextlib.suppress(ProcessLookupError):
            # Also end the processes that the child has started.
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
        last = {"words": last_words(words)}
    if code < 0:
        return {"problem": "signal", "name": signal.Signals(-code).name} | last
    return {"problem": "exit", "code": code} | last


def read_report(reader: int, seconds: float) -> tuple[bytes | None, bool]:
    """The line that the child writes, and whether Locust had started.

    The line is empty if the child ended without one, None if it was not done in time. If Locust had started, the
    scenario used up the time.
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
        # The child writes the line at once; a long one arrives in pieces.
        while not report.endswith(b"\n") and (data := pipe.read(1 << 20)):
            report += data
    return report, True


def last_words(file: Any) -> str:
    """The last line on standard error, shortened and without secrets."""
    lines = end_of(file, WORDS_BYTES).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:MAX_CHARACTERS]
