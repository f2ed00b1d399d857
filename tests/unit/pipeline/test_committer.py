"""What the committer puts into a group, and what it makes of the answers, with groups that the test takes itself."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from stages.outcome import Advance, Retry
from stages.session import State
from stages.store import moves
from stages.store.records import Garbled
from supervisor.pipeline.outbox import GROUP_LIMIT
from tests.unit.pipeline.bench import NOW, Bench, opened, reply, session, settled

pytestmark = pytest.mark.anyio


def submits(bench: Bench, *numbers: int) -> None:
    for number in numbers:
        bench.committer.add(moves.submit(f"{number:064x}", ["a.example"], {}, NOW))


async def test_a_group_has_a_limit() -> None:
    """What is more goes with the next call, in its order."""
    async with opened() as bench:
        submits(bench, *range(GROUP_LIMIT + 2))
        first, second = bench.group(), bench.group()
        assert [len(first.entries), len(second.entries)] == [GROUP_LIMIT, 2]
        assert [move[1] for move in first.moves + second.moves] == [f"{n:064x}" for n in range(GROUP_LIMIT + 2)]


async def test_what_is_passed_over_keeps_its_place() -> None:
    """Moves of sessions that are under way are sent in their order, before what came after them."""
    async with opened() as bench:
        submits(bench, 1)
        first = bench.group()
        submits(bench, 1, 1, 2)
        second = bench.group()
        assert [move[1] for move in second.moves] == [f"{2:064x}"]
        submits(bench, 3, 1)
        assert bench.committer._next_group() is not None
        assert [move[1] for move in [entry.move for entry in bench.committer._outbox.entries]] == [f"{1:064x}"] * 3
        bench.settle(first, reply([["ok"]]))
        assert len(bench.group().entries) == 3


async def test_what_is_passed_over_keeps_its_place_before_what_a_group_has_no_room_for() -> None:
    """The limit does not turn the order of one session's moves round."""
    async with opened() as bench:
        submits(bench, 1)
        first = bench.group()
        early, late = moves.deliver(session(1).id, "sent"), moves.deliver(session(1).id, "confirmed")
        bench.committer.add(early)
        submits(bench, *range(2, GROUP_LIMIT + 2))
        bench.committer.add(late)
        assert len(bench.group().entries) == GROUP_LIMIT
        bench.settle(first, reply([["ok"]]))
        assert bench.group().moves == [early, late]


async def test_an_answer_that_nobody_awaits_any_more_is_dropped() -> None:
    """A client that went away, or a stage that was stopped, takes its answer from no other."""
    async with opened() as bench:
        gone = asyncio.ensure_future(bench.committer.move(moves.finalize(session(1).id, "CSR")))
        other = bench.committer.move(moves.finalize(session(2).id, "CSR"))
        group = bench.group()
        gone.cancel()
        bench.settle(group, reply([["ok"], ["ok"]]))
        assert await other == ["ok"]


async def test_a_reservation_that_is_refused_is_no_serial() -> None:
    """The stage hears of it as of any move that is not its to make."""
    async with opened() as bench:
        reserved = asyncio.ensure_future(bench.committer.reserve(session(1).id, "0a", "{}"))
        await settled()
        bench.settle(bench.group(), reply([["refused", "not in flight here"]]))
        with pytest.raises(moves.IllegalMove, match="not in flight here"):
            await reserved


async def test_what_is_to_be_sent_is_not_idle() -> None:
    """Neither is what is on its way, though nothing is held."""
    async with opened() as bench:
        submits(bench, 1)
        idle = asyncio.ensure_future(bench.committer.until_idle())
        await settled()
        group = bench.group()
        await settled()
        assert not idle.done()
        bench.settle(group, reply([["ok"]]))
        bench.committer._settled.set()
        await idle


async def test_a_program_that_stops_looks_for_nothing_that_is_due() -> None:
    """It has no timer."""
    async with opened() as bench:
        group = bench.group()
        bench.committer.quiet = True
        bench.settle(group, reply([], next_due=NOW + 5.0))
        assert bench.committer._timer is None


async def test_a_claim_asks_for_what_no_other_has_asked_for() -> None:
    """Two calls together ask for all free slots, and for none twice."""
    async with opened() as bench:
        bench.settings[State.TESTCHALLENGE].concurrency = 7
        bench.runners[State.TESTCHALLENGE].resize()
        await settled()
        bench.committer.queues.lengths = [9, 9, 9, 9]
        bench.committer.wake()
        first = {claim.queue: claim.free for claim in bench.group().claims}
        assert first == {State.MAKECHALLENGE: 1, State.TESTCHALLENGE: 7, State.ISSUE: 2, State.DONE: 2}
        bench.committer.wake()
        assert {claim.queue: claim.free for claim in bench.group().claims} == {State.MAKECHALLENGE: 1}
        bench.committer.wake()
        assert bench.committer._next_group() is None


async def test_only_the_last_queue_is_claimed_without_names_and_challenges() -> None:
    """Its stage needs none."""
    async with opened() as bench:
        wanted = {claim.queue: claim.whole for claim in bench.group().claims}
        assert wanted == {
            State.MAKECHALLENGE: True,
            State.TESTCHALLENGE: True,
            State.ISSUE: True,
            State.DONE: False,
        }


