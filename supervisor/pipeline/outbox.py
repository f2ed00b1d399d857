"""What is to be sent: moves in the order in which they were made. For the committer only.

Two moves of one session are never under way at once, in different calls; in one they keep their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from supervisor.pipeline.hold import Entry, Hold

GROUP_LIMIT = 256
"""Moves in one call at the most: bounds the time for which a script holds the server."""


class Outbox:
    """Moves that are not sent yet, and the sessions that those under way are about."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self._flying: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def add(self, entry: Entry) -> None:
        """One more, behind all others."""
        self.entries.append(entry)

    def take(self) -> list[Entry]:
        """What can be sent now; it is under way until `answered`."""
        taken: list[Entry] = []
        later: list[Entry] = []
        while self.entries and len(taken) < GROUP_LIMIT:
            entry = self.entries.popleft()
            (later if entry.move[1] in self._flying else taken).append(entry)
        self.entries.extendleft(reversed(later))
        self._flying.update([entry.move[1] for entry in taken])
        return taken

    def answered(self, entries: Iterable[Entry]) -> None:
        """These are not under way any more."""
        self._flying.difference_update([entry.move[1] for entry in entries if entry.move[0] != "resync"])

    def drop(self, hold: Hold) -> None:
        """What was done with this hold is not to be sent; what somebody waits for is."""
        self.entries = deque(entry for entry in self.entries if entry.hold is not hold or entry.future is not None)

    def leaving(self) -> list[str]:
        """Sessions that leave this supervisor with a move that is not sent yet."""
        return [entry.move[1] for entry in self.entries if entry.future is None]
