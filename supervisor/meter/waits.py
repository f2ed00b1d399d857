"""How long sessions stand in a queue: the time from a push of this process to the claim. For the committer.

No session carries the time of its push, so it is kept here: for `MOST` sessions at once, which in a longer queue are
those that have stood there longest. With their claims others get their place, so that any load is sampled evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stages.store.moves import Move
from supervisor.meter.histogram import Histogram

MOST: Final = 4096
"""Sessions whose push is remembered at once: half a megabyte."""
STALE: Final = 3600.0
"""Seconds after which a push is forgotten when its place is needed: its session was cancelled, or waits elsewhere."""
_PUSHING: Final = frozenset({"advance", "release", "submit", "ready", "finalize"})
_ENDING: Final = frozenset({"reject", "retire", "quarantine", "cancel"})


class Waits:
    """The pushes that are remembered, and a histogram of the waits of each queue. Times are unix seconds."""

    def __init__(self, histograms: Sequence[Histogram]) -> None:
        self._histograms = histograms
        self._pushed: dict[str, float] = {}

    def sent(self, move: Move, now: float) -> None:
        """A move is on its way that may push a session, or end it."""
        kind = move[0]
        if kind in _PUSHING:
            self.pushed(move[1], now)
        elif kind == "retry":
            self.pushed(move[1], move[3])
        elif kind in _ENDING:
            self.gone(move[1])
        elif kind == "order" and not move[8]:  # without challenges it is made for the first queue
            self.pushed(move[1], now)

    def pushed(self, session: str, at: float) -> None:
        """A session was pushed, or its next try is due at that time."""
        pushed = self._pushed
        if len(pushed) >= MOST and session not in pushed and not self._forget_stale(at):
            return
        pushed[session] = at

    def claimed(self, session: str, queue: int, now: float) -> None:
        """The session was claimed; `queue` is the place of its queue among the queues."""
        at = self._pushed.pop(session, None)
        if at is not None:
            self._histograms[queue].observe(max(0.0, now - at))

    def went_ahead(self, queue: int) -> None:
        """A session began its next stage at once, without standing in the queue."""
        self._histograms[queue].counts[0] += 1

    def gone(self, session: str) -> None:
        """The session will not be claimed."""
        self._pushed.pop(session, None)

    def forget(self) -> None:
        """A term is over: whoever claims those sessions is not known."""
        self._pushed.clear()

    def _forget_stale(self, now: float) -> bool:
        """Whether the oldest push was forgotten."""
        oldest = next(iter(self._pushed))
        if now - self._pushed[oldest] < STALE:
            return False
        del self._pushed[oldest]
        return True
