"""Where the programs of a load host write their files, and how: a file appears whole or not at all."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from loadgen.shared.atomic_file import write_atomically


def output_directory() -> Path:
    """The folder in SWEEP_OUTPUT_DIR, created if necessary.

    Raises:
        SystemExit: the variable is not set.
    """
    text = os.environ.get("SWEEP_OUTPUT_DIR")
    if not text:
        sys.exit("SWEEP_OUTPUT_DIR is not set: name a directory for the recorded files")
    directory = Path(text)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def write_json(path: Path, content: dict[str, Any], *, durable: bool = True) -> None:
    """Write a file that appears whole or not at all. Raises OSError. See `write_atomically` for ``durable``."""
    write_atomically(path, f"{json.dumps(content)}\n".encode(), durable=durable)
