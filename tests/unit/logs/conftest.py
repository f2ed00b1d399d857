"""Logs as JSON in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.logs.lines import Lines


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """Logs as JSON in a file."""
    made = Lines(tmp_path / "log")
    yield made
    made.close()
