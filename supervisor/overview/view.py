"""Answers those who look, all from the same second: what one has asked for is kept that long for the others.

While the committer knows that the store is away it is not asked; what was last seen of it is shown with its time.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar, cast

import anyio

from stages.errors import Refused, StoreUnavailable
from stages.store.glances import Mark
from stages.store.glances import marks as read_marks
from stages.store.reading import overview as read_counts
from stages.store.store import Store
from supervisor.config import Settings
from supervisor.overview import sessions
from supervisor.overview.certificates import FOREVER, certificate_list, timeline
from supervisor.overview.parts import (
    CertificateList,
    CertificateRow,
    Detail,
    Overview,
    ProgramNow,
    QueueNow,
    Samples,
    SessionList,
    StoreNow,
    Timeline,
    WarningNow,
)
from supervisor.overview.standing import queues_in_store, with_waiting
from supervisor.overview.tree import Files, read_tree

T = TypeVar("T")

FRESH: Final = 1.0
"""Seconds for which an answer is kept."""
PATIENCE: Final = 3.0
"""Seconds for one look at the store."""
MOST_OFFSET: Final = 10_000
"""Certificates that a page of a list may leave out: each costs the store a step."""
SESSION: Final = re.compile(r"[0-9a-f]{64}")
_NEXT: Final = 8
_KEPT: Final = 64


class Memory(NamedTuple):
    """What the running program knows by itself; `store_up` is whether its store answers, `at_work` what it holds."""

    program: ProgramNow
    queues: tuple[QueueNow, ...]
    samples: Samples
    store_up: bool
    at_work: tuple[str, ...]
    warnings: tuple[WarningNow, ...] = ()


class _Seen(NamedTuple):
    store: StoreNow
    queues: tuple[QueueNow, ...]
    marks: list[Mark]
    timeline: Timeline
    ending: tuple[CertificateRow, ...]


class View:
    """One view for all who look.

    Args:
        store: gives the store, or None while there is none.
        settings: gives the settings in effect.
        memory: gives what the program knows by itself; None where no program runs here.
    """

    def __init__(
        self, store: Callable[[], Store | None], settings: Callable[[], Settings], memory: Callable[[], Memory | None]
    ) -> None:
        self._store = store
        self._settings = settings
        self._memory = memory
        self._files = Files()
        self._seen: _Seen | None = None
        self._kept: dict[object, tuple[float, Any]] = {}
        self._locks: dict[object, anyio.Lock] = {}
        self._rejected: deque[str] = deque(maxlen=sessions.MOST)

    def note_rejected(self, session: str) -> None:
        """This session was rejected here: it is listed also when active-requests has forgotten it."""
        self._rejected.appendleft(session)

    async def overview(self, now: float) -> Overview:
        """All but the lists; `now` is unix time. Raises nothing of the store's: what is wrong is told."""
        return await self._once("overview", now, lambda: self._overview(now))

    async def _overview(self, now: float) -> Overview:
        memory, fault = self._memory(), ""
        try:
            self._seen = await self._asked(self._look)
        except (StoreUnavailable, Refused) as error:
            fault = str(error)
        seen = self._seen
        queues = memory.queues if memory else seen.queues if seen else ()
        return Overview(
            now,
            memory.program if memory else None,
            not fault,
            fault,
            seen.store if seen else None,
            with_waiting(queues, seen.store if seen else None),
            memory.samples if memory else None,
            seen.timeline if seen else None,
            seen.ending if seen else (),
            await read_tree(self._settings(), self._files),
            memory.warnings if memory else (),
        )

    async def _look(self, store: Store) -> _Seen:
        now = store.clock()
        counts, found = await read_counts(store), await read_marks(store, sessions.LOOKED)
        following = await certificate_list(store, int(now), int(now), FOREVER, 0, _NEXT)
        return _Seen(
            sessions.store_now(now, counts, found),
            queues_in_store(counts),
            found,
            await timeline(store, int(now)),
            tuple(following.rows),
        )

    async def sessions(self, show: str, now: float, count: int = 50) -> SessionList:
        """A list, one of `sessions.SHOWS`. Raises Refused, StoreUnavailable."""
        if show not in sessions.SHOWS:
            raise Refused("malformed", "show", f"it must be one of {', '.join(sessions.SHOWS)}")
        _within("count", count, 1, sessions.MOST)
        return await self._once((show, count), now, lambda: self._sessions(show, now, count))

    async def _sessions(self, show: str, now: float, count: int) -> SessionList:
        await self.overview(now)
        memory, seen = self._memory(), self._seen

        async def look(store: Store) -> SessionList:
            assert seen is not None  # noqa: S101  the overview has just looked, else `_asked` raises
            others = [each.id for each in seen.store.supervisors]
            ids = await sessions.ids_of(store, show, seen.marks, self._rejected, others, count + 1)
            made = await sessions.rows(store, ids[:count], memory.at_work if memory else ())
            return SessionList(now, show, made, len(ids) > count, seen.store.looked, seen.store.active)

        if seen is None:
            raise StoreUnavailable("the store was not reached yet")
        return await self._asked(look)

    async def session(self, id_: str, now: float) -> Detail | None:
        """One session; None for none. Raises Refused, StoreUnavailable, Garbled."""
        if not SESSION.fullmatch(id_):
            raise Refused("malformed", "session", "its id has 64 hex digits")
        return await self._once(("session", id_), now, lambda: self._asked(lambda s: sessions.detail(s, id_, now)))

    async def certificates(
        self, now: float, start: int | None = None, end: int | None = None, offset: int = 0, count: int = 50
    ) -> CertificateList:
        """Certificates that end from `start` (now) until before `end`. Raises Refused, StoreUnavailable."""
        start, end = int(now) if start is None else start, FOREVER if end is None else end
        _within("from", start, 0, FOREVER)
        _within("to", end, 0, FOREVER)
        _within("offset", offset, 0, MOST_OFFSET)
        _within("count", count, 1, sessions.MOST)
        key = (start, end, offset, count)
        return await self._once(
            key, now, lambda: self._asked(lambda s: certificate_list(s, int(now), start, end, offset, count))
        )

    async def _asked(self, look: Callable[[Store], Awaitable[T]]) -> T:
        """Look at the store, if it is there."""
        memory, store = self._memory(), self._store()
        if store is None or (memory is not None and not memory.store_up):
            raise StoreUnavailable("the store cannot be reached")
        with anyio.move_on_after(PATIENCE):
            return await look(store)
        raise StoreUnavailable(f"store: no answer within {PATIENCE:g} s")

    async def _once(self, key: object, now: float, make: Callable[[], Awaitable[T]]) -> T:
        """What was made for this key in the last second, else a new one, made once for all who ask meanwhile."""
        lock = self._locks.setdefault(key, anyio.Lock())
        async with lock:
            kept = self._kept.get(key)
            if kept is None or not 0 <= now - kept[0] < FRESH:
                kept = (now, await make())
                self._keep(key, kept)
        return cast("T", kept[1])

    def _keep(self, key: object, kept: tuple[float, Any]) -> None:
        self._kept.pop(key, None)
        self._kept[key] = kept
        for old in _first(self._kept, len(self._kept) - _KEPT):
            del self._kept[old]
        for free in [each for each, lock in self._locks.items() if each not in self._kept and not lock.locked()]:
            del self._locks[free]


def _first(keys: Iterable[object], count: int) -> list[object]:
    return [key for key, _ in zip(keys, range(max(0, count)), strict=False)]


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Refused("malformed", name, f"it must be from {low} to {high}")
