"""Which tools, beside the ACME clients, this machine lacks for tests. For conftest.py files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.harness import faketime, small_disk

FIXTURES: Final[dict[str, Callable[[], str]]] = {"fake_clock": faketime.missing, "small_disk": small_disk.missing}
"""What says why a fixture cannot be had, by its name."""
OPTIONAL: Final = frozenset({"small_disk"})
"""What CI need not have: not every machine lets anybody mount."""


def lacking() -> dict[str, str]:
    """What is missing, by the name of the fixture whose tests cannot run."""
    return {name: why for name, missing in FIXTURES.items() if (why := missing())}
