"""The baseline of a sweep: the configuration of the inventory, as `./lab site` deploys it."""

from collections.abc import Mapping
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.lab.inventory_files import settings_of
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import parse_memory, quoted

SETTINGS = ("lab_api_replicas", "lab_api_cpus", "lab_api_memory", "lab_api_workers")
# The limits of a sweep file, see `sweep.values`.
MAX_REPLICAS, MAX_WORKERS = 100, 128
MIN_CPUS, MAX_CPUS = 0.01, 512


def baseline_of(settings: Mapping[str, Any], workers_env: str | None, workers: int, inventory: str) -> Cell | None:
    """The configuration of the inventory; None where a setting of it is missing.

    Args:
        settings: the settings by their names. A value from a command line is text.
        workers_env: the setting lab_api_workers_env. Where it is empty, the image decides the number of workers.
        workers: the number of workers of the sweep's cells, for such an image.
        inventory: its folder or file, for the message.

    Raises:
        InputError: the setting with a mistake, what is allowed, and the file to change.
    """
    if any(settings.get(name) is None for name in SETTINGS):
        return None
    replicas, cpus, memory, own_workers = (settings[name] for name in SETTINGS)
    found = (
        _whole(replicas, MAX_REPLICAS),
        _cpus(cpus),
        _memory(memory),
        _whole(own_workers, MAX_WORKERS),
    )
    allowed = (
        f"a whole number from 1 to {MAX_REPLICAS}",
        f"a number from {MIN_CPUS} to {MAX_CPUS}",
        "an amount of memory, as 512M",
        f"a whole number from 1 to {MAX_WORKERS}",
    )
    for name, value, words in zip(SETTINGS, found, allowed, strict=True):
        if value is None:
            raise InputError(
                f"{name} is {quoted(settings[name])}; allowed: {words}. Fix: change it in {settings_of(inventory)}"
            )
    given_replicas, given_cpus, memory_bytes, given_workers = found
    assert given_replicas and given_cpus and memory_bytes and given_workers
    return Cell(given_replicas, given_cpus, memory_bytes, given_workers if workers_env else workers)


def _whole(value: Any, most: int) -> int | None:
    """A whole number from 1 to ``most``; None for anything else."""
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and 1 <= number <= most else None


def _cpus(value: Any) -> int | float | None:
    number = _number(value)
    if number is None or not MIN_CPUS <= number <= MAX_CPUS:
        return None
    return int(number) if number.is_integer() else number


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _memory(value: Any) -> int | None:
    try:
        return parse_memory(value) if isinstance(value, str) else None
    except InputError:
        return None
