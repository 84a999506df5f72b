"""The secrets of a load: files of this machine, which the load hosts get. Their contents are in no result."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from swarmsweep.errors import InputError
from swarmsweep.lab.inventory_files import UNNAMED
from swarmsweep.units import quoted

# A token, a key or a certificate chain is smaller. The value must also fit into an environment variable.
MAX_BYTES = 64 * 1024
_RULE = f"allowed: a text file that you can read, with 1 byte to {MAX_BYTES // 1024} KiB"
# As a path: the file that the inventory has for the same name, so that a path is written once.
OF_INVENTORY = "lab_api_secrets"


class Secret(Struct, frozen=True, kw_only=True):
    """A secret: the name of its variable, and the absolute path of its file on this machine."""

    name: str
    path: str


def secret_files(
    secrets: Mapping[str, str] | None,
    sweep_file: Path | str,
    inventory: Mapping[str, str] | None = None,
    root: Path | str = ".",
    settings_file: str = UNNAMED,
) -> list[Secret]:
    """The files of ``load.secrets``. A relative path begins at the folder of the sweep file.

    Args:
        secrets: name of the variable -> path, or `OF_INVENTORY`.
        sweep_file: path of the sweep file.
        inventory: the setting lab_api_secrets.
        root: folder of the relative paths of the inventory.
        settings_file: the file of the inventory with that setting, for messages.

    Raises:
        InputError: files that cannot be used, with the reasons. No content is shown.
    """
    base, given = Path(sweep_file).resolve().parent, dict(secrets or {})
    known = {name: str(path) for name, path in (inventory or {}).items()}
    missing = [name for name, path in given.items() if path == OF_INVENTORY and name not in known]
    if missing:
        raise InputError(
            f"{sweep_file}: load.secrets.{missing[0]}: the inventory has no {missing[0]} in {OF_INVENTORY}; "
            f"allowed: {_names(known)}a path of this machine"
        )
    found, problems = [], []
    for name, path in given.items():
        if path == OF_INVENTORY:
            place, uses = f"{settings_file}: {OF_INVENTORY}.{name}", f". load.secrets.{name} of {sweep_file} uses it"
            whole, fault = _file(Path(root), known[name], "of ./lab")
        else:
            place, uses = f"{sweep_file}: load.secrets.{name}", ""
            whole, fault = _file(base, path, "of the sweep file")
        if fault is not None:
            problems.append(f"{place}: {fault}{uses}")
        found.append(Secret(name=name, path=str(whole)))
    if problems:
        raise InputError("\n".join(problems))
    return found


def _names(names: Mapping[str, str]) -> str:
    """The names that the inventory has, for a list of what is allowed."""
    return f"{', '.join(names)}, or " if names else ""


def _file(folder: Path, path: str, base: str) -> tuple[Path, str | None]:
    """The absolute path of a file, and what is wrong with it. ``base`` names the folder of a relative path."""
    try:
        whole = folder / Path(path).expanduser()
    except RuntimeError as error:
        return folder, f"{quoted(path)}: {str(error).rstrip('.')}; allowed: a path of this machine"
    try:
        fault = _fault(whole, base)
        # A file without a fault is in no loop of links.
        return (whole if fault else whole.resolve()), fault
    except (OSError, ValueError) as error:
        # A long text may be the secret itself, so it is not shown.
        why = error.strerror if isinstance(error, OSError) else error
        return folder, f"the text of {len(path)} characters is no path ({why}); {_RULE}"


def _fault(path: Path, base: str) -> str | None:
    if not path.is_file():
        kind = "is not a file" if path.exists() else "does not exist"
        return f"{path} {kind}; {_RULE}. A relative path begins at the folder {base}"
    if not os.access(path, os.R_OK):
        return f"{path} cannot be read; {_RULE}. Run: chmod u+r {path}"
    size_bytes = path.stat().st_size
    if not 0 < size_bytes <= MAX_BYTES:
        return f"{path} has {size_bytes:,} bytes; {_RULE}"
    content = path.read_bytes()
    try:
        is_text = "\0" not in content.decode()
    except UnicodeDecodeError:
        is_text = False
    return None if is_text else f"{path} is not text in UTF-8; {_RULE}. Encode it, for example with base64"
