"""Puts the warnings together with the program: its settings, its issuer, its clock. For `program` only."""

from __future__ import annotations

import time

import structlog

from stages.ca.issuer import Issuer
from stages.errors import StoreUnavailable
from stages.store.clocks import bring_earlier
from stages.store.store import Store
from supervisor.acme.door_folder import FOLDER
from supervisor.meter import StoreMeter
from supervisor.reload import Reloader
from supervisor.upkeep.steady import Steady
from supervisor.warnings import Warnings
from supervisor.warnings.facts import Facts
from supervisor.warnings.gathering import Gatherer
from supervisor.warnings.rules import RULES
from supervisor.warnings.watching import Watching

log = structlog.get_logger()


def boot_time() -> float:
    """Seconds since the machine was started, sleep included: nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Warned:
    """The warnings of one program, over all its terms. Making it raises Refused for a bad file of [warnings].

    Attributes:
        steady: what knows of clock jumps.
    """

    def __init__(self, reloader: Reloader, issuer: Issuer, meter: StoreMeter) -> None:
        self._meter = meter
        self.steady = Steady(time.time, boot_time)
        self._reloader = reloader
        self._issuer = issuer
        self._watching = Watching(reloader, time.time)

    @property
    def warnings(self) -> Warnings:
        """What holds now, for the admin pages."""
        return self._watching.warnings

    @property
    def by_rule(self) -> dict[str, bool]:
        """Whether a warning holds now, by the name of its rule."""
        holding = {concern.name for concern in self._watching.warnings.current}
        return {name: name in holding for name in RULES}

    @property
    def undelivered(self) -> int | None:
        """Certificates that nobody has fetched in time, as of the last whole round; None before the first."""
        facts = self._watching.facts
        return facts.certificates.undelivered_count if facts is not None and facts.certificates is not None else None

    async def keep(self, store: Store) -> None:
        """Look at `store` and everything else, and tell, while a term lasts."""
        settings, issuer = self._reloader.settings, self._issuer
        gatherer = Gatherer(
            lambda: self._reloader.settings,
            store,
            lambda: (issuer.certificate, *issuer.above),
            settings.data_dir / FOLDER,
            self.steady,
            calls=lambda: self._meter.moves.count,
        )

        async def look() -> Facts:
            facts = await gatherer.look()
            await self._mend(store)
            return facts

        await self._watching.keep(look)

    async def _mend(self, store: Store) -> None:
        """What was to be tried again by a clock that has gone back since would wait for as long as it went back."""
        back = self.steady.went_back()
        if not back:
            return
        try:
            count = await bring_earlier(store, back)
        except StoreUnavailable:
            self.steady.owe(back)
            return
        log.warning("clock.went_back", seconds=round(back, 3), sessions=count)
        if self._reloader.term is not None:
            self._reloader.term.committer.wake()
