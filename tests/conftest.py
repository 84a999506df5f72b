"""Shared by all tests: golden files, and `--no-skips`, with which `tests/run` fails on avoidable skips."""

from collections.abc import Generator, Iterator

import pytest

from tests.golden import Golden

# First words of the reasons that no installation could avoid: no root, no IPv6, no rows of Covertype.
ALLOWED = "this machine"


@pytest.fixture
def golden() -> Iterator[Golden]:
    """Compares a text with its golden file: golden("plan.txt", text). A test that wrote one fails."""
    files = Golden()
    yield files
    if files.written:
        names = ", ".join(files.written)
        pytest.fail(f"wrote tests/golden/: {names}. Read the difference, then run without GOLDEN", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips", action="store_true", help=f"a test that skips fails, unless its reason begins with '{ALLOWED}'"
    )


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    if not config.getoption("no_skips") or report.outcome != "skipped" or not isinstance(report.longrepr, tuple):
        return
    path, line, text = report.longrepr
    reason = text.removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: skipped, though tests/run installs all that the tests need: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_skipped(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_skipped(report, collector.config)
    return report
