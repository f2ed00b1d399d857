"""Certificates by the end of their validity: how many end when, and the next ones. Bounded reads; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from stages.store.records import Garbled
from stages.store.store import Store

_FIELDS: Final = (
    "names", "issuer", "not_before", "not_after", "account", "session", "delivery", "revoked", "reason", "replaced",
    "successor",
)  # fmt: skip
_MOST_NAMES: Final = 20


class Ending(msgspec.Struct, frozen=True):
    """A certificate in a list by expiry. Times are unix seconds; `revoked` is 0 and `reason` None for none.

    Of the names there are the first 20; `names_count` is how many it has. `successor` is the serial of the certificate
    that replaced it, "" for none; `replaced` the session that does so or did.
    """

    serial: str
    names: tuple[str, ...]
    names_count: int
    issuer: str
    not_before: int
    not_after: int
    account: str
    session: str
    delivery: str
    revoked: int = 0
    reason: int | None = None
    replaced: str = ""
    successor: str = ""


async def last_expiry(store: Store) -> int:
    """When the last certificate on record ends, unix seconds; 0 where there is none."""
    found = await store.call(store.redis.zrevrange(store.keys.certificates, 0, 0, withscores=True))
    return int(found[0][1]) if found else 0


async def count_by_expiry(store: Store, edges: Sequence[int]) -> list[int]:
    """How many certificates end from each of the rising `edges` (unix seconds) until before the next one."""
    pipe = store.redis.pipeline(transaction=False)
    for start, end in pairwise(edges):
        pipe.zcount(store.keys.certificates, start, f"({end}")
    return [int(count) for count in await store.call(pipe.execute())]


async def count_expired(store: Store, now: int) -> int:
    """How many certificates on record have ended before now."""
    return int(await store.call(store.redis.zcount(store.keys.certificates, "-inf", f"({now}")))


async def ending(store: Store, start: int, end: int, offset: int, count: int) -> list[Ending | Garbled]:
    """Certificates that end from `start` until before `end`, the first to end first; `offset` of them are left out.

    Their delivery is that of the record: what a living session knows better is not looked up.
    """
    found = await store.call(store.redis.zrangebyscore(store.keys.certificates, start, f"({end}", offset, count))
    serials = [serial.decode("utf-8", "backslashreplace") for serial in found]
    pipe = store.redis.pipeline(transaction=False)
    for serial in serials:
        pipe.hmget(store.keys.certificate(serial), *_FIELDS)
    answers = await store.call(pipe.execute(raise_on_error=False))
    return [_ending(serial, answer) for serial, answer in zip(serials, answers, strict=True)]


def _ending(serial: str, values: Any) -> Ending | Garbled:
    if isinstance(values, Exception):
        return Garbled(serial, "key", "not of the type that the schema says", what="certificate")
    try:
        text = {field: value.decode() for field, value in zip(_FIELDS, values, strict=True) if value is not None}
        names = text["names"].split(",")
        return Ending(
            serial,
            tuple(names[:_MOST_NAMES]),
            len(names),
            text["issuer"],
            int(text["not_before"]),
            int(text["not_after"]),
            text["account"],
            text["session"],
            text.get("delivery", ""),
            int(text.get("revoked", "0")),
            int(text["reason"]) if "reason" in text else None,
            text.get("replaced", ""),
            text.get("successor", ""),
        )
    except KeyError as error:
        return Garbled(serial, str(error.args[0]), "missing", what="certificate")
    except ValueError:
        return Garbled(serial, "record", "cannot be read", what="certificate")
