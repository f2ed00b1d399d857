"""The whole state of a store, before and after: what the tests of this folder compare. Only they import it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from stages.outcome import Advance, CertificateRecord, Outcome, Writes
from stages.session import Challenge, ChallengeData, ChallengeType, Session, State, ValidationRecord
from stages.store import account_moves, moves
from stages.store.connection import StoreSettings
from stages.store.keys import Keys
from stages.store.lease import Lease, Who
from stages.store.moves import Move
from stages.store.reading import read_whole
from stages.store.store import Claim, GroupReply, Store

NOW = 1_800_000_000
KEEP = 3600
WHO = Who("host", 1, "boot", "space", 1)
CHALLENGE = Challenge(1, NOW, ChallengeType.HTTP_01, "a.example", False, False, ChallengeData("token"))  # noqa: FBT003

Value = str | list[str] | dict[str, str] | dict[str, float]
Whole = dict[str, Value]


def sid(number: int) -> str:
    """A session id as the program makes them: 64 hex digits."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def aid(number: int) -> str:
    """An account's id as the program makes them: 22 characters of base64url."""
    return sid(number)[:22]


def thumb(number: int) -> str:
    """The thumbprint of an account's key: 43 characters of base64url."""
    return sid(number)[-43:]


class Clock:
    """Unix time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        """Read it."""
        return self.now


async def knows(redis: Any, command: str) -> bool:
    """Whether the server has a command, by its own list."""
    return command.encode() in await redis.execute_command("COMMAND LIST")


async def snapshot(redis: Any) -> Whole:
    """Every key with its value; the type of the value tells the type of the key."""
    return {_text(key): _value(kind, found) for key, kind, found in await redis.eval(_SNAPSHOT, 0)}


_SNAPSHOT = """
local read = {
  hash = {'HGETALL'}, list = {'LRANGE', 0, -1}, zset = {'ZRANGE', 0, -1, 'WITHSCORES'}, string = {'GET'}
}
local found = {}
for i, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local command = read[kind]
  found[i] = {key, kind, redis.call(command[1], key, unpack(command, 2))}
