"""What the program does beside the queues: the sweep, the CRL, and bringing the embedded store back."""

from __future__ import annotations

import anyio
import structlog

from stages.ca.issuer import Issuer
from stages.errors import LeaseLost, Refused, StoreUnavailable
from stages.store.certificates import forget_expired, revocations
from stages.store.lease import Lease
from stages.store.store import Store
from supervisor.embedded import Embedded, EmbeddedError
from supervisor.pipeline.committer import Committer
from supervisor.reload import Reloader
from supervisor.upkeep.crl import crl_due, crl_lacks, write_crl
from supervisor.upkeep.rescue import rescue
from supervisor.upkeep.steady import Steady

log = structlog.get_logger()

_CRL_LOOK = 60.0
"""Seconds between two looks at the CRL's file."""
_EMBEDDED_AGAIN = 1.0


async def sweep(store: Store, lease: Lease, reloader: Reloader, committer: Committer, steady: Steady) -> None:
    """Every `recovery.interval`: the recovery scan, and certificates that expired long ago are forgotten.

    Forgetting cannot be taken back, so it goes by a time that has held for a day, not by a clock that has just jumped.
    """
    while True:
        await reloader.sleep(lambda: reloader.settings.recovery.interval)
        try:
            await rescue(store, lease, reloader, committer)
            if steady.ticked:
                await forget_expired(store, int(steady.trusted() - reloader.settings.done.certificates_keep))
        except StoreUnavailable:
            continue  # the committer reports the outage; the next sweep comes
        except LeaseLost:
            raise
        except Exception:
            log.exception("recovery.failed")


async def keep_crl(store: Store, issuer: Issuer, reloader: Reloader) -> None:
    """Write a CRL when there is none, and a new one before its nextUpdate (RFC 5280 5.1.2.5).

    The first look also compares it with the store: a crash may have come between a revocation and its CRL. Where other
    supervisors share the store every look does: each has a CRL file of its own, and any of them revokes.
    """
    first = True
    while True:
        table = reloader.settings.crl
        try:
            due = crl_due(table.file, table.renew_before, int(store.clock()))
            if not due and (first or reloader.settings.store.one_of_several):
                due = crl_lacks(table.file, [serial for serial, _, _ in await revocations(store)])
            if due:
                written = await write_crl(reloader.settings, issuer, store, int(store.clock()))
                log.info("crl.written", file=str(written.file), number=written.number, entries=written.entries)
            first = False
        except (StoreUnavailable, Refused, OSError) as error:
            log.error("crl.failed", file=str(table.file), why=str(error))  # noqa: TRY400  a condition, not a fault of ours
        await reloader.pause(_CRL_LOOK)  # after a reload the file may have another place


async def keep_embedded(embedded: Embedded) -> None:
    """Start the embedded server again whenever it ends by itself; a full disk is tried again until there is room."""
    while True:
        why = await embedded.watch()
        log.error("store.lost", why=f"the embedded server ended: {why}")
        while True:
            try:
                await embedded.restart()
                break
            except EmbeddedError as error:
                log.error("store.lost", why=str(error))  # noqa: TRY400  a condition, not a fault of ours
                await anyio.sleep(_EMBEDDED_AGAIN)
        log.info("store.back", pid=embedded.pid)
