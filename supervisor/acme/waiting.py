"""Waiting for a session to change, without polling. The committer's `committed` callback notifies; handlers wait.

A watch begins before the move that it waits for the effects of, so no change can slip through between the two. Most
moves say themselves what they made of the session, which saves reading it again. What another supervisor commits is
not heard here: such a wait ends with its time, and the answer is then as the record says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from stages.store.moves import Move

T = TypeVar("T")


class Watch:
    """One look-out for changes of one session, with a time after which it is over."""

    def __init__(self, seconds: float) -> None:
        self._changed = asyncio.Event()
        self._moves: list[Move] = []
        self._over = asyncio.get_running_loop().time() + seconds

    def notify(self, move: Move) -> None:
        """The session has changed, by this move."""
        self._moves.append(move)
        self._changed.set()

    def doubt(self, move: Move) -> None:
        """What `notify` tells from now on may not have been made: that cannot be followed."""
        self._moves.append(move)

    async def change(self) -> bool:
        """Wait for the next change, or for one since the last call; False when the time is over."""
        try:
            async with asyncio.timeout_at(self._over):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def until(
        self,
        read: Callable[[], Awaitable[T]],
        enough: Callable[[T], bool],
        follow: Callable[[list[Move]], T | None] = lambda _: None,
    ) -> T:
        """Wait for a change, look, and so on until what was found is enough or the time is over; the last finding.

        `follow` says what the moves since the watch began have made; where it gives None or what is not enough, `read`
        is asked.
        """
        while await self.change():
            found = follow(self._moves)
            if found is None or not enough(found):
                found = await read()
            if enough(found):
                return found
        return await read()


class Waiter:
    """All watches; bounded by the number of requests under way."""

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}

    def notify(self, move: Move) -> None:
        """A move is durable; whoever waits for its session looks again."""
        for watch in self._watches.get(move[1], ()):
            watch.notify(move)

    def heard(self, move: Move) -> None:
        """A move of anybody was made; after a resync, answers were lost, and stages' moves only count as made."""
        if move[0] == "resync":
            for watches in self._watches.values():
                for watch in watches:
                    watch.doubt(move)

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
