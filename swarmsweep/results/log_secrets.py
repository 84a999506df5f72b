"""The secrets that `./lab logs` hides: those of the inventory, and those of the load of the newest run.

The API may print its own secrets, and a server writes what a load sends, for example the query of a URL.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.plan.run_folder import newest_runs, read_plan
from swarmsweep.shared.hidden_text import encode, forms_of_encoded
from swarmsweep.sweep.load_secrets import OF_INVENTORY


def secrets_of_logs(inventory: Any, root: Path, reports: Iterable[Path]) -> tuple[list[str], list[str]]:
    """What is hidden, the longest first, and a sentence for each secret that is not hidden.

    Args:
        inventory: the setting lab_api_secrets, which nothing has checked yet.
        root: folder of its relative paths.
        reports: folders with runs.
    """
    places = [(f"lab_api_secrets.{name}", root, path) for name, path in _mapping(inventory).items()]
    problems = []
    for folder in reports:
        for run in newest_runs(folder, 1):
            try:
                plan = read_plan(run)
            except LabError as error:
                problems.append(f"the secrets of the newest load are not known, and so not hidden: {error}")
                continue
            base = Path(plan.sweep_file or "").resolve().parent
            given = _mapping(plan.load.get("secrets"))
            places += [(f"load.secrets.{name}", base, path) for name, path in given.items() if path != OF_INVENTORY]
    contents = []
    for name, base, path in places:
        try:
            contents.append((base / Path(str(path)).expanduser()).read_bytes())
        except (OSError, RuntimeError, ValueError) as error:
            cause = getattr(error, "strerror", None) or error
            problems.append(f"{name} is not hidden, because its file {path} cannot be read: {cause}")
    return forms_of_encoded(encode(contents)), problems


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
