"""Takes the lease, or says who holds it.

A holder that is dead or silent is waited out; one that renews is respected.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import structlog

from stages.errors import LeaseLost, StoreUnavailable
from stages.store.lease import Held, Lease, Who
from stages.store.store import Store
from supervisor.term.identity import known_dead, supervisor_id

log = structlog.get_logger()

RENEWALS = 3
"""How often a lease is renewed within its time to live."""
_LOOK = 0.2
"""Seconds between two looks at another supervisor's lease."""


class StoreHeld(Exception):  # noqa: N818  a finding
    """A living supervisor owns the store."""

    def __init__(self, held: Held) -> None:
        where = f" (host {held.who.host}, pid {held.who.pid})" if held.who else ""
        super().__init__(
            f"supervisor {held.id}{where} holds this store and renews its lease; stop it first, or set"
            " store.one_of_several = true on every supervisor of this store"
        )
        self.held = held


async def take_lease(store: Store, who: Who, ttl: float, *, several: bool) -> Lease:
    """The lease of a new supervisor id; raises StoreHeld when another one lives, StoreUnavailable.

    A supervisor known to be dead (same host, process gone) is taken over at once; one that merely does not renew is
    waited for until its lease has run out.
    """
    lease = Lease(store.redis, store.keys, supervisor_id(who, secrets.token_bytes(4)), ttl)
    before: Held | None = None
    while True:
        dead = known_dead(await lease.others())
        held = await lease.acquire(who, several=several, dead=dead)
        if held is None:
            return lease
        if before is None:
            log.warning("lease.waiting", holder=held.id, left=held.left / 1000)
        elif held.id != before.id or held.left > before.left:
            raise StoreHeld(held)
        before = held
        await anyio.sleep(_LOOK)


async def keep_lease(lease: Lease, away: Callable[[], None] = lambda: None) -> None:
    """Renew the lease for ever; raises LeaseLost. `away` is called when the store cannot be reached."""
    while True:
        await anyio.sleep(lease.ttl / RENEWALS)
        try:
            if not await lease.renew():
                raise LeaseLost("the lease ran out")
        except StoreUnavailable:
            away()


@asynccontextmanager
async def kept(lease: Lease) -> AsyncIterator[None]:
    """Keep the lease while the block runs: a recovery scan may last longer than the lease lives.

    What ends the block, or the keeping, is raised as it is, not as a group.
    """
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(keep_lease, lease, name="lease")
            yield
            group.cancel_scope.cancel()
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
