"""Random lives of sessions under two supervisors: losses, repeats, crashes; the laws hold after every step.

CA_SUPERVISOR_LONG=1 runs the long form (minutes); the short one takes seconds.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from stages.errors import LeaseLost
from stages.outcome import Advance, Outcome, Reject, Retry, Wait, Writes
from stages.session import ChallengeData, Problem, Session, State
from stages.store import moves
from stages.store.connection import StoreSettings
from stages.store.moves import Move
from stages.store.scanning import Scanner
from stages.store.store import Claim, Store
from supervisor.recovery.decide import Limits
from supervisor.recovery.scan import Recovery
from tests.store.world import CHALLENGE, KEEP, NOW, Clock, Whole, World, certificate, places, sid, snapshot

LONG = os.environ.get("CA_SUPERVISOR_LONG") == "1"
SETTINGS = settings(
    max_examples=1000 if LONG else 25,
    stateful_step_count=100 if LONG else 20,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
NAMES = ("A", "B")
NUMBERS = st.integers(1, 6)
SUPERVISORS = st.sampled_from(NAMES)
SESSIONS = NUMBERS.map(sid)
LOSS = 0.1
"""How often a reply is lost."""
STATES = st.sampled_from(list(State))
PROBLEM = Problem("unauthorized", "no")
READY = ChallengeData("token", ready=NOW)
Answer = TypeVar("Answer")


class Supervisor:
    """What one supervisor believes: the sessions that it holds, and its last group."""

    def __init__(self) -> None:
        self.held: dict[str, Session] = {}
        self.last: tuple[Move, ...] = ()
        self.unseen = False


class Lives(RuleBasedStateMachine):
    """Two supervisors, some clients and a scan do as they like with the sessions."""

    url: str
    runner: asyncio.Runner

    def run(self, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Run on the loop of the test."""
        return self.runner.run(work())

    def move(self, move: Move) -> None:
        """Make a client's move."""
        self.run(lambda: self.world.client(move))

    @initialize()
    def start(self) -> None:
        """An empty store with both supervisors alive."""
        _flush(self.url)

        async def begin() -> None:
            self.clock = Clock()
            self.world = World(Store(StoreSettings(url=self.url), self.clock), self.clock)
            for name in NAMES:
                await self.world.supervisor(name)

        self.run(begin)
        self.supervisors = {name: Supervisor() for name in NAMES}
        self.died: set[str] = set()
        self.lapsed: set[str] = set()
        self.serials: dict[str, str] = {}
        self.count = 0
        self.submit(6)

    def teardown(self) -> None:
        """Close the connections."""
        if hasattr(self, "world"):
            self.run(self.world.store.aclose)

    def send(self, name: str, batch: tuple[Move, ...], claims: tuple[Claim, ...], *, lose: bool) -> None:
        """Send a group as the committer does; `lose` loses the reply."""
        supervisor = self.supervisors[name]

        async def group() -> Any:
            return await self.world.group(*batch, claims=claims, by=name)

        before = self.look() if name in self.lapsed else None
        try:
            reply = self.run(group)
        except LeaseLost:
            assert before == self.look()
            self.new_term(name)
            return
        assert before is None
        supervisor.last, held = batch, dict(supervisor.held)
        for move in batch:
            if move[0] not in {"reserve", "resync"}:
                supervisor.held.pop(move[1], None)
        if lose:
            supervisor.unseen = True
            return
        for session in reply.claimed:
            assert session.id not in supervisor.held
            supervisor.held[session.id] = session
        for move, result in zip(batch, reply.results, strict=True):
            if move[0] == "reserve" and result[0] == "ok":
                assert self.serials.setdefault(move[1], result[1]) == result[1]
            if result == ["ok", "kept"]:
                supervisor.held[move[1]] = replace(held[move[1]], state=State(move[3]), attempts=0)

    def new_term(self, name: str) -> None:
        """After a lost lease: forget everything, take a new lease and scan."""
        self.supervisors[name] = Supervisor()
        self.lapsed.discard(name)
        self.run(lambda: self.world.supervisor(name))
        self.send(name, (moves.resync([]),), (), lose=False)
        self.recovery(name)

    @rule(new=st.integers(1, 4))
    def submit(self, new: int) -> None:
        """Clients submit, and repeat an earlier submit."""
        for number in range(max(1, self.count), self.count + new + 1):
            self.move(moves.submit(sid(number), ["a.example"], {}, NOW))
        self.count += new

    @rule(name=SUPERVISORS, free=st.integers(1, 2), lose=st.integers(0, 7))
    def claim(self, name: str, free: int, lose: int) -> None:
        """A supervisor claims; now and then the reply is lost."""
        self.send(name, (), tuple(Claim(queue, free) for queue in State), lose=lose == 0)

    @rule(seed=st.integers(0, 2**32))
    def life(self, seed: int) -> None:
        """A while of everything, in the proportions in which it happens."""
        random = Random(seed)
        for _ in range(30):
            self.clock.now += random.random() * 2
            name, what = random.choice(NAMES), random.random()
            if what < 0.65:
                self.work(name, random)
            elif what < 0.9:
                self.client(sid(random.randint(max(1, self.count - 5), self.count)), random.randrange(10))
            elif what < 0.94:
                self.again(name)
            elif what < 0.96:
                self.die(name)
            elif what < 0.98:
                self.recovery(name)
            else:
                self.submit(1)
            self.laws()

    def work(self, name: str, random: Random) -> None:
        """A stage ends, mostly well; who holds nothing claims first."""
        if not self.supervisors[name].held:
            self.send(name, (), tuple(Claim(queue, 2) for queue in State), lose=random.random() < LOSS)
        if self.supervisors[name].held:
            self.commit(name, random.randrange(12), random.randrange(10), lose=random.random() < LOSS)

    def commit(self, name: str, choice: int, number: int, *, lose: bool) -> None:
        """A supervisor commits what a stage said about a session that it holds."""
        supervisor = self.supervisors[name]
        session = supervisor.held[sorted(supervisor.held)[number % len(supervisor.held)]]
        if session.state is State.ISSUE:
            self.send(name, (moves.reserve(session.id, f"{number + 1:02x}", "{}"),), (), lose=False)
        if session.id not in self.supervisors[name].held:
            return
        outcome = _outcome(session, choice, self.serials.get(session.id, ""))
        try:
            move = moves.for_outcome(session, outcome, self.clock(), KEEP)
        except moves.IllegalMove:
            move = moves.release(session.id, session.state)
        if move[0] == "advance" and choice % 2:
            move = moves.ahead(move)
        self.send(name, (move,), tuple(Claim(queue, number % 3) for queue in State), lose=lose)

    @rule(name=SUPERVISORS, session=SESSIONS, state=STATES, choice=st.integers(0, 9))
    def illegal(self, name: str, session: str, state: State, choice: int) -> None:
        """A supervisor commits what it does not hold, or holds in another state."""
        if session in self.supervisors[name].held:
            return
        imagined = Session(id=session, created=NOW, live=True, state=state)
        try:
            move = moves.for_outcome(imagined, _outcome(imagined, choice), self.clock(), KEEP)
        except moves.IllegalMove:
            move = moves.reserve(session, "ee", "{}")
        before = self.look()

        async def group() -> Any:
            return await self.world.group(move, by=name)

        try:
            reply = self.run(group)
        except LeaseLost:
            self.new_term(name)
            return
        if session not in before.get(self.world.keys.inflight(name), []):
            assert reply.results[0][0] == "refused"
            assert before == self.look()

    @rule(name=SUPERVISORS)
    def again(self, name: str) -> None:
        """A supervisor sends its last group once more, and gives back what it does not know of."""
        supervisor = self.supervisors[name]
        before = self.look()

        async def group() -> Any:
            return await self.world.group(*supervisor.last, by=name, again=True)

        try:
            reply = self.run(group)
        except LeaseLost:
            self.new_term(name)
            return
        if reply.results is None:
            assert before == self.look()
        if supervisor.unseen:
            supervisor.unseen = False
            self.send(name, (moves.resync(supervisor.held),), (), lose=False)

    def client(self, session: str, choice: int) -> None:
        """One client moves."""
        wishes: dict[int, Move] = {
            0: moves.cancel(session, PROBLEM, KEEP),
            1: moves.deliver(session, "sent"),
            2: moves.deliver(session, "confirmed"),
        }
        move = wishes.get(choice)
        if move is None:
            ready = moves.ready(session, 1, CHALLENGE.data, READY)
            move = ready if choice % 2 else moves.finalize(session, "CSR")
        self.move(move)

    @rule(name=SUPERVISORS)
    def die(self, name: str) -> None:
        """A lease runs out; its owner does not know yet."""
        self.lapsed.add(name)
        self.run(lambda: self.world.dies(name))

    @rule(seconds=st.sampled_from([1, 5, 20]))
    def later(self, seconds: int) -> None:
        """Time goes on."""
        self.clock.now += seconds

    @rule(name=SUPERVISORS)
    def recovery(self, name: str) -> None:
        """A scan puts everything right, and a second one rests."""

        async def scan() -> bool:
            lease = self.world.leases[name]
            if not await lease.renew():
                return False
            for _ in range(2):
                recovery = Recovery(
                    Scanner(self.world.store),
                    lease,
                    limits=Limits(10_000, 10_000, 10_000),
                    batch=2,
                    keep=KEEP,
                    now=int(self.clock()),
                    judged=lambda _session, _decision: None,
                )
                await recovery.run()
            return True

        if not self.run(scan):
            return
        state = self.look()
        for session, record in self.records(state):
            if record["live"] == "True":
                (place,) = places(state, self.world.keys, session)
                assert not place.startswith("inflight:") or f"supervisor:{place[9:]}" in state

    def look(self) -> Whole:
        """The state of the store, but for the leases' own keys."""

        async def read() -> Whole:
            return await snapshot(self.world.redis)

        state = self.run(read)
        state.pop("groups", None)
        return state

    def records(self, state: Whole) -> list[tuple[str, dict[str, Any]]]:
        """The sessions that are there."""
        return [(sid(n), record) for n in range(1, self.count + 1) if isinstance(record := state.get(sid(n)), dict)]

    @invariant()
    def laws(self) -> None:
        """One place for the living, none of the queues for the dead, one serial, no return from the dead."""
        if not hasattr(self, "world"):
            return
        state = self.look()
        certified: dict[str, str] = {}
        for key, value in state.items():
            if key.startswith("certificate:") and isinstance(value, dict):
                session = str(value["session"])
                assert session not in certified
                certified[session] = str(value["serial"])
        for session, record in self.records(state):
            where = places(state, self.world.keys, session)
            if record["live"] == "False":
                self.died.add(session)
                assert [place for place in where if not place.startswith("inflight:")] == []
            else:
                assert session not in self.died
                assert len(where) == 1, where
                assert session in state["active-requests"]
            if "serial" in record:
                assert self.serials.setdefault(session, record["serial"]) == record["serial"]
            if session in certified:
                assert certified[session] == record["serial"]


def _outcome(session: Session, choice: int, serial: str = "") -> Outcome:
    if choice == 0:
        return Reject(PROBLEM)
    if choice == 1:
        return Retry(3, "later")
    if choice in {2, 3}:
        return Wait(NOW + 30)
    if session.state is State.MAKECHALLENGE:
        return Advance(Writes(challenges=(CHALLENGE,)))
    if session.state is State.ISSUE:
        fields = {"cert": "PEM", "delivery": "issued", "delivered": str(NOW)}
        return Advance(Writes(fields=fields, certificate=certificate(session, int(serial or "ee", 16))))
    return Advance()


def _flush(url: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(Path(url.removeprefix("unix://"))))
        client.sendall(b"FLUSHALL SYNC\r\n")
        assert client.recv(64) == b"+OK\r\n"


@pytest.mark.timeout(3600 if LONG else 120)
def test_the_laws_hold_whatever_happens(clean_store: str) -> None:
    """No order of moves, losses and crashes breaks a law."""
    with asyncio.Runner() as runner:
        machine = type("Machine", (Lives,), {"url": clean_store, "runner": runner})
        run_state_machine_as_test(machine, settings=SETTINGS)
