"""A clock that a test sets, a disk that it fills, and what happens where this machine has neither."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.faketime import FakeClock
from tests.harness.small_disk import argv
from tests.harness.tools import OPTIONAL, lacking

_HERE = Path(__file__).parent


@pytest.fixture
def fake_clock(tmp_path: Path) -> FakeClock:
    """A clock that shows the real time until it is set."""
    return FakeClock(tmp_path)


@pytest.fixture
def small_disk() -> Callable[[Path, Path, int], list[str]]:
    """What runs the program on a file system of its own."""
    return argv


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests whose tool is missing (tests/conftest.py tells of them); where CI is set most fail instead."""
    without = set(lacking()) & OPTIONAL if os.environ.get("CI") else set(lacking())
    taken = [
        item for item in items if _HERE in item.path.parents and without.intersection(getattr(item, "fixturenames", ()))
    ]
    if taken:
        config.hook.pytest_deselected(items=taken)
        items[:] = [item for item in items if item not in taken]