async def test_a_look_is_kept_until_a_claim_was_sent_for_it() -> None:
    """A wake while the only slots of a queue are asked for is answered by the call after that one."""
    async with opened() as bench:
        bench.committer.queues.lengths = [0, 9, 9, 9]
        first = bench.group()
        bench.committer.wake()
        second = bench.group()
        assert [claim.queue for claim in second.claims] == [State.MAKECHALLENGE]
        bench.settle(second, reply([]))
        assert bench.committer._next_group() is None
        bench.settle(first, reply([]))
        third = bench.group()
        assert State.ISSUE in {claim.queue for claim in third.claims}
        bench.settle(third, reply([]))
        assert bench.committer._next_group() is None


async def test_lengths_are_believed_by_their_sequence() -> None:
    """Those of a reply that was made before the last one seen are passed over; an equal one is as new."""
    async with opened() as bench:
        seen = []
        for sequence, length in ((5, 1), (4, 2), (6, 3), (6, 4), (1, 5)):
            submits(bench, sequence)
            answer = reply([["ok"]], lengths=[0, 0, length, 0], delayed=[length, 0, 0, 0], sequence=sequence)
            bench.settle(bench.group(), answer)
            seen.append((bench.committer.queues.lengths[2], bench.committer.queues.delayed[0]))
        assert seen == [(1, 1), (1, 1), (3, 3), (4, 4), (4, 4)]


async def test_due_times_are_believed_by_their_sequence() -> None:
    """A timer that a newer reply has set is not put off by an older one."""
    async with opened() as bench:
        due = []
        for sequence, next_due in ((5, NOW + 50), (4, 0.0), (6, NOW + 20), (7, 0.0)):
            submits(bench, sequence)
            bench.settle(bench.group(), reply([["ok"]], next_due=next_due, sequence=sequence))
            timer = bench.committer._timer
            due.append(None if timer is None else round(timer.when() - asyncio.get_running_loop().time()))
        assert due == [50, 50, 20, None]


async def test_moves_of_holds_are_told_when_they_are_on_disk() -> None:
    """`committed` hears of each move that was made for a session at work, and of no other."""
    async with opened() as bench:
        told: list[str] = []
        bench.committer.answers.committed = lambda move: told.append(f"{move[0]} {int(move[1], 16)}")
        outcomes = [await bench.gives(session(number, State.ISSUE)) for number in (1, 2)]
        outcomes[0].set_result(Retry(5, "later"))
        outcomes[1].set_result(Advance())
        await settled()
        submits(bench, 3)
        answer = bench.committer.move(moves.finalize(session(4).id, "CSR"))
        group = bench.group()
        assert [move[0] for move in group.moves] == ["retry", "advance", "submit", "finalize"]
        bench.settle(group, reply([["ok"], ["ok", "kept"], ["ok"], ["refused", "x"]]))
        assert told == ["retry 1", "advance 2"]
        assert await answer == ["refused", "x"]


async def test_what_was_refused_is_told_to_nobody() -> None:
    """Who waits for a session's next state goes on waiting."""
    async with opened() as bench:
        told: list[str] = []
        bench.committer.answers.committed = lambda move: told.append(move[0])
        (await bench.gives(session(1, State.ISSUE))).set_result(Retry(5, "later"))
        await settled()
        bench.settle(bench.group(), reply([["refused", "not live"]]))
        assert told == []


async def test_a_refusal_is_logged_once_and_an_error_sets_aside() -> None:
    """What was refused changes nothing more; a record that cannot be written goes to quarantine."""
    async with opened() as bench:
        for number in (1, 2):
            outcome = await bench.gives(session(number, State.ISSUE))
            outcome.set_result(Retry(5, "later"))
        await settled()
        with capture_logs() as logs:
            bench.settle(bench.group(), reply([["refused", "not live"], ["error", "WRONGTYPE"]]))
        assert [(line["event"], line["why"]) for line in logs] == [
            ("commit.refused", "not live"),
            ("commit.refused", "WRONGTYPE"),
        ]
        assert [entry.move for entry in bench.committer._outbox.entries] == [moves.quarantine(session(2).id)]
        bench.settle(bench.group(), reply([["error", "WRONGTYPE"]]))
        assert bench.words() == []


@pytest.mark.parametrize(("field", "words"), [("data", ["quarantine"]), ("key", [])])
async def test_what_cannot_be_read_is_set_aside(field: str, words: list[str]) -> None:
    """A claimed entry that is garbled; one that the script has set aside already is only told of."""
    async with opened() as bench:
        answer = reply([])
        answer.garbled.append(Garbled(session(1).id, field, "no JSON"))
        with capture_logs() as logs:
            bench.settle(bench.group(), answer)
        assert [line["event"] for line in logs] == ["recovery.quarantined"]
        assert bench.words() == words


async def test_a_session_that_is_claimed_anew_ends_what_was_held() -> None:
    """Of two holds of one session the later counts; the other's moves that are not sent are dropped."""
    async with opened() as bench:
        outcome = await bench.gives(session(1))
        old = bench.committer.held[session(1).id]
        outcome.set_result(Advance())
        await settled()
        advance = bench.group()
        bench.attempts[State.TESTCHALLENGE][0][1].set_result(Advance())
        await settled()
        assert bench.words() == ["advance"]
        bench.committer.wake()
        other = bench.group()
        bench.settle(other, reply([], [session(1, State.TESTCHALLENGE)]))
        assert old.void
        assert bench.words() == []
        assert bench.committer.held[session(1).id] is not old
        bench.settle(advance, reply([["ok"]]))
        assert bench.committer.held[session(1).id].void is False
