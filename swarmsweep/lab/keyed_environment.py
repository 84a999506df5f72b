"""The environment of the API, so that two can be compared although neither can be read.

A plain hash of a password could be found by trying many. So each value is hashed with a key (HMAC, RFC 2104). The key
is beside the secrets of the lab and never leaves this machine.
"""

import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError

KEY_CHARACTERS = 32  # 128 random bits in hexadecimal digits; as long as the other secrets of a lab
HASH_CHARACTERS = 32  # of 64; enough that two values never share a hash


def keyed_environment(environment: Mapping[str, Any], key_file: Path | str) -> dict[str, Any]:
    """``{"key": hash that identifies the key, "values": {name: keyed hash}}``. The key is created when it is missing.

    The hash depends on the name too, so equal values of two variables do not show.

    Raises:
        LabError: the key cannot be read or created, or is damaged.
    """
    key = _key(Path(key_file))
    values = {name: _hash(key, f"value\0{name}\0{value}") for name, value in sorted(environment.items())}
    return {"key": _hash(key, "key"), "values": values}


def _hash(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()[:HASH_CHARACTERS]


def _key(path: Path) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
        else:
            key = secrets.token_hex(KEY_CHARACTERS // 2).encode()
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(key)
    except OSError as error:
        raise LabError(f"{path}: cannot be used: {error.strerror or error}. It must be a file that you own") from error
    if len(key) != KEY_CHARACTERS:
        raise LabError(
            f"{path}: is damaged: has {len(key)} bytes; expected: {KEY_CHARACTERS}. "
            "Remove the file, then start a new run"
        )
    return key
