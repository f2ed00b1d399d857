"""What happens to the tests of the page where there is no browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness.browser import missing

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take them out (tests/conftest.py tells of it); where CI is set, they fail."""
    if os.environ.get("CI") or not missing():
        return
    taken = [item for item in items if _HERE in item.path.parents]
    if taken:
        config.hook.pytest_deselected(items=taken)
        items[:] = [item for item in items if item not in taken]
