"""Connections for script calls: redis-py's own, without what its client does around each command. For `store` alone.

The client takes a connection from a pool behind a lock, tries again by a policy that we have set to "never", and keeps
metrics that nobody reads: that costs the program as much again as the call (docs/decisions/0017-calls-on-wires.md).
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError


class Wires:
    """As many connections as there were calls at once; each carries one call at a time."""

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._free: list[AbstractConnection] = []

    async def call(self, *command: Any) -> Any:
        """Send a command and return its answer; raises what redis-py raises, its errors untranslated."""
        wire = self._free.pop() if self._free else self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            if wire.is_connected and await wire.can_read():
                await wire.disconnect()  # the server has closed it meanwhile; sending connects it anew
            await wire.send_command(*command)
            answer = await wire.read_response()
        except ResponseError:
            self._free.append(wire)
            raise
        except BaseException:  # cancelled too: an answer may be on its way that is nobody's
            await wire.disconnect(nowait=True)
            raise
        self._free.append(wire)
        return answer

    async def aclose(self) -> None:
        """Close those that carry no call."""
        while self._free:
            await self._free.pop().disconnect()
