"""The certificate store: what was issued, by serial number, until long past its expiry; and what was revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from stages.store.store import Store

_PAGE = 200


class Certificate(msgspec.Struct, frozen=True):
    """A certificate on record. Times are unix seconds; `revoked` is 0 and `reason` None while it is not revoked.

    `delivery` is what is known of its way to the client: that of its session while that lives, else the last known.
    """

    serial: str
    issuer: str
    names: tuple[str, ...]
    pem: str
    not_before: int
    not_after: int
    account: str
    session: str
    spki: str
    delivery: str
    revoked: int = 0
    reason: int | None = None


async def read_certificate(store: Store, serial: str) -> Certificate | None:
    """The certificate with this serial (lower-case hex), None when there is none."""
    return (await _read(store, [serial]))[0]


async def each_certificate(store: Store) -> AsyncIterator[Certificate]:
    """Every certificate on record, the one that expires last first."""
    start = 0
    while page := await store.call(store.redis.zrevrange(store.keys.certificates, start, start + _PAGE - 1)):
        for certificate in await _read(store, [serial.decode() for serial in page]):
            if certificate is not None:
                yield certificate
        start += _PAGE


async def _read(store: Store, serials: list[str]) -> list[Certificate | None]:
    pipe = store.redis.pipeline(transaction=False)
    for serial in serials:
        pipe.hgetall(store.keys.certificate(serial))
    records = await store.call(pipe.execute())
    pipe = store.redis.pipeline(transaction=False)
    for record in records:
        pipe.hget(store.keys.session((record.get(b"session") or b"-").decode()), "delivery")
    deliveries = await store.call(pipe.execute())
    return [_certificate(record, delivery) for record, delivery in zip(records, deliveries, strict=True)]


def _certificate(record: dict[bytes, bytes], delivery: bytes | None) -> Certificate | None:
    if not record:
        return None
    text = {field.decode(): value.decode() for field, value in record.items()}
    reason = text.get("reason")
    return Certificate(
        serial=text["serial"],
        issuer=text["issuer"],
        names=tuple(text["names"].split(",")),
        pem=text["pem"],
        not_before=int(text["not_before"]),
        not_after=int(text["not_after"]),
        account=text["account"],
        session=text["session"],
        spki=text["spki"],
        delivery=(delivery or b"").decode() or text.get("delivery", "issued"),
        revoked=int(text.get("revoked", "0")),
        reason=int(reason) if reason is not None else None,
    )


async def revocations(store: Store) -> list[tuple[str, int, int]]:
    """(serial, revoked at, reason code) of every revoked certificate that is still on record."""
    found = await store.call(store.redis.hgetall(store.keys.revoked))
    entries = []
    for serial, value in found.items():
        at, reason = value.split(b" ")
        entries.append((serial.decode(), int(at), int(reason)))
    return entries


async def next_crl_number(store: Store, at_least: int) -> int:
    """A CRL number higher than any before (RFC 5280 5.2.3), also than `at_least`, which stood in the last file."""
    answer = await store.script("crlnumber.lua", [store.keys.crl_number], [at_least])
    return int(answer)


async def forget_expired(store: Store, before: int) -> int:
    """Drop certificates that expired before this time, and their revocations; how many went comes back."""
    forgotten = 0
    while serials := await store.call(store.redis.zrangebyscore(store.keys.certificates, "-inf", before, 0, _PAGE)):
        names = [serial.decode() for serial in serials]
        pipe = store.redis.pipeline(transaction=True)
        pipe.zrem(store.keys.certificates, *names)
        pipe.hdel(store.keys.revoked, *names)
        pipe.delete(*(store.keys.certificate(serial) for serial in names))
        await store.call(pipe.execute())
        forgotten += len(names)
    return forgotten
