"""Reads the certificates on record page by page, few fields of each: for rounds that may take their time.

A page is read by its place in the index by expiry, so it costs the same with a hundred certificates and with a million.
"""

from __future__ import annotations

import msgspec

from stages.session import Delivery
from stages.store.store import Store

_AT_ONCE = 250
"""Certificates in one pipeline: other calls of the program come between."""
_FIELDS = ("names", "not_before", "not_after", "account", "session", "delivery", "revoked", "successor")


class Entry(msgspec.Struct, frozen=True):
    """A certificate as a round sees it; times are unix seconds.

    Attributes:
        fetched: whether its client is known to have been sent it.
        session: "" for one that the CA made for itself.
        replaced: whether a later certificate says that it replaced this one (RFC 9773 5).
    """

    serial: str
    names: tuple[str, ...]
    not_before: int
    not_after: int
    account: str
    session: str
    fetched: bool
    revoked: bool
    replaced: bool


class Page(msgspec.Struct, frozen=True):
    """A part of the index: the entries that can be read, and whether there is more behind it."""

    entries: list[Entry]
    more: bool


async def by_expiry(store: Store, start: int, size: int, not_before_end: int) -> Page:
    """A page of certificates, the one that expires last first, from place `start`; none that has ended by then.

    Raises StoreUnavailable.
    """
    found = await store.call(store.redis.zrevrange(store.keys.certificates, start, start + size - 1, withscores=True))
    serials = [serial.decode("utf-8", "backslashreplace") for serial, ends in found if ends > not_before_end]
    return Page(await _read(store, serials), len(serials) == size)


async def ending(store: Store, first: int, last: int, most: int) -> list[Entry]:
    """Up to `most` certificates that end between these unix times, the next to end first. Raises StoreUnavailable."""
    found = await store.call(store.redis.zrangebyscore(store.keys.certificates, f"({first}", last, start=0, num=most))
    return await _read(store, [serial.decode("utf-8", "backslashreplace") for serial in found])


async def _read(store: Store, serials: list[str]) -> list[Entry]:
    entries = []
    for start in range(0, len(serials), _AT_ONCE):
        some = serials[start : start + _AT_ONCE]
        pipe = store.redis.pipeline(transaction=False)
        for serial in some:
            pipe.hmget(store.keys.certificate(serial), *_FIELDS)
        for serial, values in zip(some, await store.call(pipe.execute(raise_on_error=False)), strict=True):
            if (entry := _entry(serial, values)) is not None:
                entries.append(entry)
    return entries


def _entry(serial: str, values: list[bytes | None] | Exception) -> Entry | None:
    """None for what is gone or unreadable: `fsck` tells of that."""
    if isinstance(values, Exception):
        return None
    names, not_before, not_after, account, session, delivery, revoked, successor = values
    if names is None or not_before is None or not_after is None:
        return None
    try:
        return Entry(
            serial=serial,
            names=tuple(names.decode().split(",")),
            not_before=int(not_before),
            not_after=int(not_after),
            account=(account or b"").decode(),
            session=(session or b"").decode(),
            fetched=(delivery or b"issued").decode() != Delivery.ISSUED.value,
            revoked=revoked is not None,
            replaced=successor is not None,
        )
    except ValueError:
        return None


async def unfetched(store: Store, entries: list[Entry]) -> list[Entry]:
    """Those of `entries` that nobody has fetched: while a session lives, it knows better than its certificate.

    Raises StoreUnavailable.
    """
    asked = [entry for entry in entries if not entry.fetched and entry.session]
    found = []
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        pipe = store.redis.pipeline(transaction=False)
        for entry in some:
            pipe.hget(store.keys.session(entry.session), "delivery")
        answers = await store.call(pipe.execute(raise_on_error=False))
        found += [
            entry
            for entry, step in zip(some, answers, strict=True)
            if isinstance(step, Exception) or step in {None, b"", Delivery.ISSUED.value.encode()}
        ]
    return found
