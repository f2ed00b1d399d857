"""The log of a real run, for all tests of the session, and what happens when a tool is not installed."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from tests.e2e.logs.real_run import RealRun, real_run
from tests.harness.log_tools import lacking

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    """Orders at the ACME door, good ones and bad ones, and the file that the program logged to."""
    return anyio.run(real_run, tmp_path_factory.mktemp("run"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the modules that need what is missing (tests/conftest.py tells of them); where CI is set, they fail."""
    without = {} if os.environ.get("CI") else lacking()
    taken = [item for item in items if _HERE in item.path.parents and _needs(item) & without.keys()]
    if taken:
        config.hook.pytest_deselected(items=taken)
        items[:] = [item for item in items if item not in taken]


def _needs(item: pytest.Item) -> set[str]:
    module = item.getparent(pytest.Module)
    return set(getattr(module.obj, "NEEDS", ())) if module else set()