end
return found
"""


def _value(kind: bytes, found: Any) -> Value:
    if kind == b"string":
        return _text(found)
    items = [_text(item) for item in found]
    if kind == b"list":
        return items
    pairs = dict(zip(items[::2], items[1::2], strict=True))
    return pairs if kind == b"hash" else {member: float(score) for member, score in pairs.items()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def diff(before: Whole, after: Whole) -> dict[str, Any]:
    """What has changed: None for a key or field that went; of a hash the changed fields; of a story its new lines."""
    changes: dict[str, Any] = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            fields = {f: new.get(f) for f in old.keys() | new.keys() if old.get(f) != new.get(f)}
            story, told = fields.get("story"), old.get("story")
            if isinstance(story, str) and isinstance(told, str):
                fields["story"] = story.removeprefix(told)
            changes[key] = fields
        else:
            changes[key] = new
    return changes


def places(state: Whole, keys: Keys, session: str) -> list[str]:
    """Every place in which a session stands: an entry for each time, "waiting" for its client."""
    found = []
    for key, value in state.items():
        name = key.removeprefix(keys.prefix)
        if isinstance(value, list) and name.startswith(("pending-", "inflight:")):
            found += [name] * value.count(session)
        elif isinstance(value, dict) and name.startswith("delayed-"):
            found += [name] * (session in value)
    record = state.get(keys.session(session))
    if isinstance(record, dict) and "waiting" in record:
        found.append("waiting")
    return found


class World:
    """A store, its clock and its supervisors; each group gets the next number of its lease."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.keys = store.keys
        self.redis: Any = store.redis
        self.leases: dict[str, Lease] = {}
        self._numbers: dict[str, int] = {}

    async def supervisor(self, name: str) -> Lease:
        """One more supervisor, beside the others."""
        lease = Lease(self.store.redis, self.keys, name, 3600.0)
        assert await lease.acquire(WHO, several=True) is None
        self.leases[name], self._numbers[name] = lease, 0
        return lease

    async def dies(self, name: str) -> None:
        """A supervisor's lease runs out."""
        await self.redis.delete(self.keys.lease(name))

    async def group(self, *batch: Move, claims: Sequence[Claim] = (), by: str = "A", again: bool = False) -> GroupReply:
        """Send a group; `again` sends it with the number of the one before, as after a lost reply."""
        self._numbers[by] += not again
        return await self.store.group(batch, claims, self.leases[by], number=self._numbers[by])

    async def fenced(self, move: Move, by: str = "A") -> list[Any]:
        """The answer to one move of a supervisor."""
        results = (await self.group(move, by=by)).results
        assert results is not None
        result: list[Any] = results[0]
        return result

    async def client(self, move: Move) -> list[Any]:
        """The answer to one move of the client's side."""
        return await self.store.move(move)

    async def state(self) -> Whole:
        """All that is in the store, but for the last group's numbers."""
        state = await snapshot(self.redis)
        state.pop(self.keys.groups, None)
        return state

    async def submit(self, number: int = 1, names: Sequence[str] = ("a.example",), **fields: str) -> str:
        """A new session."""
        session = sid(number)
        assert await self.client(moves.submit(session, names, fields, int(self.clock()))) == ["ok"]
        return session

    async def account(self, number: int = 1, eab: str = "", **fields: str) -> str:
        """A new account."""
        account, made = aid(number), {"jwk": f'{{"n":{number}}}', **fields}
        move = account_moves.new_account(account, thumb(number), made, eab, int(self.clock()))
        assert await self.client(move) == ["ok", account, "created"]
        return account

    async def order(
        self, number: int = 1, account: str = "", names: Sequence[str] = ("a.example",), replaces: str = ""
    ) -> str:
        """A new session of an account, of number 1 where none is named."""
        session, fields = sid(number), {"thumbprint": "thumb"}
        move = account_moves.order(session, names, fields, int(self.clock()), account or aid(1), (), replaces)
        assert await self.client(move) == ["ok"]
        return session

    async def claim(self, queue: State, free: int = 1, by: str = "A") -> list[Session]:
        """Take sessions from a queue."""
        reply = await self.group(claims=[Claim(queue, free)], by=by)
        assert reply.garbled == []
        return reply.claimed

    async def commit(self, session: Session, outcome: Outcome, by: str = "A") -> list[Any]:
        """Commit what a stage said."""
        return await self.fenced(moves.for_outcome(session, outcome, self.clock(), KEEP), by=by)

    async def reach(
        self,
        state: State,
        number: int = 1,
        names: Sequence[str] = ("a.example",),
        fields: Mapping[str, str] | None = None,
    ) -> Session:
        """A session in flight with A in this state, with one challenge for its first name."""
        await self.submit(number, names, **(fields or {}))
        (session,) = await self.claim(State.MAKECHALLENGE)
        for step in (State.MAKECHALLENGE, State.TESTCHALLENGE, State.ISSUE):
            if state is step:
                break
            session = await self._step(session, number)
        return session

    async def finish(self, session: str, number: int) -> None:
        """Take the session that stands alone on the first queue through all stages; the number is its serial."""
        (at_work,) = await self.claim(State.MAKECHALLENGE)
        assert at_work.id == session
        for _ in range(3):
            at_work = await self._step(at_work, number)
        assert await self.commit(at_work, Advance()) == ["ok"]

    async def _step(self, session: Session, number: int) -> Session:
        """On to the next state, and in flight there."""
        writes = Writes(challenges=(CHALLENGE,)) if session.state is State.MAKECHALLENGE else Writes()
        if session.state is State.ISSUE:
            assert (await self.fenced(moves.reserve(session.id, f"{number:02x}", "{}")))[0] == "ok"
            record = {"cert": "PEM", "delivery": "issued", "delivered": str(NOW)}
            writes = Writes(fields=record, certificate=certificate(session, number))
        assert await self.commit(session, Advance(writes)) == ["ok"]
        (following,) = await self.claim(tuple(State)[tuple(State).index(session.state) + 1])
        return following

    async def whole(self, session: str) -> Session:
        """A session that is there."""
        found = await read_whole(self.store, session)
        assert found is not None
        return found


def certificate(session: Session, number: int) -> CertificateRecord:
    """What the issue stage would put on record."""
    return CertificateRecord(
        f"{number:02x}",
        "ca",
        "a.example",
        "PEM",
        NOW,
        NOW + 86_400,
        session.account or "account",
        session.id,
        "ab" * 32,
    )


def proof(at: int = NOW) -> ValidationRecord:
    """A good validation."""
    return ValidationRecord(at=at, took=1, ok=True)


@asynccontextmanager
async def new_world(url: str, prefix: str = "") -> AsyncIterator[World]:
    """A world with the supervisor "A"."""
    clock = Clock()
    store = Store(StoreSettings(url=url, prefix=prefix), clock)
    try:
        world = World(store, clock)
        await world.supervisor("A")
        yield world
    finally:
        await store.aclose()
