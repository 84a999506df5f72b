"""The baseline of a sweep: the configuration of the inventory, as `./lab site` deploys it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.lab.inventory_files import settings_of
from swarmsweep.sweep.matrix import Cell
from swarmsweep.sweep.scalars import MAX_MEMORY_BYTES, MIN_MEMORY_BYTES
from swarmsweep.units import format_memory, memory_fault, parse_memory_setting, quoted

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
    if problems := configuration_problems(settings, inventory):
        raise InputError("\n".join(problems))
    given_replicas, given_cpus, memory_bytes, given_workers = (_READERS[name](settings[name]) for name in SETTINGS)
    assert given_replicas and given_cpus and memory_bytes and given_workers
    return Cell(given_replicas, given_cpus, memory_bytes, given_workers if workers_env else workers)


def configuration_problems(settings: Mapping[str, Any], inventory: str) -> list[str]:
    """The mistakes in the settings of the configuration, one sentence each. A missing setting is no mistake.

    ``settings`` and ``inventory`` are as in `baseline_of`.
    """
    return [
        f"{name} is {quoted(settings[name])}; allowed: {_ALLOWED[name]}{_fault(name, settings[name])}. "
        f"Fix: change it in {settings_of(inventory)}"
        for name in SETTINGS
        if settings.get(name) is not None and _READERS[name](settings[name]) is None
    ]


def _fault(name: str, value: Any) -> str:
    """What is wrong with an amount of memory, as the end of a sentence."""
    fault = memory_fault(value) if name == "lab_api_memory" else None
    return f". It {fault}" if fault else ""


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
    except (TypeError, ValueError, OverflowError):
        return None


def _memory(value: Any) -> int | None:
    try:
        size_bytes = parse_memory_setting(value)
    except InputError:
        return None
    return size_bytes if MIN_MEMORY_BYTES <= size_bytes <= MAX_MEMORY_BYTES else None


_READERS: dict[str, Callable[[Any], Any]] = {
    "lab_api_replicas": partial(_whole, most=MAX_REPLICAS),
    "lab_api_cpus": _cpus,
    "lab_api_memory": _memory,
    "lab_api_workers": partial(_whole, most=MAX_WORKERS),
}
_ALLOWED = {
    "lab_api_replicas": f"a whole number from 1 to {MAX_REPLICAS}",
    "lab_api_cpus": f"a number from {MIN_CPUS} to {MAX_CPUS}",
    "lab_api_memory": f"an amount of memory of {format_memory(MIN_MEMORY_BYTES)} or more, as 512M",
    "lab_api_workers": f"a whole number from 1 to {MAX_WORKERS}",
}
