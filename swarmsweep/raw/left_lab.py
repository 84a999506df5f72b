"""Requests of a load to an address outside the lab: they were not sent, and they end the sweep."""

from collections.abc import Mapping
from pathlib import Path

from swarmsweep.raw.closed_loop import read_left_lab

MAX_NAMED = 3  # targets in a sentence; the files of the workers list more


def left_lab(folder: Path) -> str | None:
    """Why the attempt in ``folder`` ends its sweep; None when its load stayed in the lab, or there was no load."""
    targets = read_left_lab(folder / "locust")
    return left_lab_sentence(targets) if targets else None


def left_lab_sentence(targets: Mapping[str, int]) -> str:
    """Targets with their counts, and what the user can do about them."""
    order = sorted(targets, key=lambda target: (-targets[target], target))
    named = ", ".join(f"{targets[target]} to {target}" for target in order[:MAX_NAMED])
    rest = f" and {len(order) - MAX_NAMED} more addresses" if len(order) > MAX_NAMED else ""
    return (
        f"requests to addresses outside the lab were blocked and failed: {named}{rest}. Serve the API without a "
        "redirect to another host or to https, and write relative URLs in the scenario. Then start a new run"
    )
