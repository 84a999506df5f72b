"""Where the programs of a load host write their files, and how: a file appears whole or not at all."""

import json
import os
import sys
from pathlib import Path
from typing import Any


def output_directory() -> Path:
    """The folder that SWEEP_OUTPUT_DIR names, made if need be.

    Raises:
        SystemExit: the variable is not set.
    """
    text = os.environ.get("SWEEP_OUTPUT_DIR")
    if not text:
        sys.exit("SWEEP_OUTPUT_DIR is not set: name a directory for the recorded files")
    directory = Path(text)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
