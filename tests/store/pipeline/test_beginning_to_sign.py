"""Intent before signature, where the issue stage begins while CSR and intent are on their way to the disk."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from stages.errors import LeaseLost
from stages.session import Problem, State
from stages.store import moves
from supervisor.pipeline import lane as lanes
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.runner import Runner
from tests.store.pipeline.begun import FIRST, KEPT, SECOND, Signing, finalizes, proven, signing
from tests.store.pipeline.line import Settings, made, opened, until, waits
from tests.store.world import KEEP, World

pytestmark = pytest.mark.anyio

NO = Problem("unauthorized", "no")
STAGES = {State.MAKECHALLENGE: made, State.DONE: waits}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another without a pause."""
    monkeypatch.setattr(lanes, "OUTAGE_FIRST", 0.001)
    monkeypatch.setattr(lanes, "OUTAGE_MOST", 0.001)


@pytest.mark.parametrize("held_back", ["request", "reply"])
async def test_nothing_is_signed_before_its_intent_is_on_disk(world: World, held_back: str) -> None:
    """All checks are made meanwhile; the signature waits for the answer."""
    async with opened(world, STAGES) as line:
        session, stage = await signing(line)
        stage.permitted.set()
        gate = line.store.of(session.id, made=held_back == "reply")
        answer = finalizes(line, session)
        await line.at_rest_but(gate)
        assert (stage.asked, stage.signed) == ([FIRST], [])
        gate.open()
        assert await answer == KEPT
        await line.at_rest()
        assert stage.signed == [FIRST]
        assert line.sent(session.id)[-3:] == ["finalize", "advance", "wait"]
        assert (await world.whole(session.id)).intent == FIRST


@pytest.mark.parametrize("asks", ["before the answer", "after the answer"])
@pytest.mark.parametrize(
    ("first", "answer", "anew"),
    [
        ("cancelled", ["refused", "not live"], []),
        ("another CSR", ["refused", "finalized before"], [SECOND]),
        ("the same CSR", ["ok"], [SECOND]),
        ("an intent", ["ok"], [SECOND]),
    ],
)
async def test_an_intent_that_is_not_on_record_is_never_signed(
    world: World, first: str, answer: list[str], anew: list[str], asks: str
) -> None:
    """Somebody was quicker: only what is on record is signed, by whoever claims the session."""
    async with opened(world, STAGES) as line:
        session, stage = await signing(line)
        gate = line.store.of(session.id, made=False)
        answered = finalizes(line, session)
        await until(lambda: stage.begun == [FIRST])
        await gate.reached()
        if first == "cancelled":
            assert await world.client(moves.cancel(session.id, NO, KEEP)) == ["ok"]
        elif first == "an intent":
            await world.redis.hset(session.id, mapping={"serial": "0b", "intent": SECOND})
        else:
            csr = "CSR" if first == "the same CSR" else "another"
            assert await world.client(moves.finalize(session.id, csr, "", "0b", SECOND)) == ["ok"]
        if asks == "before the answer":
            stage.permitted.set()
            await line.at_rest_but(gate)
            assert (stage.asked, stage.signed) == ([FIRST], [])
        gate.open()
        assert await answered == answer
        line.committer.wake()
        await line.at_rest()
        stage.permitted.set()
        await line.at_rest()
        assert (stage.signed, stage.begun) == (anew, [FIRST, *anew])
        assert (await world.whole(session.id)).intent == "".join(anew)
        assert line.runners[State.ISSUE].free() == 2
        assert line.warnings() == []


async def test_a_stage_whose_session_another_has_by_now_does_not_sign(world: World) -> None:
    """The other lane brought the session back, without a CSR, while the client's move waits to be made."""
    async with opened(world, STAGES, issue=Settings(concurrency=8)) as line:
        session, stage = await signing(line)
        claim = line.store.gate(lambda call: State.ISSUE in call.free, made=True)
        await world.redis.hdel(session.id, "waiting")
        await world.redis.lpush("pending-issue", session.id)
        line.committer.wake()
        held = await claim.reached()
        assert held.reply is not None
        assert [claimed.id for claimed in held.reply.claimed] == [session.id]
        gate = line.store.of(session.id, made=False)
        answer = finalizes(line, session)
        await gate.reached()
        await until(lambda: stage.begun == [FIRST])
        claim.open()
        await until(lambda: stage.begun == [FIRST, ""])
        stage.permitted.set()
        await until(lambda: FIRST in stage.asked)
        await line.at_rest_but(gate)
        assert stage.signed == []
        gate.open()
        assert await answer == ["ok"]
        await line.at_rest()
        assert (stage.begun, stage.signed) == ([FIRST, "", FIRST], [FIRST])
        assert line.sent(session.id)[-4:] == ["finalize", "wait", "advance", "wait"]


