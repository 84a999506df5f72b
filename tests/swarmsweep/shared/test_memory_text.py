"""Amounts of memory as Docker writes them, exact and rounded."""

import pytest

from swarmsweep.shared.memory_text import round_memory


@pytest.mark.parametrize(
    ("count", "text"),
    [(67108864, "64M"), (629145600, "600M"), (1073741824, "1G"), (1610612736, "1.5G"), (4096, "4K"), (1000, "1000B"),
     (100000000, "95.4M")],
)  # fmt: skip
def test_a_rounded_amount_is_short(count, text):
    assert round_memory(count) == text
