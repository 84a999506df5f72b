"""Secrets that no text or log may show. Shared by the processes of a load, the modules and the controller."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

MASK = "***"
# A shorter text may be a part of many words.
MIN_HIDDEN_CHARACTERS = 6
# How much of a log is read at a time.
PART_BYTES = 1 << 20
# A larger secret is no token or password. Its thousands of lines would take minutes to look for.
MAX_HIDDEN_BYTES = 64 * 1024
# A client may name the value alone.
_SCHEME = re.compile(r"(?:Basic|Bearer|Token)\s+", re.IGNORECASE)


def forms_of(text: str) -> set[str]:
    """Return what is hidden of a secret: each line, as it is, and as an exception, JSON and a URL have it."""
    lines = [line.strip() for line in text.splitlines()]
    parts = {part for line in lines for part in (line, _SCHEME.sub("", line, count=1))}
    parts |= {form for part in parts for form in (repr(part)[1:-1], json.dumps(part)[1:-1])} | {
        form(part) for part in parts for form in (quote, quote_plus, _quoted_whole)
    }
    return {part for part in parts if len(part) >= MIN_HIDDEN_CHARACTERS}


def _quoted_whole(part: str) -> str:
    return quote(part, safe="")


def forms_in(folder: Path) -> list[str]:
    """Return what is hidden of all secrets in a folder, the longest first.

    Raises:
        OSError: the folder or a file cannot be read.
    """
    return longest_first(form for path in folder.iterdir() for form in forms_of(path.read_text(encoding="utf-8")))


def encode(contents: Iterable[bytes]) -> list[str]:
    """Return secrets as a task passes them to a module: in base64, without those that are too large to be hidden.

    Ansible replaces a secret argument in all that a module returns. In base64, it can be no part of another value.
    """
    return [base64.b64encode(content).decode() for content in contents if len(content) <= MAX_HIDDEN_BYTES]


def forms_of_encoded(values: Iterable[str]) -> list[str]:
    """Return what is hidden of secrets that `encode` returned, the longest first."""
    texts = (base64.b64decode(value).decode(errors="replace") for value in values)
    return longest_first(form for text in texts for form in forms_of(text))


def longest_first(forms: Iterable[str]) -> list[str]:
    """Return each form once, so that a part of another one is hidden after it."""
    return sorted(set(forms), key=lambda form: (-len(form), form))


def hide(text: str, forms: Iterable[str]) -> str:
    """Return the text without secrets."""
    for form in forms:
        text = text.replace(form, MASK)
    return text


def hide_in_file(path: Path, forms: Iterable[str]) -> bool:
    """Rewrite a file without secrets, if it has any, and return whether it had. No other user may write its folder.

    It keeps its mode and, for root, its owner.
    The file may be larger than the memory. No process may write it meanwhile.

    Raises:
        OSError: the file is unchanged.
    """
    words = [form.encode() for form in longest_first(forms)]
    if not words:
        return False
    pattern, longest = re.compile(b"|".join(map(re.escape, words))), len(words[0])
    found, kept = False, b""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with path.open("rb") as source, os.fdopen(handle, "wb") as target:
            while True:
                part = source.read(PART_BYTES)
                kept += part
                # What begins later may be a part of a longer form, which the next part of the file ends.
                sure = len(kept) - longest + 1 if part else len(kept)
                place = 0
                for match in pattern.finditer(kept):
                    if match.start() >= sure:
                        break
                    target.write(kept[place : match.start()] + MASK.encode())
                    found, place = True, match.end()
                target.write(kept[place : max(place, sure)])
                kept = kept[max(place, sure, 0) :]
                if not part:
                    break
        if found:
            status = path.stat()
            if os.geteuid() == 0:
                os.chown(name, status.st_uid, status.st_gid)
            Path(name).chmod(stat.S_IMODE(status.st_mode))
            Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return found


def hide_in_logs(logs: Iterable[Path], secrets: Path) -> None:
    """Rewrite logs without the secrets in a folder. Where that is not possible, only the reason is left of a log."""
    paths = list(logs)
    try:
        for log in paths:
            hide_in_file(log, forms_in(secrets))
    except (OSError, ValueError) as error:
        for log in paths:
            log.write_text(f"Removed: the secrets of the load could not be hidden in this log: {error}\n")
