"""What a runner makes of the ends of its stage: each becomes one move, and none ends the loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from stages.errors import StoreUnavailable
from stages.outcome import Advance, Outcome, Reject, Retry, Wait, Writes
from stages.session import Challenge, ChallengeData, ChallengeType, Problem, Session, State
from stages.store import moves
from stages.store.records import encode_problem
from supervisor.pipeline.hold import Hold
from tests.unit.pipeline.bench import KEEP, NOW, Bench, opened, reply, session, settled

pytestmark = pytest.mark.anyio

CHALLENGE = Challenge(1, NOW, ChallengeType.HTTP_01, "a.example", False, False, ChallengeData("token"))  # noqa: FBT003
WRITES = Writes(challenges=(CHALLENGE,))


async def end(bench: Bench, at_work: Session, outcome: Outcome | BaseException) -> list[Any]:
    """The move that is sent when an attempt at this session ends so."""
    future = await bench.gives(at_work)
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
    await settled()
    entry = bench.committer._outbox.entries[-1]
    assert len(bench.committer._outbox.entries) == 1
    assert bench.runners[at_work.state].free() == 2
    return entry.move


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (State.MAKECHALLENGE, Retry(5, "later", WRITES)),
        (State.MAKECHALLENGE, Reject(Problem("malformed", "no"))),
        (State.TESTCHALLENGE, Wait(NOW + 9, WRITES, "waits")),
        (State.ISSUE, Retry(5, "later", costs=False)),
        (State.DONE, Wait(NOW + 9)),
        (State.DONE, Advance(note="retired: confirmed")),
    ],
)
async def test_an_outcome_is_sent_as_its_move(state: State, outcome: Outcome) -> None:
    """What the stage says is what is committed, and the session leaves this supervisor with it."""
    at_work = session(1, state)
    async with opened() as bench:
        assert moves.for_outcome(at_work, outcome, NOW, KEEP) == await end(bench, at_work, outcome)
        assert bench.committer.held == {}


@pytest.mark.parametrize(("attempts", "after"), [(0, 8), (1, 16)])
async def test_a_stage_that_raises_costs_an_attempt(attempts: int, after: int) -> None:
    """The session is tried again after a pause that doubles; the log has the fault, the story only its name."""
    at_work = session(1, State.ISSUE, attempts=attempts)
    async with opened() as bench:
        with capture_logs() as logs:
            move = await end(bench, at_work, ValueError("secret"))
        expected = Retry(after, "issue failed (ValueError)", costs=True)
        assert moves.for_outcome(at_work, expected, NOW, KEEP) == move
        assert [(line["event"], line.get("attempt")) for line in logs] == [
            ("stage.failed", attempts + 1),
            ("stage.finished", attempts + 1),
        ]
        assert bench.runners[State.ISSUE].tally.retried == 1


async def test_the_pause_has_a_most() -> None:
    """However often it failed, the next try is not put off for longer than the setting says."""
    at_work = session(1, State.ISSUE, attempts=60)
    async with opened() as bench:
        bench.settings[State.ISSUE].max_attempts = 100
        move = await end(bench, at_work, ValueError("x"))
        assert move[:5] == ["retry", at_work.id, State.ISSUE, NOW + 20, 1]


async def test_a_fault_while_the_store_is_away_costs_nothing() -> None:
    """No attempt is counted, and none is the last."""
    at_work = session(1, State.ISSUE, attempts=2)
    async with opened() as bench:
        bench.committer.available = False
        move = await end(bench, at_work, StoreUnavailable("away"))
        assert (move[0], move[4]) == ("retry", 0)


@pytest.mark.parametrize("state", [State.MAKECHALLENGE, State.TESTCHALLENGE, State.ISSUE])
async def test_the_last_failed_attempt_rejects(state: State) -> None:
    """A retry that costs and was one too many ends the session, with the kind and the writes that it carries."""
    at_work = session(1, state, attempts=2)
    async with opened() as bench:
        move = await end(bench, at_work, Retry(5, "no answer", WRITES, kind="dns"))
        expected = Reject(Problem("dns", "gave up after 3 attempts: no answer"), WRITES)
        assert moves.for_outcome(at_work, expected, NOW, KEEP) == move
        assert bench.runners[state].tally.rejected == 1


@pytest.mark.parametrize(
    ("attempts", "outcome"),
    [
        (1, Retry(5, "no answer", kind="dns")),
        (9, Retry(5, "a look of the schedule", costs=False)),
        (9, Wait(NOW + 9)),
    ],
)
async def test_no_other_end_rejects(attempts: int, outcome: Outcome) -> None:
    """Attempts that are left, and looks that cost nothing, do not end a session."""
    at_work = session(1, State.ISSUE, attempts=attempts)
    async with opened() as bench:
        assert moves.for_outcome(at_work, outcome, NOW, KEEP) == await end(bench, at_work, outcome)


async def test_the_last_failed_attempt_of_a_stage_that_raises_is_a_fault_of_the_server() -> None:
    """Nobody but the CA can be blamed."""
    at_work = session(1, State.ISSUE, attempts=2)
    async with opened() as bench:
        move = await end(bench, at_work, ValueError("x"))
        problem = Problem("serverInternal", "gave up after 3 attempts: issue failed (ValueError)")
        assert (move[0], move[3]) == ("reject", encode_problem(problem))


async def test_what_is_issued_is_not_rejected() -> None:
    """The last stage is tried for ever: its certificate exists."""
    at_work = session(1, State.DONE, attempts=50)
    async with opened() as bench:
        with capture_logs() as logs:
            move = await end(bench, at_work, ValueError("x"))
        assert (move[0], move[4]) == ("retry", 1)
        assert [line["event"] for line in logs] == ["stage.failed", "stage.finished"]


@pytest.mark.parametrize(("attempts", "word"), [(0, "retry"), (1, "retry"), (2, "reject")])
async def test_an_illegal_outcome_costs_an_attempt(attempts: int, word: str) -> None:
    """What the state machine does not have is a fault of the stage, and the last one of these ends the session too."""
    at_work = session(1, State.MAKECHALLENGE, attempts=attempts)
    async with opened() as bench:
        with capture_logs() as logs:
            move = await end(bench, at_work, Wait(NOW + 9))
        assert move[0] == word
        assert "stage makechallenge returned Wait" in move[-1]
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["stage.failed"]


async def times_out(bench: Bench, state: State) -> None:
    """Every attempt of the queue that is at work is at its deadline."""
    bench.settings[state].timeout = 0.0
    bench.runners[state]._deadlines._look()
    bench.settings[state].timeout = 60.0
    await settled()


async def test_a_stage_that_hangs_costs_an_attempt() -> None:
    """It is cancelled at its deadline; its worker lives on and takes the next session."""
    at_work = session(1, State.TESTCHALLENGE)
    async with opened() as bench:
        await bench.gives(at_work)
        with capture_logs() as logs:
            await times_out(bench, State.TESTCHALLENGE)
        assert [line["event"] for line in logs] == ["stage.timed_out", "stage.finished"]
        (entry,) = bench.committer._outbox.entries
        expected = Retry(8, "testchallenge took longer than 60 s", costs=True)
        assert moves.for_outcome(at_work, expected, NOW, KEEP) == entry.move
        following = await bench.gives(session(2, State.TESTCHALLENGE))
        following.set_result(Wait(NOW + 9))
        await settled()
        assert bench.words() == ["wait"]


async def test_a_stage_that_hangs_ahead_is_stopped_too() -> None:
    """A worker that followed its session has the deadline of the queue in which it is, from that stage's start."""
    async with opened() as bench:
        make = await bench.gives(session(1))
        make.set_result(Advance(WRITES))
        await settled()
        await times_out(bench, State.MAKECHALLENGE)
        assert len(bench.attempts[State.TESTCHALLENGE]) == 1
        await times_out(bench, State.TESTCHALLENGE)
        assert bench.words() == ["advance", "retry"]
        assert bench.attempts[State.TESTCHALLENGE] == []


