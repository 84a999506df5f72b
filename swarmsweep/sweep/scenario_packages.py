"""The packages of locustfiles/requirements.txt: their exact versions on the load hosts, which must be the same."""

from collections.abc import Iterable, Mapping

from swarmsweep.errors import InputError
from swarmsweep.shared.lab_secrets import mask_text

REQUIREMENTS = "locustfiles/requirements.txt"
MAX_NAMED = 5  # the first differences show what to pin


def common_packages(printed: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The version of each package by its name. ``printed`` has the lines of `uv pip freeze` of each load host.

    Raises:
        InputError: hosts with different versions. Each host installed them at another time, so a range may give others.
    """
    versions = {host: dict(map(_version, filter(_is_package, lines))) for host, lines in printed.items()}
    names = sorted({name for found in versions.values() for name in found})
    different = [name for name in names if len({found.get(name) for found in versions.values()}) > 1]
    if different:
        missing = "none"
        places = [
            f"{name} ({', '.join(f'{host} has {found.get(name, missing)}' for host, found in versions.items())})"
            for name in different[:MAX_NAMED]
        ]
        raise InputError(
            f"The load hosts have different versions of packages: {', '.join(places)}. "
            f"Write one version of each into {REQUIREMENTS}, as {different[0]}==1.0, then run the same command again"
        )
    # An address in the file may have a password or a token.
    return {name: mask_text(next(iter(versions.values()))[name]) for name in names}


def _is_package(line: str) -> bool:
    return "==" in line or " @ " in line


def _version(line: str) -> tuple[str, str]:
    """As 'numpy==2.1.0', or 'rows @ file:///opt/rows.whl' for one that was named by its file."""
    separator = "==" if "==" in line else " @ "
    name, _, version = line.partition(separator)
    return name.strip(), version.strip()
