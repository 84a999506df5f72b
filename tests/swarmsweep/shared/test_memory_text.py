"""Amounts of memory as Docker writes them, exact and rounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmsweep.shared.memory_text import format_memory, round_memory
from swarmsweep.units import parse_memory


@given(st.integers(0, 2**45))
def test_every_amount_is_written_exactly(size_bytes):
    text = format_memory(size_bytes)
    assert parse_memory(text) == size_bytes
    assert len(text) <= len(f"{size_bytes}b")


@pytest.mark.parametrize(
    ("count", "text"),
    [(67108864, "64M"), (629145600, "600M"), (1073741824, "1G"), (1610612736, "1.5G"), (4096, "4K"), (1000, "1000B"),
     (100000000, "95.4M")],
)  # fmt: skip
def test_a_rounded_amount_is_short(count, text):
    assert round_memory(count) == text
