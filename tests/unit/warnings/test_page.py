"""docs/warnings.md says what the program does."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.warnings.rounds import CANDIDATES, PAGE, SHOWN
from supervisor.warnings.rules import RULES
from supervisor.warnings.webhook import SIGNATURE, TIMESTAMP

TEXT = (Path(__file__).parents[3] / "docs" / "warnings.md").read_text()


@pytest.mark.parametrize("name", RULES)
def test_page_has_every_rule(name: str) -> None:
    """docs/warnings.md says what each means."""
    assert f"| `{name}` |" in TEXT


def test_page_has_the_bounds_and_the_headers() -> None:
    """Numbers and names of the page are those of the code."""
    assert (PAGE, CANDIDATES, SHOWN) == (1000, 1000, 20)
    for words in ("a thousand at each look", "the 1,000 certificates that end next", "The first twenty of each"):
        assert words in TEXT
    assert f"| `{TIMESTAMP}` |" in TEXT
    assert f"| `{SIGNATURE}` |" in TEXT
