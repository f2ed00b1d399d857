"""Watches the clock against one that nobody sets, and says which time it is safe to forget by. No I/O.

The program's tasks share one `Steady`: the warnings tell of jumps, and the sweep forgets expired certificates only by a
time that has held for a day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

KEPT: Final = 3600.0
"""Seconds for which a jump is told of."""
DOUBT: Final = 86_400.0
"""Seconds after a jump forwards (or a start) during which the time before it still counts: enough to mend a clock."""
_NOISE: Final = 0.5
"""Seconds: a clock that is kept right is never set by more at once."""


class Steady:
    """Compares `clock` (unix time) with `monotonic` at each look; both in seconds.

    Attributes:
        ticked: whether the store's time was seen: before that, nothing is known of earlier runs.
    """

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = clock() - monotonic()
        self._jumps: list[tuple[float, float]] = []
        self._doubts: list[tuple[float, float]] = []
        self.ticked = False
        self._back = 0.0

    def look(self) -> None:
        """Note how far the clock was set since the last look."""
        at = self._monotonic()
        offset = self._clock() - at
        self._note(at, self._offset, offset)
        self._back += _backwards(self._offset - offset)
        self._offset = offset

    def seen(self, last: float) -> None:
        """Take the time that a supervisor wrote into the store before; 0 for none.

        The first one is of an earlier run: the clock cannot be behind it, and that it is ahead is believed in a day. A
        later one can be ahead of this clock only where another supervisor's is.
        """
        at, now = self._monotonic(), self._clock()
        if last and (last > now or not self.ticked):
            self._note(at, last - at, now - at, told=last > now)
        if not self.ticked:
            self._back += _backwards(last - now)
        self.ticked = True

    def _note(self, at: float, before: float, after: float, *, told: bool = True) -> None:
        self._jumps = [jump for jump in self._jumps if at - jump[0] < KEPT]
        self._doubts = [doubt for doubt in self._doubts if at - doubt[0] < DOUBT]
        if told and abs(after - before) > _NOISE:
            self._jumps.append((at, after - before))
        if after - before > _NOISE:
            self._doubts.append((at, before))

    def jump(self) -> float:
        """The farthest that the clock was set at once within the last hour: seconds, negative for backwards."""
        return max((amount for _, amount in self._jumps), key=abs, default=0.0)

    def went_back(self) -> float:
        """How many seconds this clock went backwards since the last call; those of an earlier run count too."""
        back, self._back = self._back, 0.0
        return back

    def owe(self, seconds: float) -> None:
        """Give back what `went_back` said: nothing could be done about it now."""
        self._back += seconds

    def trusted(self) -> float:
        """Unix time, or an earlier one while the clock went forwards within the last day."""
        self.look()
        return self._monotonic() + min([self._offset, *(before for _, before in self._doubts)])


def _backwards(seconds: float) -> float:
    return seconds if seconds > _NOISE else 0.0
