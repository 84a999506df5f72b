"""Debian's Chromium for tests of pages."""

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# A browser of its own: no profile, no update, no network service of Chromium. Root may not use its sandbox.
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]


@contextmanager
def chromium() -> Iterator[Any]:
    """A Chromium that is started once. Without it, the test is skipped."""
    program = shutil.which("chromium")
    if program is None and platform.freedesktop_os_release().get("ID") != "debian":
        pytest.skip("this machine's system has no package of Chromium that is not a snap")
    if program is None:
        pytest.skip("Chromium is not installed; install it: python -m tests.install_programs")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()
