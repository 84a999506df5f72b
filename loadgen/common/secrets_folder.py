"""The secrets of a load as variables of this process, so that they are in no command line and no unit.

SWEEP_SECRETS_DIRECTORY   folder with a file for each secret, named as its variable; not set without secrets
"""

import os
import sys
from pathlib import Path

# As FILE_SUFFIX of swarmsweep/sweep/scenario_env.py.
FILE_SUFFIX = "_FILE"


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
            os.environ[path.name] = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
            os.environ[f"{path.name}{FILE_SUFFIX}"] = str(path)
    except OSError as error:
        sys.exit(f"The secrets of the load cannot be read: {error}. Start the sweep again")
