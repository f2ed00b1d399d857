"""What the web server counts of its connections and its own answers."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from tests.e2e.http.door import GET, PATIENCE, open_door

pytestmark = pytest.mark.anyio


async def test_connections_are_counted() -> None:
    """Accepted ones, those that are open, those that found no room, and requests that no handler has seen."""
    async with open_door(connections=2) as door:
        async with await door.connect() as one, await door.connect() as two:
            for client in (one, two):
                await client.send(GET)
                await client.answer()
            assert (door.meter.accepted, door.meter.open, door.meter.full, door.meter.refused) == (2, 2, 0, {})
            assert [answer.status for answer in await door.ask(b"")] == [503]
        with anyio.fail_after(PATIENCE):
            while door.meter.open:
                await anyio.lowlevel.checkpoint()
        assert [answer.status for answer in await door.ask(b"no request\r\n\r\n")] == [400]
        assert (door.meter.accepted, door.meter.full, door.meter.refused) == (4, 1, {503: 1, 400: 1})
