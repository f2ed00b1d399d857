"""A committer with its runners over a real store, whose stages say what a test tells them. For this folder's tests.

Calls of the committer can be held back, before the store makes them or before their reply is seen, and can be lost.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
from structlog.testing import capture_logs

from stages.errors import StoreUnavailable
from stages.outcome import Advance, Outcome, Wait, Writes
from stages.session import ChallengeData, Session, State
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.store import Claim, GroupReply, Store
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.runner import Runner
from tests.store.world import CHALLENGE, KEEP, NOW, Clock, World, places

PATIENCE = 5.0
"""Seconds after which a test that waits for something has failed."""
READY = ChallengeData("token", ready=NOW)
MADE = Advance(Writes(challenges=(CHALLENGE,)))
"""What the first stage says."""
WAITS = Wait(NOW + 99)


@dataclass
class Settings:
    """The settings of one queue; durations in seconds."""

    concurrency: int = 2
    timeout: float = 60.0
    max_attempts: int = 3
    backoff: float = 8.0
    backoff_max: float = 20.0


@dataclass
class Call:
    """One try at a call of the committer, as it was sent and, once the store has made it, as it was answered."""

    lane: int
    number: int
    moves: list[Move]
    claims: list[Claim]
    reply: GroupReply | None = None
    made: bool = False
    settled: bool = False

    @property
    def words(self) -> list[str]:
        """The names of its moves."""
        return [move[0] for move in self.moves]

    @property
    def about(self) -> list[str]:
        """The sessions of its moves."""
        return [move[1] for move in self.moves if move[0] != "resync"]

    @property
    def claims_only(self) -> bool:
        """Whether it has no moves."""
        return not self.moves

    @property
    def free(self) -> dict[State, int]:
        """The slots for which it claims."""
        return {claim.queue: claim.free for claim in self.claims}


class Gate:
    """Holds the next call that `matches` back until it is opened, or loses it."""

    def __init__(self, matches: Callable[[Call], bool]) -> None:
        self.matches = matches
        self._reached = anyio.Event()
        self._opened = anyio.Event()
        self._lost = False
        self._call: Call | None = None

    async def hold(self, call: Call) -> None:
        """The call is here."""
        self._call = call
        self._reached.set()
        await self._opened.wait()
        if self._lost:
            raise StoreUnavailable("lost by the test")

    async def reached(self) -> Call:
        """The call that is held back, once there is one."""
        with anyio.fail_after(PATIENCE):
            await self._reached.wait()
        assert self._call is not None
        return self._call

    def open(self) -> None:
        """Let it go on."""
        self._opened.set()

    def lose(self) -> None:
        """Break its connection."""
        self._lost = True
        self._opened.set()


class WatchedStore(Store):
    """The store of the committer: every call is noted, and passes the gates."""

    def __init__(self, settings: StoreSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.calls: list[Call] = []
        self._before: list[Gate] = []
        self._after: list[Gate] = []

    def of(self, session: str, *, made: bool) -> Gate:
        """Hold back the next call with a move of this session."""
        return self.gate(lambda call: session in call.about, made=made)

    def gate(self, matches: Callable[[Call], bool] = lambda _: True, *, made: bool) -> Gate:
        """Hold back the next call that matches: before the store makes it, or its reply."""
        gate = Gate(matches)
        (self._after if made else self._before).append(gate)
        return gate

    async def group(
        self,
        batch: Sequence[Move],
        claims: Sequence[Claim] = (),
        lease: Lease | None = None,
        *,
        lane: int = 0,
        number: int = 0,
        announce: bool = False,
    ) -> GroupReply:
        """As the real one."""
        call = Call(lane, number, list(batch), list(claims))
        for other in self.under_way():
            assert not set(call.about) & set(other.about), "two moves of one session are under way in two calls"
        self.calls.append(call)
        try:
            await self._pass(self._before, call)
            call.reply = await super().group(batch, claims, lease, lane=lane, number=number, announce=announce)
            call.made = call.reply.results is not None
            await self._pass(self._after, call)
        finally:
            call.settled = True
        return call.reply

    @staticmethod
    async def _pass(gates: list[Gate], call: Call) -> None:
        for gate in gates:
            if gate.matches(call):
                gates.remove(gate)
                await gate.hold(call)
                return

    def under_way(self) -> list[Call]:
        """Calls that have no answer yet."""
        return [call for call in self.calls if not call.settled]


class Attempt:
    """A stage at work on a session, until the test says its outcome."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ended = False
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def says(self, outcome: Outcome) -> None:
        """End the attempt."""
        self._outcome.set_result(outcome)

    def raises(self, error: Exception) -> None:
        """End the attempt with a fault."""
        self._outcome.set_exception(error)

    async def outcome(self) -> Outcome:
        """What the stage awaits."""
        try:
            return await self._outcome
        finally:
            self.ended = True


class ByHand:
    """A stage that the test ends, attempt by attempt, in the order in which they began."""

    def __init__(self) -> None:
        self.begun: list[Attempt] = []
        self._seen = 0

    async def __call__(self, session: Session) -> Outcome:
        """Begin an attempt."""
        attempt = Attempt(session)
        self.begun.append(attempt)
        return await attempt.outcome()

    async def next(self) -> Attempt:
        """The next attempt, once it has begun."""
        await until(lambda: len(self.begun) > self._seen)
        self._seen += 1
        return self.begun[self._seen - 1]

    def more(self) -> int:
        """How many have begun that the test has not seen."""
        return len(self.begun) - self._seen


Says = Callable[[Session], Outcome]


