"""The setting `lab_api_workers_env`: the variable from which an image reads its number of workers, or none."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.plan.inventory_settings import plain_settings

SETTING = "lab_api_workers_env"
# Its value in an inventory of a version without it.
DEFAULT = "WEB_CONCURRENCY"


def refuse_idle_axis(variable: str | None, configs: Iterable[Mapping[str, Any]], source: str) -> None:
    """Refuse several values of `workers` where no variable takes them to the image.

    Args:
        variable: the value of the setting; empty where the image decides.
        configs: of all cells, each with its `workers`.
        source: of the cells, for the message: a sweep file or a run.

    Raises:
        InputError: the values, the setting, and both ways to fix it.
    """
    values = sorted({int(config["workers"]) for config in configs})
    if variable or len(values) < 2:
        return
    listed = f"{', '.join(map(str, values[:-1]))} and {values[-1]}"
    raise InputError(
        f"{source}: workers has the values {listed}, but {SETTING} is empty, so the image decides; allowed: one value. "
        f"Give workers the number that the image starts, or set {SETTING} to the variable that the image reads. "
        f"{SETTING} is in group_vars/all/lab.yml of the inventory"
    )


def variable_of(*inventories: Path | str) -> str | None:
    """The setting in the group_vars of the inventories; None where no file of them has it as plain text."""
    value = plain_settings(*inventories).get(SETTING)
    return value if isinstance(value, str) else None
