"""One timer for all attempts of a queue. A runner uses it; nobody else.

A cancel scope for each attempt cost more than the rest of the runner (docs/decisions/0010-deadlines.md), and hardly any
attempt ever meets its deadline. So attempts are kept in the order of their start, and one timer looks at the oldest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadlines:
    """Cancels a task whose attempt has lasted longer than `limit()` seconds; the task then asks `end`."""

    def __init__(self, limit: Callable[[], float]) -> None:
        self._limit = limit
        self._begun: dict[asyncio.Task[None], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[None], now: float) -> None:
        """An attempt of this task begins at loop time `now`."""
        self._begun[task] = now
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(now + self._limit(), self._look)

    def limit_changed(self) -> None:
        """Another limit counts from now on, for the attempts under way too."""
        if self._timer is not None:
            self._timer.cancel()
            self._look()

    def end(self, task: asyncio.Task[None]) -> bool:
        """The attempt has ended; True when the deadline ended it: the task is then not cancelled any more."""
        if self._begun.pop(task, None) is not None:
            return False
        task.uncancel()
        return True

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        limit = self._limit()
        while self._begun:
            task, begun = next(iter(self._begun.items()))
            if begun + limit > loop.time():
                self._timer = loop.call_at(begun + limit, self._look)
                return
            del self._begun[task]
            task.cancel()
