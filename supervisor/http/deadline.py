"""A deadline that moves often and seldom passes. For `timeouts` only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls `passed` once the deadline is over; its timer is touched only when that must come earlier than it is set.

    Most requests only move the deadline away: the timer, when it runs out, looks at where it is now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, passed: Callable[[], None]) -> None:
        self._loop = loop
        self._passed = passed
        self._at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def set(self, seconds: float) -> None:
        """So many seconds from now; `inf` for never."""
        self._at = inf if seconds == inf else self._loop.time() + seconds
        if self._at < self._timer_at:
            self.stop_timer()
            self._start_timer()

    def stop_timer(self) -> None:
        """Nothing passes any more, unless it is set again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, inf

    def _start_timer(self) -> None:
        self._timer_at = self._at
        self._timer = self._loop.call_at(self._at, self._look)

    def _look(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._at == inf:
            return
        if self._loop.time() < self._at:
            self._start_timer()
        else:
            self._passed()
