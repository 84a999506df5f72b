"""The secrets of a load as variables of this process, so that they are in no command line, no unit and no result.

SWEEP_SECRETS_DIRECTORY   folder with a file for each secret, named as its variable; not set without secrets
"""

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

# As FILE_SUFFIX of swarmsweep/sweep/scenario_env.py.
FILE_SUFFIX = "_FILE"
MASK = "***"
# A shorter text may be a part of many words.
MIN_HIDDEN_CHARACTERS = 6
# A client may name the value alone.
_SCHEME = re.compile(r"(?:Basic|Bearer|Token)\s+", re.IGNORECASE)

# What no result and no log may have, the longest first.
_hidden: list[str] = []


def hide(text: str) -> str:
    """The text without secrets. An HTTP client quotes a header that it refuses, for example with a newline in it."""
    for part in _hidden:
        text = text.replace(part, MASK)
    return text


def set_secrets() -> None:
    """Set for each secret NAME the variables NAME, the text of its file without the last line end, and NAME_FILE.

    The kernel shows the variables with which a process was started to other processes of its user. It does not show
    these, because they are set later.

    Raises:
        SystemExit: the folder cannot be read.
    """
    directory = os.environ.get("SWEEP_SECRETS_DIRECTORY")
    if not directory:
        return
    try:
        for path in sorted(Path(directory).iterdir()):
            text = path.read_text(encoding="utf-8")
            _keep_hidden(text)
            os.environ[path.name] = text.removesuffix("\n").removesuffix("\r")
            os.environ[f"{path.name}{FILE_SUFFIX}"] = str(path)
    except OSError as error:
        sys.exit(f"The secrets of the load cannot be read: {error}. Start the sweep again")
    _hide_in_logs()


def _keep_hidden(text: str) -> None:
    """Hide each line of a secret, as it is and as an exception quotes it."""
    lines = [line.strip() for line in text.splitlines()]
    parts = {part for line in lines for part in (line, _SCHEME.sub("", line, count=1))}
    parts |= {repr(part)[1:-1] for part in parts}
    parts = {part for part in parts if len(part) >= MIN_HIDDEN_CHARACTERS}
    _hidden[:] = sorted(parts.union(_hidden), key=len, reverse=True)


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
