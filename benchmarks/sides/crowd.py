"""Fills a store with many live sessions, as a program that was killed leaves them. For the measures and their sides.

One session of each kind is brought to its state by the program's own stage and moves; the others are the server's own
copies of it under ids of their own, so that the schema is the real one and a million takes seconds.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from itertools import count
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from stages.makechallenge import MakeChallenge, MakeChallengeSettings
from stages.outcome import Outcome, Retry, Wait
from stages.session import OFFERED, Session, State
from stages.store import moves
from stages.store.lease import Lease
from stages.store.store import Claim, Store
from supervisor.term.identity import who_am_i
from tests.harness.authority import make_csr

DEAD = "dead"
"""The supervisor that left them."""
NAME = "host.example"
_AT_ONCE = 1000
_GROUP = 100
WAITS = "waits for the client to be ready"
_DAY = 86_400
_COPY = """
local template, id_list, place, due, challenges = ARGV[1], KEYS[1], KEYS[2], ARGV[2], tonumber(ARGV[3])
for i = 4, #ARGV do
  local id = ARGV[i]
  redis.call('COPY', template, id)
  redis.call('COPY', template .. ':names', id .. ':names')
  for n = 1, challenges do redis.call('COPY', template .. ':' .. n, id .. ':' .. n) end
  redis.call('LPUSH', id_list, id)
  if due ~= '' then redis.call('ZADD', place, due, id) elseif place ~= '' then redis.call('LPUSH', place, id) end
end
"""


class Kind(StrEnum):
    """Where a session is."""

    WAITING = "waiting for its client, in state testchallenge"
    NEW = "on the queue of makechallenge"
    PENDING = "on the queue of testchallenge"
    DELAYED = "delayed after a failed try in state testchallenge"
    LOST = "in flight with a dead supervisor, in state testchallenge"


class Crowd(msgspec.Struct, frozen=True):
    """How many of each kind."""

    waiting: int = 0
    new: int = 0
    pending: int = 0
    delayed: int = 0
    lost: int = 0

    @classmethod
    def mixed(cls, number: int, lost: int) -> Crowd:
        """Half of them wait for their clients, a tenth is delayed, `lost` were in flight, the rest is on two queues."""
        waiting, delayed = number // 2, number // 10
        new = (number - waiting - delayed - lost) // 2
        return cls(waiting, new, number - waiting - delayed - lost - new, delayed, lost)

    def __len__(self) -> int:
        return sum(number for _, number in self.by_kind())

    def by_kind(self) -> list[tuple[Kind, int]]:
        """The kinds in the order of the fields."""
        return list(zip(Kind, (self.waiting, self.new, self.pending, self.delayed, self.lost), strict=True))


async def fill(store: Store, crowd: Crowd) -> None:
    """Put the crowd into an empty store, the kinds mingled; each session has its CSR."""
    redis, csr = store.redis, make_csr(ec.generate_private_key(ec.SECP256R1()), [NAME])
    templates = {kind: await _template(store, kind, csr=csr) for kind, number in crowd.by_kind() if number}
    keys = store.keys
    places = {
        Kind.WAITING: "",
        Kind.NEW: keys.pending[0],
        Kind.PENDING: keys.pending[1],
        Kind.DELAYED: keys.delayed[1],
        Kind.LOST: keys.inflight(DEAD),
    }
    lists = (keys.active, *keys.pending, *keys.delayed, keys.inflight(DEAD), keys.lease(DEAD))
    await redis.delete(*lists)  # the templates stood there, and the dead one's lease has run out
    copy = redis.register_script(_COPY)
    due = int(store.clock()) + _DAY
    rounds = max(1, -(-len(crowd) // _AT_ONCE))
    for turn in range(rounds):
        for kind, number in crowd.by_kind():
            share = number * (turn + 1) // rounds - number * turn // rounds
            if not share:
                continue
            session = templates[kind]
            ids = [secrets.token_hex(32) for _ in range(share)]
            when = due if kind is Kind.DELAYED else ""
            arguments: list[Any] = [session.id, when, len(session.challenges), *ids]
            await copy(keys=[keys.active, places[kind]], args=arguments)
    for session in templates.values():
        own = [keys.challenge(session.id, challenge.n) for challenge in session.challenges]
        await redis.delete(keys.session(session.id), keys.names(session.id), *own)


async def waiting(store: Store, number: int) -> list[Session]:
    """Sessions that wait for their client and have no CSR yet, each made by the program's own moves; as they are."""
    maker = await new_maker(store)
    made: list[Session] = []
    while len(made) < number:
        size = min(_GROUP, number - len(made))
        await maker.submit(size, csr="")
        await maker.make_challenges(await maker.claim(State.MAKECHALLENGE, size))
        sessions = await maker.claim(State.TESTCHALLENGE, size)
        await maker.commit([(session, Wait(session.expires, note=WAITS)) for session in sessions])
        made += sessions
    await maker.lease.yield_()
    return made


class Maker:
    """Makes sessions as clients and a supervisor do, in groups of any size."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self.lease = lease
        self._numbers = count(1)
        settings = MakeChallengeSettings(OFFERED, 7 * _DAY, 32)
        self._stage = MakeChallenge(lambda: settings, store.clock, secrets.token_bytes)

    async def submit(self, number: int, csr: str) -> None:
        """As an ACME client's order; each for one name."""
        account, now = "https://ca.example/acme/account/1", int(self._store.clock())
        fields = {"account": account, "thumbprint": secrets.token_urlsafe(32), "csr": csr}
        await self._store.group([moves.submit(secrets.token_hex(32), [NAME], dict(fields), now) for _ in range(number)])

    async def claim(self, queue: State, number: int) -> list[Session]:
        """Take them from a queue."""
        reply = await self._store.group([], [Claim(queue, number)], self.lease, number=next(self._numbers))
        return reply.claimed

    async def make_challenges(self, sessions: list[Session]) -> None:
        """The first stage, with a challenge of every type."""
        await self.commit([(session, await self._stage(session)) for session in sessions])

    async def commit(self, outcomes: list[tuple[Session, Outcome]]) -> None:
        """What the stages said."""
        now = self._store.clock()
        group = [moves.for_outcome(session, outcome, now, 3600) for session, outcome in outcomes]
        await self._store.group(group, lease=self.lease, number=next(self._numbers))


async def new_maker(store: Store) -> Maker:
    """A maker with a lease of its own, in the name of the dead one."""
    lease = Lease(store.redis, store.keys, DEAD, 3600.0)
    await lease.acquire(who_am_i(), several=True)
    return Maker(store, lease)


async def _template(store: Store, kind: Kind, *, csr: str) -> Session:
    """One session of the kind."""
    maker = await new_maker(store)
    await maker.submit(1, csr)
    (session,) = await maker.claim(State.MAKECHALLENGE, 1)
    if kind is Kind.NEW:
        return session
    await maker.make_challenges([session])
    (session,) = await maker.claim(State.TESTCHALLENGE, 1)
    if kind is Kind.WAITING:
        await maker.commit([(session, Wait(session.expires, note=WAITS))])
    elif kind is Kind.DELAYED:
        await maker.commit([(session, Retry(float(_DAY), "host.example: connection refused"))])
    return session
