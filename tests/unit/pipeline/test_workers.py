"""How many workers each queue has, whatever they do: they follow sessions, and reloads want more or fewer of them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from stages.outcome import Advance, Outcome, Retry, Wait
from stages.session import Session, State
from supervisor.pipeline.hold import Group
from supervisor.pipeline.runner import Runner
from tests.unit.pipeline.bench import NOW, Bench, opened, reply, session, settled

STATES = st.sampled_from(list(State))
SEEDS = st.integers(0, 7)
STEPS = st.one_of(
    st.tuples(st.just("send"), SEEDS),
    st.tuples(st.just("answer"), st.sampled_from(["kept", "moved", "refused"]), SEEDS),
    st.tuples(st.just("end"), STATES, SEEDS, st.sampled_from(["advance", "advance", "retry", "wait"])),
    st.tuples(st.just("resize"), STATES, st.integers(1, 3)),
)


class Walk:
    """One random walk: groups are taken and answered in any order, attempts end, settings change."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.under_way: deque[Group] = deque()
        self.count = 0

    def send(self, _: int) -> None:
        """A lane sends what is ready."""
        if len(self.under_way) < 2:
            group = self.bench.committer._next_group()
            if group is not None:
                self.bench.committer._calls += 1
                self.under_way.append(group)

    def answer(self, how: str, seed: int) -> None:
        """One of the calls under way is answered, and brings sessions for the slots that were asked for."""
        if not self.under_way:
            return
        self.under_way.rotate(seed % 2)
        group = self.under_way.popleft()
        results: list[list[Any]] = []
        gone: set[str] = set()
        for entry in group.entries:
            name = entry.move[1]
            if how == "refused" or name in gone:
                results.append(["refused", "not in flight here"])
            elif entry.move[0] == "advance" and len(entry.move) == 9 and how == "kept":
                results.append(["ok", "kept"])
            else:
                results.append(["ok"])
                gone.add(name)
        claimed: list[Session] = []
        for claim in group.claims:
            for _ in range(min(claim.free, seed % 4)):
                self.count += 1
                claimed.append(session(self.count, claim.queue))
        self.bench.settle(group, reply(results, claimed))

    def end(self, state: State, seed: int, word: str) -> None:
        """One attempt ends."""
        attempts = self.bench.attempts[state]
        if not attempts:
            return
        outcomes: dict[str, Outcome] = {"advance": Advance(), "retry": Retry(5, "later"), "wait": Wait(NOW + 9)}
        if state is State.MAKECHALLENGE and word == "wait":
            word = "retry"
        attempts[seed % len(attempts)][1].set_result(outcomes[word])

    def resize(self, state: State, concurrency: int) -> None:
        """A reload."""
        self.bench.settings[state].concurrency = concurrency
        self.bench.runners[state].resize()
        self.bench.committer.wake()

    def check(self) -> None:
        """A queue's workers are those who are free and those at work there; no more of them are free than wanted."""
        for state, runner in self.bench.runners.items():
            at_work = len(self.bench.attempts[state])
            assert runner._workers == runner.free() + at_work, state
            assert runner.free() <= self.bench.settings[state].concurrency, state
            assert runner._workers >= self.bench.settings[state].concurrency, state
            assert self.bench.committer.queues.asked[state] >= 0
        assert len(tasks()) == sum(runner._workers for runner in self.bench.runners.values())

    async def end_all(self) -> None:
        """Everything ends: each queue has as many workers as are wanted, all of them free, and nothing is held."""
        self.bench.committer.quiet = True
        while self.under_way or any(self.bench.attempts.values()) or self.bench.committer._outbox.entries:
            for state in State:
                self.end(state, 0, "retry")
            await settled()
            self.send(0)
            self.answer("moved", 0)
            await settled()
        wanted = {state: self.bench.settings[state].concurrency for state in State}
        assert wanted == {state: runner._workers for state, runner in self.bench.runners.items()}
        assert wanted == {state: runner.free() for state, runner in self.bench.runners.items()}
        assert self.bench.committer.held == {}
        assert set(self.bench.committer.queues.asked.values()) == {0}
        assert self.bench.committer._outbox._flying == set()


def tasks() -> list[asyncio.Task[Any]]:
    """The workers that live."""
    return [task for task in asyncio.all_tasks() if task.get_name().rpartition("-")[0] in set(State)]


async def walk(steps: list[tuple[Any, ...]]) -> None:
    async with opened() as bench:
        walk = Walk(bench)
        for word, *arguments in steps:
            getattr(walk, word)(*arguments)
            await settled()
            walk.check()
        await walk.end_all()


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=15, max_size=60))
def test_the_workers_of_every_queue_are_as_many_as_are_wanted(steps: list[tuple[Any, ...]]) -> None:
    """Whatever order advances, retries, waits, answers and reloads come in, each queue keeps its number of workers."""
    asyncio.run(walk(steps))


def test_a_worker_knows_whose_it_is() -> None:
    """After it followed a session, its next one is for the queue to which it then belongs."""

    async def follow() -> None:
        async with opened() as bench:
            outcome = await bench.gives(session(1))
            outcome.set_result(Advance())
            await settled()
            runners: dict[State, Runner] = bench.runners
            assert {state: (r._workers, r.free()) for state, r in runners.items()} == {
                State.MAKECHALLENGE: (2, 2),
                State.TESTCHALLENGE: (2, 1),
                State.ISSUE: (2, 2),
                State.DONE: (2, 2),
            }
            bench.attempts[State.TESTCHALLENGE][0][1].set_result(Wait(NOW + 9))
            await settled()
            assert runners[State.TESTCHALLENGE].free() == 2
            assert runners[State.TESTCHALLENGE].tally.waited == 1
            assert runners[State.MAKECHALLENGE].tally.advanced == 1

    asyncio.run(follow())