def made(_: Session) -> Outcome:
    """The first stage has nothing to ask of anybody."""
    return MADE


def advances(_: Session) -> Outcome:
    """A stage with nothing to do."""
    return Advance()


def waits(_: Session) -> Outcome:
    """A stage that waits for the client."""
    return WAITS


def saying(says: Says) -> Callable[[Session], Any]:
    """A stage that ends at once."""

    async def stage(session: Session) -> Outcome:
        return says(session)

    return stage


async def until(holds: Callable[[], bool]) -> None:
    """Let everything run until this holds."""
    with anyio.fail_after(PATIENCE):
        while not holds():
            await anyio.lowlevel.checkpoint()


@dataclass
class Line:
    """The pipeline of a test: `by_hand` has a stage for each queue that was not told what to say."""

    world: World
    store: WatchedStore
    committer: Committer
    logs: list[Any]
    tasks: anyio.abc.TaskGroup
    settings: dict[State, Settings] = field(default_factory=lambda: {state: Settings() for state in State})
    by_hand: dict[State, ByHand] = field(default_factory=lambda: {state: ByHand() for state in State})
    runners: dict[State, Runner] = field(default_factory=dict)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def run(self, stages: Mapping[State, Says]) -> None:
        """Run until the test ends, as a term does."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.committer.run)
            group.start_soon(self._run_runners, stages)

    async def _run_runners(self, stages: Mapping[State, Says]) -> None:
        with self.scope:
            async with anyio.create_task_group() as group:
                for state in State:
                    stage = saying(stages[state]) if state in stages else self.by_hand[state]
                    settings = self.settings[state]
                    runner = Runner(state, stage, lambda settings=settings: settings, self.committer)  # type: ignore[misc]
                    self.runners[state] = runner
                    group.start_soon(runner.run)

    async def attempt(self, state: State) -> Attempt:
        """The next attempt that begins in this queue."""
        return await self.by_hand[state].next()

    async def attempts(self, state: State, sessions: Sequence[str]) -> list[Attempt]:
        """The next attempts in this queue, in the order of their sessions: two calls may claim one of them each."""
        begun = {attempt.session.id: attempt for attempt in [await self.attempt(state) for _ in sessions]}
        return [begun[session] for session in sessions]

    async def submit(self, number: int = 1, **fields: str) -> str:
        """A new session, pushed by another process; the committer hears of it."""
        session = await self.world.submit(number, **fields)
        self.committer.wake()
        return session

    async def ready(self, session: str) -> None:
        """The client says that its challenge can be tested, by another process; the committer hears of it."""
        assert await self.world.client(moves.ready(session, 1, CHALLENGE.data, READY)) == ["ok"]
        self.committer.wake()

    def times_out(self, state: State) -> None:
        """The attempts of a queue are at their deadline."""
        settings = self.settings[state]
        settings.timeout, before = 0.0, settings.timeout
        self.runners[state]._deadlines._look()
        settings.timeout = before

    async def at_rest(self) -> None:
        """Let everything run until there is nothing more to do: no call under way, nothing to send, none looked for."""
        calls = -1
        while calls != len(self.store.calls):
            calls = len(self.store.calls)
            await until(lambda: not (self.committer._outbox.entries or self.committer._calls))
            for _ in range(20):
                await anyio.lowlevel.checkpoint()

    async def at_rest_but(self, gate: Gate) -> None:
        """The same while a gate holds a call back: what can be done without it is done."""
        held = await gate.reached()
        calls = -1
        while calls != len(self.store.calls):
            calls = len(self.store.calls)
            await until(lambda: self.store.under_way() == [held] and self.committer._calls == 1)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()

    def due_in(self) -> float:
        """Seconds until the committer looks at the store again by itself."""
        timer = self.committer._timer
        if timer is None or timer.cancelled() or timer.when() < asyncio.get_running_loop().time():
            return math.inf
        return timer.when() - asyncio.get_running_loop().time()

    async def places(self, session: str) -> list[str]:
        """Where a session stands."""
        return places(await self.world.state(), self.world.keys, session)

    def warnings(self) -> list[str]:
        """What was logged from the level of warnings up."""
        return [line["event"] for line in self.logs if line["log_level"] in {"warning", "error"}]

    def available(self) -> bool:
        """Whether the committer believes that the store answers."""
        return self.committer.available

    def events(self) -> list[str]:
        """What was logged, but for the ends of attempts."""
        return [line["event"] for line in self.logs if line["event"] != "stage.finished"]

    def sent(self, session: str) -> list[str]:
        """The moves of a session that came to the store, each once, in their order."""
        return [move[0] for call in self.store.calls if call.made for move in call.moves if move[1] == session]


@asynccontextmanager
async def opened(
    world: World,
    stages: Mapping[State, Says] | None = None,
    **settings: Settings,
) -> AsyncIterator[Line]:
    """A pipeline over `world`; queues without a stage are the test's to work."""
    await world.redis.delete(world.keys.groups)  # the world has counted groups of this lease, a committer counts anew
    store = WatchedStore(world.store.settings, world.clock)
    committer = Committer(store, world.leases["A"], keep=lambda: KEEP)
    with capture_logs() as logs:
        try:
            async with anyio.create_task_group() as group:
                line = Line(world, store, committer, logs, group)
                line.settings.update({State(name): given for name, given in settings.items()})
                group.start_soon(line.run, stages or {})
                await until(lambda: len(committer.queues.slots) == len(State))
                await line.at_rest()
                yield line
                group.cancel_scope.cancel()
        finally:
            await store.aclose()
