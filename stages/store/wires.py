"""Connections for script calls: redis-py's own, without what its client does around each command. For `store` alone.

The client takes a connection from a pool behind a lock, tries again by a policy that we have set to "never", and keeps
metrics that nobody reads: that costs more than half as much again as the call (docs/decisions/0018-calls-on-wires.md).
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError


class Wires:
    """As many connections as there were calls at once; each carries one call at a time.

    One goes back to the others only when its call has its whole answer, so that the next call cannot get it.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._free: list[AbstractConnection] = []
        self._at_work: set[AbstractConnection] = set()

    async def call(self, *command: Any) -> Any:
        """Send a command and return its answer; raises what redis-py raises, its errors untranslated."""
        wire = self._free.pop() if self._free else self._pool.make_connection()  # type: ignore[no-untyped-call]
        self._at_work.add(wire)
        answered = False
        try:
            if wire.is_connected and await _is_spent(wire):
                await wire.disconnect(nowait=True)  # sending connects it anew
            await wire.send_command(*command)
            answer = await wire.read_response()
            answered = True
        except ResponseError:  # an answer too, or that of a handshake, after which redis-py has disconnected
            answered = True
            raise
        finally:
            if answered and wire in self._at_work:
                self._at_work.remove(wire)
                self._free.append(wire)
            else:  # cancelled, lost or closed meanwhile: an answer may be on its way that is nobody's
                self._at_work.discard(wire)
                await wire.disconnect(nowait=True)
        return answer

    async def aclose(self) -> None:
        """Close all; a call under way ends with redis-py's ConnectionError. Later calls connect anew."""
        closing = [*self._free, *self._at_work]
        self._free.clear()
        self._at_work.clear()
        try:
            while closing:
                await closing.pop().disconnect()
        finally:  # cancelled, or the server does not take leave: the others are not waited for
            while closing:
                await closing.pop().disconnect(nowait=True)


async def _is_spent(wire: AbstractConnection) -> bool:
    """Whether the server has closed it meanwhile, or has said something that nobody had asked for."""
    reader = wire._reader  # noqa: SLF001  `can_read` does not see a connection that was reset
    return (reader is not None and reader.exception() is not None) or bool(await wire.can_read())
