"""What happens to the tests with Prometheus where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness.prometheus import lacking

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take them out where it is missing (tests/conftest.py tells of it); where CI is set, they fail."""
    if os.environ.get("CI") or not lacking():
        return
    taken = [item for item in items if _HERE in item.path.parents]
    if taken:
        config.hook.pytest_deselected(items=taken)
        items[:] = [item for item in items if item not in taken]
