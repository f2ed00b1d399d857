"""Reads sessions and queues for people and for the front door. Changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from stages.session import Session
from stages.store.keys import QUEUES
from stages.store.records import Garbled, read_session
from stages.store.store import Store

_PAGE = 200
_MOST_CHALLENGES = 10_000


class Overview(msgspec.Struct, frozen=True):
    """How the store stands: entries by queue, delayed ones, in flight by supervisor (alive?), and totals."""

    pending: dict[str, int]
    delayed: dict[str, int]
    inflight: dict[str, int]
    living: tuple[str, ...]
    active: int
    quarantined: int
    certificates: int
    revoked: int
    retired: int
    rejected: int


async def read_whole(store: Store, session: str) -> Session | None:
    """A session with its names and challenges; None when there is none. Raises Garbled."""
    keys = store.keys
    pipe = store.redis.pipeline(transaction=True)
    pipe.hgetall(keys.session(session))
    pipe.lrange(keys.names(session), 0, -1)
    try:
        hash_, names = await store.call(pipe.execute())
        if not hash_:
            return None
        fields = _text(hash_)
        count = int(fields.get("challenges", "0"))
        if count:
            pipe = store.redis.pipeline(transaction=True)
            for n in range(1, count + 1):
                pipe.hgetall(keys.challenge(session, n))
            challenges = [_text(item) for item in await store.call(pipe.execute())]
        else:
            challenges = []
        return read_session(session, fields, [name.decode() for name in names], challenges)
    except ResponseError:
        raise Garbled(session, "key", "not of the type that the schema says") from None
    except UnicodeDecodeError:
        raise Garbled(session, "record", "not UTF-8 text") from None
    except ValueError:
        raise Garbled(session, "challenges", "not an integer") from None


async def read_wholes(store: Store, sessions: Sequence[str]) -> list[Session | Garbled | None]:
    """A page of sessions with names and challenges, in the order given; None for one that is not there.

    They are not read in one step: one that moves meanwhile may come without its newest challenges.
    """
    keys = store.keys
    pipe = store.redis.pipeline(transaction=False)
    for session in sessions:
        pipe.hgetall(keys.session(session))
        pipe.lrange(keys.names(session), 0, -1)
    answers = await store.call(pipe.execute(raise_on_error=False))
    pipe = store.redis.pipeline(transaction=False)
    counts = [_count(hash_) for hash_ in answers[::2]]
    for session, count in zip(sessions, counts, strict=True):
        for n in range(1, count + 1):
            pipe.hgetall(keys.challenge(session, n))
    challenges = iter(await store.call(pipe.execute(raise_on_error=False)))
    found: list[Session | Garbled | None] = []
    for session, hash_, names, count in zip(sessions, answers[::2], answers[1::2], counts, strict=True):
        found.append(_whole(session, hash_, names, [next(challenges) for _ in range(count)]))
    return found


def _count(hash_: Any) -> int:
    said = b"0" if isinstance(hash_, Exception) else hash_.get(b"challenges", b"0")
    return min(int(said), _MOST_CHALLENGES) if said.isdigit() and len(said) <= len(str(_MOST_CHALLENGES)) else 0


def _whole(session: str, hash_: Any, names: Any, challenges: list[Any]) -> Session | Garbled | None:
    if any(isinstance(answer, Exception) for answer in (hash_, names, *challenges)):
        return Garbled(session, "key", "not of the type that the schema says")
    if not hash_:
        return None
    try:
        return read_session(
            session, _text(hash_), [name.decode() for name in names], [_text(item) for item in challenges]
        )
    except UnicodeDecodeError:
        return Garbled(session, "record", "not UTF-8 text")
    except Garbled as fault:
        return fault


async def each_session(store: Store) -> AsyncIterator[Session | Garbled]:
    """Every session in active-requests without its challenges, the newest first; an unreadable one comes as Garbled.

    The ids are read at once: a sweep may rotate the list meanwhile, and pages of it would miss some.
    """
    active = await store.call(store.redis.lrange(store.keys.active, 0, -1))
    for start in range(0, len(active), _PAGE):
        pipe = store.redis.pipeline(transaction=False)
        ids = [entry.decode("utf-8", "backslashreplace") for entry in active[start : start + _PAGE]]
        for session in ids:
            pipe.hgetall(store.keys.session(session))
            pipe.lrange(store.keys.names(session), 0, -1)
        answers = await store.call(pipe.execute(raise_on_error=False))
        for session, hash_, names in zip(ids, answers[::2], answers[1::2], strict=True):
            if isinstance(hash_, Exception) or isinstance(names, Exception):
                yield Garbled(session, "key", "not of the type that the schema says")
            elif hash_:
                try:
                    yield read_session(session, _text(hash_), [name.decode() for name in names])
                except UnicodeDecodeError:
                    yield Garbled(session, "record", "not UTF-8 text")
                except Garbled as fault:
                    yield fault


async def quarantined(store: Store) -> list[str]:
    """Ids that were set aside."""
    found = await store.call(store.redis.lrange(store.keys.quarantine, 0, -1))
    return [entry.decode("utf-8", "backslashreplace") for entry in found]


async def overview(store: Store) -> Overview:
    """The counts of all queues in one transaction."""
    keys = store.keys
    supervisors = [id_.decode() for id_ in await store.call(store.redis.hkeys(keys.supervisors))]
    pipe = store.redis.pipeline(transaction=True)
    for key in keys.pending:
        pipe.llen(key)
    for key in keys.delayed:
        pipe.zcard(key)
    for supervisor in supervisors:
        pipe.llen(keys.inflight(supervisor))
        pipe.exists(keys.lease(supervisor))
    pipe.llen(keys.active)
    pipe.llen(keys.quarantine)
    pipe.zcard(keys.certificates)
    pipe.hlen(keys.revoked)
    pipe.hmget(keys.finished, "retired", "rejected")
    answers = await store.call(pipe.execute())
    owned, tail = answers[8 : 8 + 2 * len(supervisors)], answers[8 + 2 * len(supervisors) :]
    return Overview(
        pending={queue.value: n for queue, n in zip(QUEUES, answers[:4], strict=True)},
        delayed={queue.value: n for queue, n in zip(QUEUES, answers[4:8], strict=True)},
        inflight=dict(zip(supervisors, owned[::2], strict=True)),
        living=tuple(s for s, alive in zip(supervisors, owned[1::2], strict=True) if alive),
        active=tail[0],
        quarantined=tail[1],
        certificates=tail[2],
        revoked=tail[3],
        retired=int(tail[4][0] or 0),
        rejected=int(tail[4][1] or 0),
    )


def _text(hash_: dict[bytes, bytes]) -> dict[str, str]:
    return {field.decode(): value.decode() for field, value in hash_.items()}
