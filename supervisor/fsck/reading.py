"""Sees sessions, certificates and the CRL for `supervisor.fsck`. Changes nothing.

Pages are read fast and without a transaction: what they say is only a suspicion. `Reader.session` and
`Reader.certificate` look at one thing in one transaction, so that nothing moves meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec

from stages.store.scanning import Scanner, fingerprint
from stages.store.store import Store
from supervisor.fsck.answers import (
    Named,
    count_in,
    count_of,
    crl_entries,
    or_empty,
    places_bits,
    read_fields,
    read_name,
    serial_of,
    session_look,
    text,
)
from supervisor.fsck.certificates import CertificateLook, CrlLook
from supervisor.fsck.sessions import SessionLook
from supervisor.recovery.decide import Places

PAGE: Final = 200
_LIST_PAGE: Final = 5000
_SCANNED: Final = 1000
_GLOB: Final = re.compile(r"([\\*?\[\]^-])")


class Around(msgspec.Struct, frozen=True):
    """What pages of sessions are read against: by fingerprint, where ids stand, and what was set aside."""

    places: dict[int, int]
    active: dict[int, int]
    quarantined: frozenset[int]


class Reader:
    """Looks at one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._redis: Any = store.redis

    async def around(self) -> Around:
        """Read every list and delayed set once."""
        scanner = Scanner(self._store)
        active: dict[int, int] = {}
        async for session in self._each(self._keys.active):
            key = fingerprint(session)
            active[key] = active.get(key, 0) + 1
        aside = frozenset([fingerprint(session) async for session in self._each(self._keys.quarantine)])
        places = await scanner.places(*await scanner.supervisors(""))
        return Around(places, active, aside)

    async def listed(self) -> AsyncIterator[str]:
        """Every id that stands in a list or a delayed set; some of them more than once."""
        living, dead = await Scanner(self._store).supervisors("")
        lists = [*self._keys.pending, *(self._keys.inflight(each) for each in (*living, *dead)), self._keys.active]
        for key in lists:
            async for session in self._each(key):
                yield session
        for key in self._keys.delayed:
            for entry in await self._store.call(self._redis.zrange(key, 0, -1)):
                yield text(entry)

    async def names(self) -> AsyncIterator[Named]:
        """What the names of all keys say (SCAN: each key that stays is there, some come twice)."""
        pattern, cursor = _GLOB.sub(r"\\\1", self._keys.prefix) + "*", 0
        while True:
            cursor, keys = await self._store.call(self._redis.scan(cursor, match=pattern, count=_SCANNED))
            for key in keys:
                if named := read_name(text(key)[len(self._keys.prefix) :]):
                    yield named
            if not cursor:
                return

    async def sessions(self, ids: Sequence[str], around: Around) -> list[SessionLook]:
        """A page of sessions; `left` stays empty."""
        pipe = self._redis.pipeline(transaction=False)
        for session in ids:
            pipe.hgetall(self._keys.session(session))
            pipe.lrange(self._keys.names(session), 0, -1)
        answers = await self._store.call(pipe.execute(raise_on_error=False))
        hashes, names = answers[::2], answers[1::2]
        counts = [count_of(hash_) for hash_ in hashes]
        for session, hash_, count in zip(ids, hashes, counts, strict=True):
            pipe.hgetall(self._keys.certificate(serial_of(hash_)))
            for n in range(1, count + 1):
                pipe.hgetall(self._keys.challenge(session, n))
        rest = iter(await self._store.call(pipe.execute(raise_on_error=False)))
        found = []
        for session, hash_, listed, count in zip(ids, hashes, names, counts, strict=True):
            certificate = next(rest)
            challenges = [next(rest) for _ in range(count)]
            key = fingerprint(session)
            found.append(
                session_look(
                    session,
                    (hash_, listed, certificate, challenges),
                    places=around.places.get(key, 0),
                    active=around.active.get(key, 0),
                    quarantined=key in around.quarantined,
                )
            )
        return found

    async def session(self, session: str) -> SessionLook:
        """One session and every place of it, in one transaction."""
        keys, redis = self._keys, self._redis
        supervisors = [text(each) for each in await self._store.call(redis.hkeys(keys.supervisors))]
        before = (await self.sessions([session], Around({}, {}, frozenset())))[0]
        count, serial = count_in(before.fields), before.fields.get("serial", "")
        children = ["names", *(str(n) for n in range(1, 32))] if not before.fields else []
        pipe = redis.pipeline(transaction=True)
        pipe.hgetall(keys.session(session))
        pipe.lrange(keys.names(session), 0, -1)
        pipe.hgetall(keys.certificate(serial))
        for n in range(1, count + 1):
            pipe.hgetall(keys.challenge(session, n))
        for key in (keys.active, keys.quarantine, *keys.pending):
            pipe.lpos(key, session, count=0)
        for key in keys.delayed:
            pipe.zscore(key, session)
        for supervisor in supervisors:
            pipe.exists(keys.lease(supervisor))
            pipe.lpos(keys.inflight(supervisor), session, count=0)
        for child in children:
            pipe.exists(f"{keys.session(session)}:{child}")
        answers = iter(await self._store.call(pipe.execute(raise_on_error=False)))
        record = (next(answers), next(answers), next(answers), [next(answers) for _ in range(count)])
        active, aside, *pending = [len(or_empty(next(answers))) for _ in range(6)]
        seen = [(1 << n, times) for n, times in enumerate(pending)]
        seen += [(16 << n, int(isinstance(next(answers), float))) for n in range(4)]
        for _ in supervisors:
            living = next(answers)
            bit = Places.INFLIGHT_LIVING if living else Places.INFLIGHT_DEAD
            seen.append((int(bit), len(or_empty(next(answers)))))
        left = tuple(child for child in children if next(answers))
        return session_look(
            session, record, places=places_bits(seen), active=active, quarantined=bool(aside), left=left
        )

    async def certificates(self, serials: Sequence[str]) -> list[CertificateLook]:
        """A page of certificates; `twin` stays empty."""
        return [await self._look(serial, answers) for serial, answers in await self._read(serials)]

    async def certificate(self, serial: str, twin: str = "") -> CertificateLook:
        """One certificate, in one transaction; `twin` is kept while that one is of the same session."""
        look = (await self.certificates([serial]))[0]
        if twin:
            other = (await self.certificates([twin]))[0]
            same = look.fields.get("session") == other.fields.get("session")
            look = msgspec.structs.replace(look, twin=twin if same and look.fields else "")
        return look

    async def _read(self, serials: Sequence[str]) -> list[tuple[str, list[Any]]]:
        keys = self._keys
        pipe = self._redis.pipeline(transaction=True)
        for serial in serials:
            pipe.hgetall(keys.certificate(serial))
            pipe.zscore(keys.certificates, serial)
            pipe.hget(keys.revoked, serial)
        answers = await self._store.call(pipe.execute(raise_on_error=False))
        return [(serial, answers[3 * n : 3 * n + 3]) for n, serial in enumerate(serials)]

    async def _look(self, serial: str, answers: list[Any]) -> CertificateLook:
        hash_, score, revoked = answers
        fields, unreadable = read_fields(hash_)
        session_serial = None
        if session := fields.get("session"):
            pipe = self._redis.pipeline(transaction=False)
            pipe.hmget(self._keys.session(session), "live", "serial")
            (found,) = await self._store.call(pipe.execute(raise_on_error=False))
            if not isinstance(found, Exception) and found[0] is not None:
                session_serial = text(found[1] or b"")
        return CertificateLook(
            serial=serial,
            fields=fields,
            unreadable=unreadable,
            indexed=score if isinstance(score, float) else None,
            revoked=text(revoked) if isinstance(revoked, bytes) else None,
            session_serial=session_serial,
        )

    async def indexed(self) -> AsyncIterator[str]:
        """Every serial in the index by expiry."""
        start = 0
        index = self._keys.certificates
        while page := await self._store.call(self._redis.zrange(index, start, start + _LIST_PAGE - 1)):
            for serial in page:
                yield text(serial)
            start += _LIST_PAGE

    async def revoked(self) -> frozenset[str]:
        """Every serial on the list of revocations."""
        return frozenset(text(each) for each in await self._store.call(self._redis.hkeys(self._keys.revoked)))

    async def crl(self, file: Path) -> CrlLook:
        """The list of revocations first, then the file: what is missing there was written late, or never."""
        revoked = await self.revoked()
        if not await anyio.Path(file).exists():
            return CrlLook(revoked=revoked, counter=await self._counter())
        number, entries, problem = crl_entries(file)
        # The number is taken before its file is written: so the store is asked after the file.
        return CrlLook(revoked=revoked, counter=await self._counter(), number=number, entries=entries, problem=problem)

    async def _counter(self) -> int:
        number = await self._store.call(self._redis.get(self._keys.crl_number)) or b"0"
        return int(number) if number.isdigit() else 0

    async def in_flight_unknown(self, supervisor: str) -> int:
        """Entries in the in-flight list of a supervisor that is on no record; 0 for one that is."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hexists(self._keys.supervisors, supervisor)
        pipe.llen(self._keys.inflight(supervisor))
        known, count = await self._store.call(pipe.execute())
        return 0 if known else int(count)

    async def _each(self, key: str) -> AsyncIterator[str]:
        start = 0
        while page := await self._store.call(self._redis.lrange(key, start, start + _LIST_PAGE - 1)):
            for entry in page:
                yield text(entry)
            start += _LIST_PAGE
