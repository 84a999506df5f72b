"""The fixture that all tests share."""

from collections.abc import Iterator

import pytest

from tests.golden import Golden


@pytest.fixture
def golden() -> Iterator[Golden]:
    """Compares a text with its golden file: golden("plan.txt", text). A test that wrote one fails."""
    files = Golden()
    yield files
    if files.written:
        names = ", ".join(files.written)
        pytest.fail(f"wrote tests/golden/: {names}. Read the difference, then run without GOLDEN", pytrace=False)
