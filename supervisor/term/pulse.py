"""How late the event loop wakes what is due: the latest figure and the worst of the last minute.

`supervisor.lifecycle` keeps it, and feeds systemd's watchdog from it; `supervisor.admin` shows it. A loop that is late
is late for everybody: each lease, each timeout and each client waits as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

PERIOD: Final = 1.0
"""Seconds between two beats. One wake a second costs less than a ten-thousandth of a core."""
WINDOW: Final = 60.0
"""Seconds that `worst` looks back."""


class Pulse:
    """The lateness of the last beats, in seconds.

    Attributes:
        latest: that of the last beat; 0 before the first.
    """

    def __init__(self) -> None:
        self.latest = 0.0
        self._beats: deque[tuple[float, float]] = deque()

    @property
    def worst(self) -> float:
        """The greatest of the last minute, counted back from the last beat."""
        return max((late for _, late in self._beats), default=0.0)

    def beat(self, due: float, now: float) -> None:
        """What was due at one time of a monotonic clock has woken at another."""
        self.latest = max(0.0, now - due)  # a timer of the loop may be a millisecond early
        self._beats.append((now, self.latest))
        while self._beats[0][0] < now - WINDOW:
            self._beats.popleft()


async def keep_pulse(
    pulse: Pulse,
    clock: Callable[[], float],
    beaten: Callable[[float], None],
    period: float = PERIOD,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Beat every `period` seconds until cancelled.

    `clock` is monotonic; `beaten` hears the time of each beat on it, after `pulse` has counted the beat.
    """
    while True:
        due = clock() + period
        await sleep(period)
        now = clock()
        pulse.beat(due, now)
        beaten(now)
