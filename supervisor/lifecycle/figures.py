"""Puts health, status and metrics together with the program: where their numbers are. For `program` only."""

from __future__ import annotations

import time

from stages.ca.issuer import Issuer
from stages.store.store import Store
from supervisor.acme.door_folder import FOLDER
from supervisor.admin import Facts, Routes, Sources, gather, metrics_routes, own_routes
from supervisor.lifecycle.warned import Warned
from supervisor.reload import Reloader
from supervisor.term.health import Health
from supervisor.upkeep.census import Census


class Figures:
    """The pages of one program; `began` is `time.monotonic` at its start."""

    def __init__(self, reloader: Reloader, health: Health, issuer: Issuer, warned: Warned, began: float) -> None:
        self._reloader = reloader
        self._health = health
        self._issuers = (issuer,)
        self._warned = warned
        self._began = began
        self._census = Census(lambda: reloader.settings, reloader.settings.data_dir / FOLDER)

    def routes(self) -> Routes:
        """The pages; all are answered from memory."""
        sources = Sources(
            health=self._health,
            census=self._census,
            issuers=lambda: self._issuers,
            clock=time.time,
            logs=lambda: (self._reloader.logs.dropped, self._reloader.logs.queued),
            undelivered=lambda: self._warned.undelivered,
            warnings=lambda: self._warned.by_rule,
        )
        return {**own_routes(self._facts), **metrics_routes(sources)}

    async def keep(self, store: Store) -> None:
        """Look at files and at `store` while a term lasts, if anybody can ask."""
        if self._reloader.settings.admin.listen:
            await self._census.keep(store)

    def _facts(self) -> Facts:
        return gather(self._health, self._issuers, time.monotonic() - self._began, time.time())
