"""Golden files: texts that a user reads, each kept once below tests/golden/ and compared whole.

A change of wording is one change of a golden file. tests/README.md says how the files are written again.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "golden"
WRITE_AGAIN = "GOLDEN=write python -m pytest <this test>"


class Golden:
    """Compares texts with the golden files of a folder, or writes the files if the environment requests it.

    ``written`` holds the names of the files that were written. The test that wrote one must not pass.
    """

    def __init__(self, folder: Path = FOLDER, environ: Mapping[str, str] = os.environ):
        self.folder = folder
        self.written: list[str] = []
        self._writes = writes(environ)

    def __call__(self, name: str, value: Any) -> None:
        """Compare a page (``str``), or a table that YAML can hold, with the golden file of that name.

        AssertionError, with the difference: the file holds another text or is missing.
        """
        path, text = self.folder / name, value if isinstance(value, str) else as_yaml(value)
        kept = path.read_bytes().decode() if path.exists() else None
        if kept == text:
            return
        if self._writes:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
            self.written.append(name)
        elif kept is None:
            raise AssertionError(f"tests/golden/{name} is missing; write it with: {WRITE_AGAIN}")
        else:
            how = f"tests/golden/{name} differs; if that is meant: {WRITE_AGAIN}"
            raise AssertionError(f"{how}\n{difference(kept, text)}")


def writes(environ: Mapping[str, str]) -> bool:
    """Return whether to write golden files. Raises ValueError for a value other than "write", or in CI."""
    word = environ.get("GOLDEN", "")
    if word not in ("", "write"):
        raise ValueError(f"GOLDEN is {word!r}; allowed: write, or nothing")
    if word and environ.get("CI"):
        raise ValueError("GOLDEN=write is refused where CI is set: golden files are written and read by a developer")
    return word == "write"


def difference(kept: str, text: str) -> str:
    """The unified difference of two texts. A line without a line feed at its end is marked."""
    lines = [
        line if line.endswith("\n") else f"{line}\n\\ no line feed at the end\n"
        for line in difflib.unified_diff(
            kept.splitlines(keepends=True), text.splitlines(keepends=True), "golden file", "this run", n=2
        )
    ]
    return "".join(lines)


def as_yaml(value: Any) -> str:
    """The value as YAML in its own order: a line of text is a line of the file, however long it is."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