async def test_a_stage_that_answers_its_deadline_with_an_error_took_too_long() -> None:
    """What it raises is not told as a fault of the program."""

    async def stage(_: Session) -> Outcome:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("x") from None
        raise AssertionError

    async with opened() as bench:
        bench.runners[State.ISSUE].stage = stage
        bench.committer.wake()
        bench.settle(bench.group(), reply([], [session(1, State.ISSUE)]))
        await settled()
        with capture_logs() as logs:
            await times_out(bench, State.ISSUE)
        assert [line["event"] for line in logs] == ["stage.timed_out", "stage.finished"]
        assert bench.committer._outbox.entries[-1].move[-1] == "issue took longer than 60 s"


async def test_a_session_is_not_given_to_a_worker_that_has_ended() -> None:
    """The slots of workers that a stop has ended are passed over, and the session goes back."""
    async with opened() as bench:
        for task in asyncio.all_tasks():
            if task.get_name().startswith("issue-"):
                task.cancel()
        await settled()
        hold = Hold(session(1, State.ISSUE))
        bench.committer.held[hold.session.id] = hold
        bench.runners[State.ISSUE].take(hold)
        assert bench.words() == ["release"]
        assert bench.committer.held == {}


async def test_a_stop_in_a_stage_gives_the_session_back() -> None:
    """A cancellation that is not the deadline's ends the worker; the session goes back to its queue, without cost."""
    at_work = session(1, State.ISSUE)
    async with opened() as bench:
        await bench.gives(at_work)
        (task,) = bench.runners[State.ISSUE]._deadlines._begun
        task.cancel()
        await settled()
        assert bench.words() == ["release"]
        assert bench.committer.held == {}
        assert task.cancelled()


