"""Waiting for a session to change, without polling. The committer's `committed` callback notifies; handlers wait.

A watch begins before the move that it waits for the effects of, so no change can slip through between the two. What
another supervisor commits is not heard here: such a wait ends with its time, and the answer is then as the record says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Watch:
    """One look-out for changes of one session, with a time after which it is over."""

    def __init__(self, seconds: float) -> None:
        self._changed = asyncio.Event()
        self._over = asyncio.get_running_loop().time() + seconds

    def notify(self) -> None:
        """The session has changed."""
        self._changed.set()

    async def change(self) -> bool:
        """Wait for the next change, or for one since the last call; False when the time is over."""
        try:
            async with asyncio.timeout_at(self._over):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def until(self, read: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
        """Wait for a change, read, and so on until what was read is enough or the time is over; the last reading."""
        while await self.change():
            found = await read()
            if enough(found):
                return found
        return await read()


class Waiter:
    """All watches; bounded by the number of requests under way."""

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}

    def notify(self, session: str) -> None:
        """A move of this session is durable; whoever waits for it looks again."""
        for watch in self._watches.get(session, ()):
            watch.notify()

    @contextmanager
    def watch(self, session: str, seconds: float) -> Iterator[Watch]:
        """Look out for changes of a session for so many seconds from now."""
        watch = Watch(seconds)
        watches = self._watches.setdefault(session, [])
        watches.append(watch)
        try:
            yield watch
        finally:
            watches.remove(watch)
            if not watches:
                del self._watches[session]
