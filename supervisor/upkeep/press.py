"""The press: writes the CRL at once for whoever has revoked something, one writing for all that wait at that moment.

The front door uses it: a revocation is answered when the served CRL has it.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import structlog

from stages.ca.issuer import Issuer
from stages.store.store import Store
from supervisor.config import Settings
from supervisor.upkeep.crl import write_crl

log = structlog.get_logger()


class Press:
    """Writes the CRL of `issuer`."""

    def __init__(self, store: Store, issuer: Issuer, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._issuer = issuer
        self._settings = settings
        self._lock = anyio.Lock()
        self._asked = 0
        self._done = 0

    async def publish(self) -> None:
        """Come back when a CRL lies there that has every revocation which was in the store at the call.

        Raises Refused or StoreUnavailable, as `write_crl` does.
        """
        self._asked += 1
        ticket = self._asked
        async with self._lock:
            if self._done >= ticket:
                return  # the one before began to read after this call
            covers = self._asked
            written = await write_crl(self._settings(), self._issuer, self._store, int(self._store.clock()))
            self._done = covers
            log.info("crl.written", file=str(written.file), number=written.number, entries=written.entries)
