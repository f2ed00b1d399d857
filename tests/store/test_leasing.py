"""Keeping a lease beside work that may last longer than the lease lives, such as the scan at the start."""

from __future__ import annotations

import anyio
import pytest

from stages.errors import LeaseLost
from supervisor.term.leasing import kept
from tests.store.world import World

pytestmark = pytest.mark.anyio


async def test_kept_renews_the_lease_while_the_block_runs(world: World) -> None:
    """The time left rises again, which nothing but a renewal does."""
    lease = await world.supervisor("B")
    lease.ttl = 0.3
    assert await lease.renew()
    async with kept(lease):
        before = after = await world.redis.pttl(world.keys.lease("B"))
        with anyio.fail_after(10):
            while after <= before:
                before, after = after, await world.redis.pttl(world.keys.lease("B"))


async def test_kept_ends_the_block_when_the_lease_is_lost(world: World) -> None:
    """A block whose lease went is not left to run; the loss is raised as it is."""
    lease = await world.supervisor("B")
    lease.ttl = 0.3
    await world.dies("B")
    with pytest.raises(LeaseLost), anyio.fail_after(10):
        async with kept(lease):
            await anyio.sleep_forever()


async def test_kept_raises_what_the_block_raised(world: World) -> None:
    """Its callers tell outages from faults by the exception's type, so it must not come in a group."""
    lease = await world.supervisor("B")
    with pytest.raises(ZeroDivisionError):
        async with kept(lease):
            raise ZeroDivisionError
