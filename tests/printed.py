"""What commands of the lab print, as tests compare it."""

import re


def printed(text: str) -> str:
    """Return it on one line, with its commands as for the default inventory.

    Line breaks do not matter, and each test has an inventory of its own. tests/swarmsweep/lab/test_lab_command.py and
    tests/plugins/test_callback_phases.py have the commands of other inventories.
    """
    return without_inventory(" ".join(text.split()))


def without_inventory(text: str) -> str:
    """Return the commands of ``text`` as for the default inventory. They must name one inventory, each of them once."""
    assert not re.search(r"LAB_INVENTORY=\S+\s+LAB_INVENTORY=", text), text
    named = r"LAB_INVENTORY=(\S+) (?=\./lab )"
    assert len(set(re.findall(named, text))) <= 1, text
    return re.sub(named, "", text)
