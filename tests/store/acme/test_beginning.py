"""The door begins a stage with its client's move: what the client sees of it, and what is signed when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from stages import certifying
from stages.ca.csr import csr_pem
from stages.ca.intent import Intent
from stages.ca.issuer import Issuer
from stages.outcome import CertificateRecord
from stages.session import Problem
from stages.store import moves
from stages.store.moves import Move
from supervisor.pipeline import lane as lanes
from supervisor.pipeline.journal import record_move
from tests.harness.acme_moves import Answer, csr_for, session_of
from tests.store.acme.front import Client, Front, opened, until
from tests.store.pipeline.line import Gate, WatchedStore
from tests.store.world import KEEP, World

pytestmark = pytest.mark.anyio

GONE = Problem("unauthorized", "no more")


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The serials of all that is signed, from the moment on at which it may be."""
    serials: list[str] = []
    certify = certifying.certify

    async def noted(intent: Intent, issuer: Issuer, **fields: Any) -> CertificateRecord:
        serials.append(intent.serial)
        return await certify(intent, issuer, **fields)

    monkeypatch.setattr("stages.issue.certify", noted)
    monkeypatch.setattr(lanes, "OUTAGE_FIRST", 0.001)
    return serials


class Watched:
    """A front door whose calls can be held back, and the requests that are under way."""

    def __init__(self, front: Front, store: WatchedStore, tasks: anyio.abc.TaskGroup) -> None:
        self.front = front
        self.store = store
        self.tasks = tasks
        self.scope = anyio.CancelScope()
        self.answers: list[Answer] = []

    def gate(self, word: str, *, made: bool) -> Gate:
        """Hold the next call with such a move back: before the store makes it, or its reply."""
        return self.store.gate(lambda call: word in call.words, made=made)

    def asks(self, request: Awaitable[Answer]) -> None:
        """A client asks; it goes away when the scope is cancelled."""

        async def ask() -> None:
            with self.scope:
                self.answers.append(await request)

        self.tasks.start_soon(ask)

    async def others_rest(self, gate: Gate) -> None:
        """Let everything go on that can without the call that is held back."""
        held = await gate.reached()
        await until(lambda: self.store.under_way() == [held])
        for _ in range(100):
            await anyio.lowlevel.checkpoint()

    async def proven(self) -> tuple[Client, Answer]:
        """An order that can be finalized."""
        client = await self.front.client()
        return client, await client.proven("a.example")


@asynccontextmanager
async def watched(world: World) -> AsyncIterator[Watched]:
    """One over this world."""
    store, own = WatchedStore(world.store.settings, world.clock), world.store
    await world.redis.delete(world.keys.groups)  # the world has counted groups of this lease, a committer counts anew
    try:
        world.store = store
        async with opened(world) as front, anyio.create_task_group() as tasks:
            world.store = own  # other processes have calls of their own
            yield Watched(front, store, tasks)
            await front.committer.until_idle()
    finally:
        await store.aclose()


async def test_a_challenge_is_tested_while_ready_is_on_its_way(world: World) -> None:
    """One probe, and the answer comes when the outcome is on disk."""
    async with watched(world) as door:
        client = await door.front.client()
        order = await client.order("a.example")
        url = await client.challenge(order)
        gate = door.gate("ready", made=False)
        door.asks(client.post(url, {}))
        await door.others_rest(gate)
        assert door.front.net.asked == [("http-01", "a.example")]
        assert not (await world.whole(session_of(order))).challenges[0].data.ready
        assert door.answers == []
        gate.open()
        await until(lambda: door.answers)
        assert (door.answers[0].status, door.answers[0].json["status"]) == (200, "valid")
    assert len(door.front.net.asked) == 1


