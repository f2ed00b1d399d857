import os

import pytest

from tests.harness import browser, log_tools, prometheus, tools
from tests.harness.clients.here import lacking


@pytest.fixture
def anyio_backend() -> str:
    """The program runs on asyncio; so do the tests."""
    return "asyncio"


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: most tests wait for processes, about half of their time."""
    return 1 + (os.cpu_count() or 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell which tests were left out because this machine lacks what they run."""
    others = browser.lacking() | log_tools.lacking() | prometheus.lacking() | tools.lacking()
    for tool, why in (lacking() | others).items():
        terminalreporter.write_line(f"without the tests of {tool}: {why}")