async def test_a_stop_between_hand_out_and_start_gives_the_session_back() -> None:
    """The worker has the session and has not begun."""
    async with opened() as bench:
        runner = bench.runners[State.ISSUE]
        workers = [task for task in asyncio.all_tasks() if task.get_name().startswith("issue-")]
        hold = Hold(session(1, State.ISSUE))
        bench.committer.held[hold.session.id] = hold
        runner.take(hold)
        for worker in workers:
            worker.cancel()
        await settled()
        assert bench.words() == ["release"]
        assert bench.attempts[State.ISSUE] == []


@pytest.mark.parametrize(
    ("state", "scheduled", "ahead"),
    [
        (State.MAKECHALLENGE, False, True),
        (State.MAKECHALLENGE, True, False),
        (State.TESTCHALLENGE, True, True),
        (State.ISSUE, True, True),
        (State.ISSUE, False, True),
    ],
)
async def test_which_advances_go_ahead(state: State, scheduled: bool, ahead: bool) -> None:  # noqa: FBT001  parameters
    """All where the next stage shows nothing to the world that is not on disk."""
    async with opened() as bench:
        outcome = await bench.gives(session(1, state, scheduled=scheduled))
        outcome.set_result(Advance())
        await settled()
        (entry,) = bench.committer._outbox.entries
        assert moves.is_ahead(entry.move) is ahead
        following = bench.attempts[tuple(State)[tuple(State).index(state) + 1]]
        assert [at_work.attempts for at_work, _ in following] == [0] * ahead


async def test_a_void_hold_says_nothing() -> None:
    """Neither its outcome nor its release is sent."""
    async with opened() as bench:
        outcome = await bench.gives(session(1, State.ISSUE))
        hold = bench.committer.held[session(1).id]
        bench.committer.held.drop(hold)
        bench.runners[State.ISSUE].give_back(hold)
        outcome.set_result(Advance())
        await settled()
        assert bench.words() == []
        assert bench.runners[State.ISSUE].free() == 2
