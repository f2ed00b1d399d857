"""What recovery reads and does in the store: places, batches of active-requests, decisions carried out.

Places are gathered as integers, not as texts: a million sessions then cost tens of megabytes, not hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from stages.store.found import Found
from stages.store.keys import Keys
from stages.store.lease import Lease
from stages.store.store import Store

_encode = msgspec.msgpack.Encoder().encode
_PAGE = 5000
TWICE = 1024


class Batch(msgspec.Struct, array_like=True):
    """A batch of active-requests: entries looked at, finished ones among them, and each as it was found."""

    looked: int
    dropped: int
    found: list[Found]


class _RawBatch(msgspec.Struct, array_like=True):
    looked: int
    dropped: int
    found: list[msgspec.Raw]


_decode_batch = msgspec.msgpack.Decoder(Batch).decode
_decode_raw_batch = msgspec.msgpack.Decoder(_RawBatch).decode
_decode_found = msgspec.msgpack.Decoder(Found).decode
_decode_results = msgspec.msgpack.Decoder(list[str]).decode


def fingerprint(session: str | bytes) -> int:
    """The first 60 bits of a session's id; an id that is no hex gets a hash of its text."""
    try:
        return int(session[:15], 16)
    except ValueError:
        return hash(bytes(session, "utf-8", "replace") if isinstance(session, str) else session) & (2**60 - 1)


def _read_batch(answer: bytes) -> Batch:
    try:
        return _decode_batch(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raw = _decode_raw_batch(answer)
        return Batch(raw.looked, raw.dropped, [_read_found(one) for one in raw.found])


def _read_found(raw: msgspec.Raw | bytes) -> Found:
    """One session; one that holds more than UTF-8 text is unreadable, and the others are not touched by that."""
    try:
        return _decode_found(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Found(_session_of(raw), unreadable="not UTF-8 text")


def _session_of(raw: msgspec.Raw | bytes) -> str:
    first, *_ = msgspec.msgpack.decode(raw, type=list[msgspec.Raw])
    try:
        return msgspec.msgpack.decode(first, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "?"


class Scanner:
    """The scan's side of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def keys(self) -> Keys:
        """The keys of the store."""
        return self._store.keys

    async def count(self) -> int:
        """Entries in active-requests."""
        return int(await self._store.call(self._store.redis.llen(self.keys.active)))

    async def places(self, living: Iterable[str], dead: Iterable[str]) -> dict[int, int]:
        """Bits of `decide.Places` by fingerprint, of everything that stands in a list or a delayed set."""
        places: dict[int, int] = {}
        lists = [(key, 1 << n) for n, key in enumerate(self.keys.pending)]
        lists += [(self.keys.inflight(supervisor), 256) for supervisor in living]
        lists += [(self.keys.inflight(supervisor), 512) for supervisor in dead]
        redis = self._store.redis
        for key, bit in lists:
            start = 0
            while page := await self._store.call(redis.lrange(key, start, start + _PAGE - 1)):
                _note(places, page, bit)
                start += _PAGE
        for n, key in enumerate(self.keys.delayed):
            start = 0
            while page := await self._store.call(redis.zrange(key, start, start + _PAGE - 1)):
                _note(places, page, 16 << n)
                start += _PAGE
        return places

    async def look_up(self, places: dict[int, int], living: Iterable[str], dead: Iterable[str]) -> list[Found]:
        """What is found of sessions known by fingerprint and places only; the lists are read once more."""
        inflight = [self.keys.inflight(supervisor) for supervisor in (*living, *dead)]
        ids: dict[str, int] = {}
        redis = self._store.redis
        for key in (*self.keys.pending, *inflight):
            for session in await self._store.call(redis.lrange(key, 0, -1)):
                if (bits := places.get(fingerprint(session))) is not None:
                    ids[session.decode("utf-8", "backslashreplace")] = bits
        for key in self.keys.delayed:
            for session in await self._store.call(redis.zrange(key, 0, -1)):
                if (bits := places.get(fingerprint(session))) is not None:
                    ids[session.decode("utf-8", "backslashreplace")] = bits
        found = []
        for session, bits in ids.items():
            one = _read_found(await self._store.script("look.lua", [self.keys.session(session)], [session]))
            one.places = bits
            found.append(one)
        return found

    async def batch(self, size: int, *, rotate: bool, offset: int = 0) -> Batch:
        """The next batch; `rotate` drops finished sessions and moves the rest to the head, else nothing changes."""
        mode = "rotate" if rotate else "look"
        answer = await self._store.script("scan.lua", [self.keys.active], [self.keys.prefix, size, mode, offset])
        return _read_batch(answer)

    async def carry_out(
        self,
        decisions: Sequence[tuple[str, str, str, str]],
        lease: Lease,
        *,
        keep: int,
    ) -> list[str]:
        """Do (session, action, state, more) as `recover.lua` reads them; "done" or why it was left comes back for each.

        Raises LeaseLost, StoreUnavailable. Doing it twice changes nothing the second time.
        """
        now = str(int(self._store.clock()))
        args = [
            self.keys.prefix,
            lease.token,
            now,
            keep,
            _encode(decisions),
        ]
        return _decode_results(await self._store.script("recover.lua", self.keys.group(lease.supervisor), args))

    async def supervisors(self, own: str) -> tuple[list[str], list[str]]:
        """Ids of the living (our own first) and of the dead supervisors that are on record."""
        redis = self._store.redis
        known = [id_.decode() for id_ in await self._store.call(redis.hkeys(self.keys.supervisors))]
        living: list[str] = [own] if own else []
        dead: list[str] = []
        for supervisor in known:
            if supervisor == own:
                continue
            alive = await self._store.call(redis.exists(self.keys.lease(supervisor)))
            (living if alive else dead).append(supervisor)
        return living, dead


def _note(places: dict[int, int], page: list[bytes], bit: int) -> None:
    for session in page:
        key = fingerprint(session)
        before = places.get(key, 0)
        places[key] = before | bit | (TWICE if before & bit else 0)
