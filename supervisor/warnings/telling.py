"""Tells the channels, each for itself: a notice gathers all that it is owed, and one that fails is tried again.

What a channel is owed is the difference between what it was told last and what holds now. So there is no queue: while a
receiver is away, news gather in one notice, and a restart asks the file of `memory` what was told.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import structlog

from supervisor.config import Settings
from supervisor.warnings.channels import NAMES, Channel
from supervisor.warnings.concern import Concern
from supervisor.warnings.notice import Notice, owed
from supervisor.warnings.webhook import NotTold

log = structlog.get_logger()

LONGEST: Final = 3600.0
"""Seconds between two tries at the most."""


class Telling:
    """Tells `channels` what holds now.

    Args:
        settings: the present ones.
        channels: the present channels by name.
        current: what holds now.
        clock: unix time in seconds.

    Attributes:
        told: what each channel was told last.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        channels: Callable[[], Mapping[str, Channel]],
        current: Callable[[], tuple[Concern, ...]],
        told: Mapping[str, tuple[Concern, ...]],
        clock: Callable[[], float],
    ) -> None:
        self.told = dict(told)
        self._settings = settings
        self._channels = channels
        self._current = current
        self._clock = clock
        self._looked = anyio.Event()

    def looked(self) -> None:
        """A look is over: each channel compares."""
        self._looked.set()
        self._looked = anyio.Event()

    async def run(self, remember: Callable[[], None]) -> None:
        """Tell for ever; `remember` is called when something was told."""
        async with anyio.create_task_group() as group:
            for name in NAMES:
                group.start_soon(self._keep, name, remember, name=f"tell by {name}")

    async def _keep(self, name: str, remember: Callable[[], None]) -> None:
        pause = 0.0
        while True:
            if pause:
                await anyio.sleep(pause)
            else:
                await self._looked.wait()
            if await self.tell(name):
                pause = 0.0
                remember()
            elif self._owes(name):
                first = self._settings().warnings.retry
                pause = min(max(pause * 2, first), LONGEST)
            else:
                pause = 0.0

    def _owes(self, name: str) -> bool:
        return name in self._channels() and bool(owed(self.told.get(name, ()), self._current()))

    async def tell(self, name: str) -> bool:
        """Tell one channel what it is owed; whether it was told something."""
        channel, current = self._channels().get(name), self._current()
        due = owed(self.told.get(name, ()), current)
        if channel is None or not due:
            return False
        ca, now = self._settings().ca.name, int(self._clock())
        notice = Notice(
            ca=ca, host=socket.gethostname(), time=now, raised=due.raised, cleared=due.cleared, current=current
        )
        try:
            missed = await channel.send(notice)
        except NotTold as why:
            log.warning("warning.not_told", channel=name, why=str(why))
            return False
        except Exception:
            log.exception("warning.failed", what=name)
            return False
        if missed:
            log.warning("warning.not_told", channel=name, why=missed)
        self.told[name] = current
        log.info("warning.told", channel=name, raised=len(due.raised), cleared=len(due.cleared))
        return True