@pytest.mark.parametrize("asks", ["before the answer", "after the answer"])
async def test_an_intent_whose_answer_is_lost_is_signed_anew_from_the_record(world: World, asks: str) -> None:
    """The first attempt does not know whether it may; the second has read what is on disk."""
    async with opened(world, STAGES) as line:
        session, stage = await signing(line)
        gate = line.store.of(session.id, made=True)
        answer = finalizes(line, session)
        await until(lambda: stage.begun == [FIRST])
        await gate.reached()
        if asks == "before the answer":
            stage.permitted.set()
            await line.at_rest_but(gate)
        resync = line.store.gate(lambda call: call.words == ["resync"], made=False)
        gate.lose()
        assert await answer == ["ok"]
        await line.at_rest_but(resync)
        if asks == "after the answer":
            stage.permitted.set()
            await line.at_rest_but(resync)
        assert (stage.asked, stage.signed) == ([FIRST], [])
        resync.open()
        await line.at_rest()
        assert (stage.begun, stage.signed) == ([FIRST] * 2, [FIRST])
        assert line.sent(session.id)[-4:] == ["finalize", "finalize", "advance", "wait"]
        assert line.warnings() == ["store.lost"]


async def test_nothing_is_signed_while_the_store_is_away(world: World) -> None:
    """The signature waits until the store is back and has the intent."""
    async with opened(world, STAGES) as line:
        session, stage = await signing(line)
        stage.permitted.set()
        gate, again = line.store.of(session.id, made=False), line.store.of(session.id, made=False)
        answer = finalizes(line, session)
        await gate.reached()
        gate.lose()
        await line.at_rest_but(again)
        assert (line.available(), stage.asked, stage.signed) == (False, [FIRST], [])
        again.open()
        assert await answer == KEPT
        await line.at_rest()
        assert stage.signed == [FIRST]


async def test_a_stage_that_waits_for_the_disk_too_long_is_tried_again(world: World) -> None:
    """Its deadline costs an attempt, as any; the session is delayed behind its client's move, and is signed then."""
    async with opened(world, STAGES) as line:
        session, stage = await signing(line)
        stage.permitted.set()
        gate = line.store.of(session.id, made=False)
        answer = finalizes(line, session)
        await line.at_rest_but(gate)
        line.times_out(State.ISSUE)
        await line.at_rest_but(gate)
        assert stage.signed == []
        gate.open()
        assert await answer == KEPT
        await line.at_rest()
        assert await line.places(session.id) == ["delayed-issue"]
        assert line.sent(session.id)[-2:] == ["finalize", "retry"]
        assert ((await world.whole(session.id)).attempts, stage.signed) == (1, [])
        world.clock.now += 8
        line.committer.wake()
        await line.at_rest()
        assert stage.signed == [FIRST]


@pytest.mark.parametrize("held_back", ["request", "reply"])
async def test_a_client_that_goes_away_changes_nothing(world: World, held_back: str) -> None:
    """Nobody awaits the answer any more: the signature still waits for it."""
    async with opened(world, STAGES) as line:
        session, stage = await signing(line)
        stage.permitted.set()
        gate = line.store.of(session.id, made=held_back == "reply")
        scope = anyio.CancelScope()

        async def ask() -> None:
            with scope:
                await finalizes(line, session)

        line.tasks.start_soon(ask)
        await line.at_rest_but(gate)
        scope.cancel()
        await line.at_rest_but(gate)
        assert (stage.asked, stage.signed) == ([FIRST], [])
        gate.open()
        await line.at_rest()
        assert stage.signed == [FIRST]
        assert line.sent(session.id)[-3:] == ["finalize", "advance", "wait"]


async def test_a_lost_lease_signs_nothing(world: World) -> None:
    """The call with the intent finds that another has the store: its stage never goes on."""
    async with opened(world, STAGES) as line:
        session = await proven(line)
        committer = Committer(line.store, world.leases["A"], keep=lambda: KEEP)
        stage = Signing(committer)
        stage.permitted.set()
        settings = Settings()
        await world.redis.delete(world.keys.groups)
        async with anyio.create_task_group() as group:
            group.start_soon(Runner(State.ISSUE, stage, lambda: settings, committer).run)
            await until(lambda: committer.queues.can_begin(State.ISSUE))
            csr = {"csr": "CSR", "serial": "0a", "intent": FIRST}
            committer.move(moves.finalize(session.id, "CSR", "", "0a", FIRST), replace(session, **csr))
            await until(lambda: stage.asked == [FIRST])
            await world.dies("A")
            before = await world.state()
            with pytest.raises(LeaseLost):
                await committer.run()
            group.cancel_scope.cancel()
        assert stage.signed == []
        assert before == await world.state()
