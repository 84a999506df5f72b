"""Programs of the benchmarks: `tests/run` installs them, and a test by hand without one is skipped, saying so."""

import shutil
from pathlib import Path

import pytest

from bench.generator import nginx
from bench.lib import packages
from bench.truth import haproxy


def _program(name: str, path: Path | str | None) -> Path:
    if path is None:
        pytest.skip(f"{name} is not installed: ./lab test installs it")
    return Path(path)


@pytest.fixture(scope="session")
def nginx_program() -> Path:
    return _program("nginx", packages.find(*nginx.PACKAGE))


@pytest.fixture(scope="session")
def haproxy_program() -> Path:
    return _program("HAProxy", packages.find(*haproxy.PACKAGE))


@pytest.fixture(scope="session")
def wrk_program() -> Path:
    return _program("wrk", shutil.which("wrk"))