@pytest.mark.parametrize("held_back", ["request", "reply"])
@pytest.mark.parametrize("goes_away", [False, True], ids=["client waits", "client goes away"])
async def test_nothing_is_signed_before_its_intent_is_on_disk(
    world: World,
    signed: list[str],
    held_back: str,
    goes_away: bool,  # noqa: FBT001  a parameter
) -> None:
    """Nor is a client told of a certificate; what is signed is what was written."""
    async with watched(world) as door:
        client, order = await door.proven()
        gate = door.gate("finalize", made=held_back == "reply")
        door.asks(client.finalize(order, csr_for(["a.example"])))
        await door.others_rest(gate)
        assert list(door.front.committer.held) == [session_of(order)]  # its stage has begun
        if goes_away:
            door.scope.cancel()
        await door.others_rest(gate)
        assert (signed, door.answers) == ([], [])
        assert await world.redis.zcard(world.keys.certificates) == 0
        gate.open()
        await until(lambda: signed)
        await door.front.committer.until_idle()
        polled = await Client(door.front, client.private, client.kid).post(order.header("Location") or "")
        assert polled.json["status"] == "valid"
        assert len(door.answers) == (not goes_away)
        assert signed == [(await world.whole(session_of(order))).serial]


async def test_an_order_that_was_cancelled_on_the_way_gets_nothing(world: World, signed: list[str]) -> None:
    """The client is told that it is over; nothing is signed, logged or on record."""
    async with watched(world) as door:
        client, order = await door.proven()
        told: list[Move] = []

        def committed(move: Move) -> None:
            told.append(move)
            record_move(move)

        door.front.committer.answers.committed = committed
        gate = door.gate("finalize", made=False)
        with capture_logs() as logs:
            door.asks(client.finalize(order, csr_for(["a.example"])))
            await door.others_rest(gate)
            assert await world.client(moves.cancel(session_of(order), GONE, KEEP)) == ["ok"]
            gate.open()
            await until(lambda: door.answers)
            await door.front.committer.until_idle()
        assert door.answers[0].problem == (403, "orderNotReady")
        assert (signed, told) == ([], [])
        assert [line["event"] for line in logs if line["event"] == "certificate.issued"] == []
        assert await world.redis.zcard(world.keys.certificates) == 0


async def test_of_two_requests_the_one_on_record_is_signed(world: World, signed: list[str]) -> None:
    """Another process brought a CSR first: the certificate is for its key, and the client is shown that order."""
    async with watched(world) as door:
        client, order = await door.proven()
        gate = door.gate("finalize", made=False)
        door.asks(client.finalize(order, csr_for(["a.example"])))
        await door.others_rest(gate)
        pem = csr_pem(csr_for(["a.example"]))
        assert await world.client(moves.finalize(session_of(order), pem)) == ["ok"]
        gate.open()
        door.front.committer.wake()
        await until(lambda: door.answers)
        record = await world.whole(session_of(order))
        assert (record.csr, signed) == (pem, [record.serial])
        assert (door.answers[0].status, door.answers[0].json["status"]) == (200, "valid")


async def test_proofs_that_are_not_on_record_sign_nothing(world: World, signed: list[str]) -> None:
    """The door remembers a proof; the record has none any more: the stage goes by the record."""
    async with watched(world) as door:
        client, order = await door.proven()
        gate = door.gate("finalize", made=False)
        door.asks(client.finalize(order, csr_for(["a.example"])))
        await door.others_rest(gate)
        for challenge in (await world.whole(session_of(order))).challenges:
            await world.redis.hset(world.keys.challenge(session_of(order), challenge.n), "satisfied", "False")
        gate.open()
        await until(lambda: door.answers)
        assert (door.answers[0].json["status"], signed) == ("invalid", [])
        assert door.answers[0].json["error"]["type"] == "urn:ietf:params:acme:error:unauthorized"


@pytest.mark.parametrize("made", [False, True], ids=["not made", "made"])
async def test_a_lost_reply_makes_one_certificate(world: World, signed: list[str], made: bool) -> None:  # noqa: FBT001
    """Whether the move was made before: the client gets its certificate, of the intent that is on record."""
    async with watched(world) as door:
        client, order = await door.proven()
        gate = door.gate("finalize", made=made)
        door.asks(client.finalize(order, csr_for(["a.example"])))
        await door.others_rest(gate)
        assert signed == []
        gate.lose()
        await until(lambda: door.answers)
        assert (door.answers[0].status, door.answers[0].json["status"]) == (200, "valid")
        assert signed == [(await world.whole(session_of(order))).serial]
        assert await world.redis.zcard(world.keys.certificates) == 1
