"""The secrets of a load as variables of this process, so that they are in no command line, no unit and no result.

SWEEP_SECRETS_DIRECTORY   folder with a file for each secret, named as its variable; not set without secrets
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from loadgen.shared import hidden_text

# As FILE_SUFFIX of swarmsweep/sweep/scenario_env.py.
FILE_SUFFIX = "_FILE"
DIRECTORY = "SWEEP_SECRETS_DIRECTORY"

# What no result and no log may have, the longest first.
_hidden: list[str] = []


def hide(text: str) -> str:
    """The text without secrets. An HTTP client quotes a header that it refuses, for example with a newline in it."""
    return hidden_text.hide(text, _hidden)


def end_of(file: Any, size: int) -> str:
    """The text of the last bytes of a file, without secrets. ``file`` is open for reading bytes."""
    longest = len(_hidden[0].encode()) if _hidden else 0
    begin = max(0, file.seek(0, os.SEEK_END) - size - longest)
    file.seek(begin)
    text = hide(file.read().decode(errors="replace"))
    # What was read may begin within a secret.
    return text[longest:] if begin else text


def know_secrets() -> None:
    """Learn what `hide` hides, in a process that does not need the secrets themselves.

    Raises:
        OSError: the folder cannot be read.
    """
    if directory := os.environ.get(DIRECTORY):
        _hidden[:] = hidden_text.forms_in(Path(directory))


def set_secrets() -> None:
    """Set for each secret NAME the variables NAME, the text of its file without the last line end, and NAME_FILE.

    The kernel shows the variables with which a process was started to other processes of its user. It does not show
    these, because they are set later.

    Raises:
        SystemExit: the folder cannot be read.
    """
    directory = os.environ.get(DIRECTORY)
    if not directory:
        return
    try:
        know_secrets()
        for path in sorted(Path(directory).iterdir()):
            text = path.read_text(encoding="utf-8")
            os.environ[path.name] = text.removesuffix("\n").removesuffix("\r")
            os.environ[f"{path.name}{FILE_SUFFIX}"] = str(path)
    except OSError as error:
        sys.exit(f"The secrets of the load cannot be read: {error}. Start the sweep again")
    _hide_in_logs()
    for stream in (sys.stdout, sys.stderr):
        _hide_in_stream(stream)


def _hide_in_stream(stream: Any) -> None:
    """Hide secrets that the scenario prints: these are lines of the same logs.

    A program that the scenario starts writes past this. The module that ends the load hides secrets in the whole files.
    """
    original = stream.write

    def write(text: str) -> int:
        original(hide(text))
        return len(text)

    stream.write = write


def _hide_in_logs() -> None:
    """Hide secrets in all that Locust and the scenario log: the logs are files of the attempt."""
    make = logging.getLogRecordFactory()
    formatter = logging.Formatter()

    def record(*arguments: Any, **options: Any) -> logging.LogRecord:
        made = make(*arguments, **options)
        try:
            made.msg, made.args = hide(made.getMessage()), None
        except Exception:  # the handler reports a message that does not fit its arguments
            return made
        if made.exc_info and made.exc_info[0]:
            made.exc_text = hide(formatter.formatException(made.exc_info))
        return made

    logging.setLogRecordFactory(record)
