"""Sessions that wait for their client, and what it says: moves that begin a stage. For this folder's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from msgspec.structs import replace

from stages.outcome import Advance, Outcome, Writes
from stages.session import ChallengeData, Session, State
from stages.store import moves
from supervisor.pipeline.committer import Committer
from tests.store.pipeline.line import WAITS, Line
from tests.store.world import CHALLENGE, NOW, sid

KEPT = ["ok", "kept"]
"""The answer to a move whose session is in flight here."""
FIRST, SECOND = '{"first":1}', '{"second":2}'
"""Two intents."""


async def waiting(line: Line, number: int = 1) -> Session:
    """A session that waits until its client says `ready`; the first stage is not the test's."""
    session = await line.submit(number)
    (await line.attempt(State.TESTCHALLENGE)).says(WAITS)
    await line.at_rest()
    return await line.world.whole(session)


async def proven(line: Line, number: int = 1) -> Session:
    """A session that waits for its CSR."""
    session = await line.submit(number)
    done = replace(CHALLENGE, satisfied=True)
    (await line.attempt(State.TESTCHALLENGE)).says(Advance(Writes(challenges=(done,))))
    (await line.attempt(State.ISSUE)).says(WAITS)
    await line.at_rest()
    return await line.world.whole(session)


class Signing:
    """An issue stage that has its permissions when the test says so; notes each intent that it would sign."""

    def __init__(self, committer: Committer) -> None:
        self.committer = committer
        self.permitted = anyio.Event()
        self.begun: list[str] = []
        self.asked: list[str] = []
        self.signed: list[str] = []

    async def __call__(self, session: Session) -> Outcome:
        """Wait for permissions, then for the disk, then sign."""
        self.begun.append(session.intent)
        if not session.csr:
            return WAITS
        await self.permitted.wait()
        self.asked.append(session.intent)
        await self.committer.on_disk(session.id, session.intent)
        self.signed.append(session.intent)
        return Advance(Writes(fields={"cert": "PEM"}))


async def signing(line: Line, number: int = 1) -> tuple[Session, Signing]:
    """A session that waits for its CSR, and the stage that will sign."""
    session = await proven(line, number)
    stage = Signing(line.committer)
    line.runners[State.ISSUE].stage = stage
    return session, stage


def says_ready(line: Line, session: Session, at: int = NOW) -> Awaitable[list[Any]]:
    """Its client says so, to a door that believes what `session` says."""
    challenge = session.challenges[0]
    said = ChallengeData("token", ready=at)
    becomes = replace(session, challenges=(replace(challenge, data=said), *session.challenges[1:]))
    return line.committer.move(moves.ready(session.id, 1, challenge.data, said), becomes)


def finalizes(line: Line, session: Session, csr: str = "CSR", intent: str = FIRST) -> Awaitable[list[Any]]:
    """Its client sends a CSR, to a door that believes what `session` says."""
    becomes = replace(session, csr=csr, serial="0a", intent=intent)
    return line.committer.move(moves.finalize(session.id, csr, "", "0a", intent), becomes)


@asynccontextmanager
async def busy(line: Line) -> AsyncIterator[None]:
    """Both lanes are under way with moves of others: what is sent meanwhile goes in one group, behind them."""
    gates = []
    for number in (901, 902):
        gates.append(line.store.of(sid(number), made=False))
        line.committer.move(moves.deliver(sid(number), "sent"))
        await gates[-1].reached()
    yield
    for gate in gates:
        gate.open()
    await line.at_rest()
