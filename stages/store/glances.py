"""Looks at sessions for whoever watches: few keys, few fields, always a bound. Changes nothing.

`stages.store.reading` walks whole lists; nothing here does, so it can be asked every second on a store of a million
sessions. Certificates and what a request carries in PEM are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stages.session import Session, State
from stages.store.keys import QUEUES
from stages.store.records import Garbled, read_session
from stages.store.store import Store

_FIELDS: Final = (
    "created", "live", "state", "schema", "account", "profile", "attempts", "waiting", "expires", "serial",
    "delivery", "delivered", "error", "story", "scheduled",
)  # fmt: skip
"""What a row of a table is made of; csr, cert and intent are kilobytes each."""
_MOST_NAMES: Final = 20


class Glance(msgspec.Struct, frozen=True):
    """What a row says of a session. Of its names there are the first 20; `names_count` is how many it has."""

    session: Session
    names_count: int


class Mark(msgspec.Struct, frozen=True):
    """How one of the newest sessions stands. `state` is "" for one that is gone or cannot be read."""

    session: str
    state: str
    live: bool
    waiting: bool
    confirmed: bool


async def newest(store: Store, count: int) -> list[str]:
    """The ids of the newest sessions, the newest first; some may be finished already."""
    return _texts(await store.call(store.redis.lrange(store.keys.active, 0, count - 1)))


async def pending(store: Store, queue: State, count: int) -> list[str]:
    """The ids that stand in a queue, the next to be taken first."""
    found = _texts(await store.call(store.redis.lrange(store.keys.pending[QUEUES.index(queue)], -count, -1)))
    return found[::-1]


async def delayed(store: Store, count: int) -> list[str]:
    """The ids of sessions that wait for their next try, the next due first, over all queues."""
    pipe = store.redis.pipeline(transaction=False)
    for key in store.keys.delayed:
        pipe.zrange(key, 0, count - 1, withscores=True)
    found = [pair for answer in await store.call(pipe.execute()) for pair in answer]
    found.sort(key=lambda pair: float(pair[1]))
    return [_text(session) for session, _ in found[:count]]


async def due_times(store: Store, sessions: Sequence[Session]) -> list[float]:
    """When each is tried again, unix seconds; 0 for one that is not delayed in the state that it was read in."""
    pipe = store.redis.pipeline(transaction=False)
    for session in sessions:
        pipe.zscore(store.keys.delayed[QUEUES.index(session.state)], session.id)
    return [float(due or 0) for due in await store.call(pipe.execute())]


async def in_flight(store: Store, supervisors: Sequence[str], count: int) -> list[str]:
    """The ids that these supervisors have taken."""
    pipe = store.redis.pipeline(transaction=False)
    for supervisor in supervisors:
        pipe.lrange(store.keys.inflight(supervisor), 0, count - 1)
    found = [session for answer in await store.call(pipe.execute()) for session in _texts(answer)]
    return found[:count]


async def marks(store: Store, count: int) -> list[Mark]:
    """How the newest sessions stand, the newest first: a few bytes of each."""
    ids = await newest(store, count)
    pipe = store.redis.pipeline(transaction=False)
    for session in ids:
        pipe.hmget(store.keys.session(session), "live", "state", "waiting", "delivery")
    answers = await store.call(pipe.execute(raise_on_error=False))
    return [_mark(session, answer) for session, answer in zip(ids, answers, strict=True)]


def _mark(session: str, answer: Any) -> Mark:
    if isinstance(answer, Exception):
        return Mark(session, "", live=False, waiting=False, confirmed=False)
    live, state, waiting, delivery = answer
    known = _text(state) if state in _STATES else ""
    return Mark(session, known, live == b"True", bool(waiting), delivery == b"confirmed")


_STATES: Final = {state.value.encode() for state in State}


async def glances(store: Store, sessions: Sequence[str]) -> list[Glance | Garbled | None]:
    """These sessions without challenges, CSR and certificate, in the order given; None for one that is not there."""
    keys = store.keys
    pipe = store.redis.pipeline(transaction=False)
    for session in sessions:
        pipe.hmget(keys.session(session), *_FIELDS)
        pipe.lrange(keys.names(session), 0, _MOST_NAMES - 1)
        pipe.llen(keys.names(session))
    answers = await store.call(pipe.execute(raise_on_error=False))
    rows = zip(sessions, answers[::3], answers[1::3], answers[2::3], strict=True)
    return [_glance(*row) for row in rows]


def _glance(session: str, values: Any, names: Any, count: Any) -> Glance | Garbled | None:
    if any(isinstance(answer, Exception) for answer in (values, names, count)):
        return Garbled(session, "key", "not of the type that the schema says")
    if not any(value is not None for value in values):
        return None
    try:
        fields = {field: value.decode() for field, value in zip(_FIELDS, values, strict=True) if value is not None}
        return Glance(read_session(session, fields, [name.decode() for name in names]), count)
    except UnicodeDecodeError:
        return Garbled(session, "record", "not UTF-8 text")
    except Garbled as fault:
        return fault


def _texts(found: Sequence[bytes]) -> list[str]:
    return [_text(entry) for entry in found]


def _text(entry: bytes) -> str:
    return entry.decode("utf-8", "backslashreplace")
