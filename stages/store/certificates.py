"""The certificate store: what was issued, by serial number, until long past its expiry; and what was revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from stages.store.records import Garbled
from stages.store.store import Store

_PAGE = 200


class Certificate(msgspec.Struct, frozen=True):
    """A certificate on record. Times are unix seconds; `revoked` is 0 and `reason` None while it is not revoked.

    `delivery` is what is known of its way to the client: that of its session while that lives, else the last known.
    `replaced` is the session that is to replace it or has done so (RFC 9773 5), "" for none; `successor` the serial of
    the certificate that this session had when it retired. `renew_start` and `renew_end` are the operator's renewal
    window (RFC 9773 4.2), 0 where there is none.
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
    replaced: str = ""
    successor: str = ""
    renew_start: int = 0
    renew_end: int = 0


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
    return [
        certificate_of(serial, _text(record), (delivery or b"").decode())
        for serial, record, delivery in zip(serials, records, deliveries, strict=True)
    ]


def certificate_of(serial: str, text: dict[str, str], delivery: str) -> Certificate | None:
    """The certificate in a hash, None for an empty one; `delivery` is that of its session, "" when that is gone.

    Raises Garbled.
    """
    if not text:
        return None
    reason = text.get("reason")
    try:
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
            delivery=delivery or text.get("delivery", "issued"),
            revoked=int(text.get("revoked", "0")),
            reason=int(reason) if reason is not None else None,
            replaced=text.get("replaced", ""),
            successor=text.get("successor", ""),
            renew_start=int(text.get("renew_start", "0")),
            renew_end=int(text.get("renew_end", "0")),
        )
    except KeyError as error:
        raise Garbled(serial, str(error.args[0]), "missing", what="certificate") from None
    except ValueError:
        raise Garbled(serial, "record", "not an integer", what="certificate") from None


def _text(record: dict[bytes, bytes]) -> dict[str, str]:
    return {field.decode(): value.decode() for field, value in record.items()}


async def revocations(store: Store) -> list[tuple[str, int, int]]:
    """(serial, revoked at, reason code) of every revoked certificate that is still on record."""
    found = await store.call(store.redis.hgetall(store.keys.revoked))
    entries = []
    for serial, value in found.items():
        at, reason = value.split(b" ")
        entries.append((serial.decode(), int(at), int(reason)))
    return entries


async def count_revoked(store: Store) -> int:
    """How many certificates are revoked and still on record."""
    return int(await store.call(store.redis.hlen(store.keys.revoked)))


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
