"""Rounds through the certificates on record: which were never fetched, and which come to their end without a successor.

A look costs a page, whatever the number of certificates; what a round has found counts when it is through. It goes from
the last to expire down to the next, so a certificate's successor is met before the certificate itself.
"""

from __future__ import annotations

from typing import Final

from stages.store.browsing import Entry, by_expiry, ending, unfetched
from stages.store.store import Store
from supervisor.config.notices import Warnings as Limits
from supervisor.warnings.facts import Certificates, OnRecord

PAGE: Final = 1000
"""Certificates read at one look."""
CANDIDATES: Final = 1000
"""Certificates near their end that a round follows, the next to end first."""
SHOWN: Final = 20
"""Certificates of each kind that get a warning of their own."""


class Rounds:
    """One round after another over `store`; `page` is how many certificates a look reads."""

    def __init__(self, store: Store, page: int = PAGE) -> None:
        self._store = store
        self._page = page
        self._place = 0
        self._ending: dict[tuple[str, frozenset[str]], Entry] = {}
        self._late: list[Entry] = []
        self._late_count = 0
        self._met: frozenset[str] = frozenset()
        self._result: Certificates | None = None

    @property
    def under_way(self) -> bool:
        """Whether a round is not through."""
        return self._place > 0

    async def look(self, limits: Limits, now: int) -> Certificates | None:
        """Go on by a page; what the last whole round has found, None before the first is through.

        Raises StoreUnavailable; the next look goes on where this one began.
        """
        if not self._place:
            await self._begin(limits, now)
        page = await by_expiry(self._store, self._place, self._page, now)
        # What was issued since the last look has moved the rest on: some come a second time.
        new = [entry for entry in page.entries if entry.serial not in self._met]
        late = await unfetched(self._store, [entry for entry in new if _is_late(entry, limits, now)])
        for entry in new:
            self._meet(entry)
        self._met = frozenset(entry.serial for entry in page.entries)
        self._late_count += len(late)
        self._late = sorted([*self._late, *late], key=lambda entry: (entry.not_before, entry.serial))[:SHOWN]
        self._place += self._page
        if not page.more:
            self._finish()
        return self._result

    async def whole(self, limits: Limits, now: int) -> Certificates:
        """A whole round at once, for a command."""
        found = await self.look(limits, now)
        while found is None:
            found = await self.look(limits, now)
        return found

    async def _begin(self, limits: Limits, now: int) -> None:
        self._late, self._late_count, self._met, self._ending = [], 0, frozenset(), {}
        last = now + limits.unrenewed
        entries = await ending(self._store, now, last, CANDIDATES) if limits.unrenewed else []
        for entry in entries:
            near = min(limits.unrenewed, (entry.not_after - entry.not_before) // 6)
            if entry.session and not entry.revoked and not entry.replaced and entry.not_after - now < near:
                self._ending[_whose(entry)] = entry  # of two with the same names the later one counts

    def _meet(self, entry: Entry) -> None:
        """A later certificate for the same names of the same account: the earlier one was renewed."""
        known = self._ending.get(_whose(entry))
        if known is not None and not entry.revoked and entry.not_after > known.not_after:
            del self._ending[_whose(entry)]

    def _finish(self) -> None:
        left = sorted(self._ending.values(), key=lambda entry: (entry.not_after, entry.serial))
        self._result = Certificates(
            undelivered=tuple(_shown(entry) for entry in self._late),
            undelivered_count=self._late_count,
            unrenewed=tuple(_shown(entry) for entry in left[:SHOWN]),
            unrenewed_count=len(left),
        )
        self._place = 0


def _is_late(entry: Entry, limits: Limits, now: int) -> bool:
    return bool(limits.undelivered) and not entry.revoked and now - entry.not_before > limits.undelivered


def _whose(entry: Entry) -> tuple[str, frozenset[str]]:
    return entry.account, frozenset(entry.names)


def _shown(entry: Entry) -> OnRecord:
    return OnRecord(entry.serial, entry.names, entry.not_before, entry.not_after)
