"""What a destination of log lines is. For `supervisor.logs` only."""

from __future__ import annotations

from typing import Protocol


class GoneError(Exception):
    """Nobody will ever read there again, such as a pipe whose reader has ended."""


class Sink(Protocol):
    """A destination. One caller at a time."""

    def send(self, lines: list[bytes], wait: float) -> int:
        """Write lines in order; how many it has taken: fewer where there was no room for more.

        Args:
            lines: finished lines, none of them empty.
            wait: seconds for which it may wait for room; 0 for not at all.

        Raises:
            OSError: for a fault that may pass, such as a full disk; nothing was taken.
            GoneError: for one that will not.
        """
        ...

    def close(self) -> None:
        """Close what the sink has opened."""
        ...
