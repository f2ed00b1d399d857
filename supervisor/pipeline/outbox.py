"""What is to be sent: moves in the order in which they were made. For the committer only.

Two moves of one session are never under way at once, in different calls; in one they keep their order. What a stage
says that began with its client's move is sent once that move has its answer.
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
        barred = set(self._flying)
        while self.entries and len(taken) < GROUP_LIMIT:
            entry = self.entries.popleft()
            session = entry.move[1]
            (later if session in barred else taken).append(entry)
            if entry.begins:
                barred.add(session)
        self.entries.extendleft(reversed(later))
        self._flying.update([entry.move[1] for entry in taken])
        return taken

    def answered(self, entries: Iterable[Entry]) -> None:
        """These are not under way any more."""
        self._flying.difference_update([entry.move[1] for entry in entries if entry.move[0] != "resync"])

    def drop(self, hold: Hold) -> None:
        """What was done with this hold is not to be sent; what somebody waits for is."""
        self.entries = deque(entry for entry in self.entries if entry.hold is not hold or entry.future is not None)

    def in_flight(self, held: Iterable[str]) -> list[str]:
        """Sessions that are in flight here as far as is known, while nothing is under way.

        That are those `held` and those that leave with a move to be sent, but for one whose stage has begun with a move
        that is to be sent: it waits for its client, unless a reply was lost.
        """
        first: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.hold is not None or entry.future is None:
                first.setdefault(entry.move[1], entry)
        leaving = [session for session, entry in first.items() if entry.future is None]
        return leaving + [session for session in held if session not in first]
