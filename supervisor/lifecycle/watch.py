"""Puts the page together with the program: what it asks the program's memory and store for. For `program` only."""

from __future__ import annotations

import time
from collections.abc import Callable

from stages.store.moves import Move
from stages.store.store import Store
from supervisor.admin import Routes
from supervisor.admin.assets import page_routes
from supervisor.admin.watching import api_routes
from supervisor.overview.parts import WarningNow
from supervisor.overview.ring import Ring, keep_ring
from supervisor.overview.standing import program_now, queues_in_memory
from supervisor.overview.view import Memory, View
from supervisor.reload import Reloader
from supervisor.term.health import Health
from supervisor.warnings import Warnings


class Watch:
    """The view of those who look.

    Args:
        reloader: holds the settings in effect.
        health: what is at work.
        warnings: gives what the program warns of now.
        began: `time.monotonic` at the start.

    Attributes:
        store: the store while there is one.
    """

    def __init__(self, reloader: Reloader, health: Health, warnings: Callable[[], Warnings], began: float) -> None:
        self.store: Store | None = None
        self._health = health
        self._warnings = warnings
        self._began = began
        self._ring = Ring(health, time.time)
        self._view = View(lambda: self.store, lambda: reloader.settings, self._memory)

    def routes(self) -> Routes:
        """The page and what it asks for."""
        return {**page_routes(), **api_routes(self._view, time.time)}

    async def keep(self) -> None:
        """Keep the last minutes, until cancelled."""
        await keep_ring(self._ring)

    def hear(self, move: Move) -> None:
        """A committed move."""
        if move[0] == "reject":
            self._view.note_rejected(move[1])

    def _memory(self) -> Memory:
        health, committer = self._health, self._health.committer
        return Memory(
            program_now(health, time.monotonic() - self._began),
            queues_in_memory(health, self._ring),
            self._ring.columns(),
            committer is not None and committer.available,
            tuple(committer.held) if committer is not None else (),
            tuple(
                WarningNow(each.name, each.severity.value, each.subject, each.text, each.since)
                for each in self._warnings().current
            ),
        )
