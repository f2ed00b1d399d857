"""The whole front door over a real store: door, committer, runners and the real stages. For this folder's tests.

Only the network is played: `Net` says what a validation sees. The clock stands still unless a test moves it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio
import anyio.lowlevel
from cryptography.hazmat.primitives.asymmetric import ec

from stages.account import Account
from stages.ca import hierarchy, keys
from stages.ca.issuer import Issuer, make_issuer
from stages.done import Done
from stages.issue import Issue
from stages.makechallenge import MakeChallenge
from stages.session import Challenge, ChallengeType, Hop, Problem, Session, State, ValidationRecord
from stages.store.batch import Reader
from stages.store.moves import Move
from stages.testchallenge import TestChallenge
from supervisor.acme.delivery import Deliveries
from supervisor.acme.desk import Desk
from supervisor.acme.door import Door
from supervisor.acme.entitlement import Entitlement
from supervisor.acme.nonces import Nonces
from supervisor.acme.recent import Recent
from supervisor.acme.urls import Urls
from supervisor.acme.waiting import Waiter
from supervisor.build import Domain
from supervisor.config.settings import Settings
from supervisor.http.message import Request
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.runner import Runner
from tests.harness.acme_moves import ES256, JOSE, Answer, Moves
from tests.store.world import KEEP, NOW, World

BASE = "https://ca.example"
URLS = Urls(BASE)
YEAR = 365 * 86_400


@cache
def chain() -> tuple[Issuer, Issuer]:
    """An intermediate below a root, and the same one below another root."""
    root_key, key = keys.generate("p256"), keys.generate("p256")
    issuers = []
    for name in ("Root", "Other Root"):
        root = hierarchy.create_root(name, root_key, 10 * YEAR, NOW, os.urandom)
        own = hierarchy.create_intermediate("Intermediate", key, root, root_key, 5 * YEAR, NOW, os.urandom)
        issuers.append(make_issuer(key, [own, root], NOW, issuer_id="main"))
    return issuers[0], issuers[1]


class Net:
    """What validations see: `fault` for every name, or for those in `faults`; `gate` holds them back."""

    def __init__(self) -> None:
        self.faults: dict[str, Problem] = {}
        self.asked: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self.gate: anyio.Event | None = None

    async def validate(
        self, challenge_type: ChallengeType, name: str, token: str, key_authorization: str, account_url: str
    ) -> ValidationRecord:
        """Give the verdict for a name."""
        assert token
        assert account_url
        self.asked.append((challenge_type.label, name))
        self.authorizations.append(key_authorization)
        if self.gate is not None:
            await self.gate.wait()
        error = self.faults.get(name)
        hop = Hop(f"http://{name}/", ("192.0.2.1",), "192.0.2.1", "status 404" if error else "status 200")
        return ValidationRecord(NOW, 1, ok=error is None, hops=(hop,), error=error, lasting=True)


class Front:
    """A front door that is open.

    Moves of the kinds in `twice` are made two times and answered by the second, as when the first answer was lost;
    `first` is made before any other move of its kind, as by somebody who was quicker.
    """

    def __init__(self, world: World, committer: Committer, issuer: Issuer | None = None) -> None:
        self.world = world
        self.net = Net()
        self.committer = committer
        self.waiting = Waiter()
        self.published = 0
        self.moved: list[Move] = []
        self.twice: set[str] = set()
        self.first: Move = []
        committer.answers.committed = self.waiting.notify
        self.configure()
        own, other = chain()
        self.issuer = issuer or own
        reader = Reader(world.store)
        recent = Recent(reader, world.clock)
        committer.answers.heard, committer.answers.doubted = recent.heard, recent.doubted
        self.desk = Desk(
            store=world.store,
            reader=reader,
            recent=recent,
            mover=self._move,
            waiting=self.waiting,
            urls=URLS,
            nonces=Nonces(os.urandom, world.clock, 3600),
            settings=lambda: self.domain.settings.acme,
            domain=lambda: self.domain,
            issuer=self.issuer,
            clock=world.clock,
            random_bytes=os.urandom,
            deliveries=Deliveries(self._move, lambda: int(world.clock()) + KEEP, lambda: KEEP),
            alternates=(other,),
            published=self._publish,
        )
        self.door = Door(self.desk, lambda: 0.0)

    async def _move(self, move: Move, becomes: Session | None = None) -> list[Any]:
        self.moved.append(move)
        if move[0] in self.twice:
            await self.committer.move(move)
        if self.first and move[0] == self.first[0]:
            await self.committer.move(self.first)
        return await self.committer.move(move, becomes)

    async def _account(self, id_: str) -> Account | None:
        return (await self.desk.recent.look(id_, ""))[0]

    async def _publish(self) -> None:
        self.published += 1

    def fail(self, name: str, kind: str) -> None:
        """From now on validations of this name see nothing."""
        self.net.faults[name] = Problem(kind, "seen: nothing")

    async def settled(self) -> None:
        """Wait for moves that nobody waits for."""
        await self.desk.deliveries.settled()

    def configure(self, acme: dict[str, Any] | None = None, **others: Any) -> None:
        """Have these settings of [acme] and of other sections from now on."""
        table = {"listen": "127.0.0.1:8443", "url": BASE, "wait": "20s", **(acme or {})}
        self.domain = Domain(Settings.model_validate({"acme": table, **others}))

    def runners(self) -> list[Runner]:
        """The pipeline."""
        clock = self.world.clock

        def domain() -> Domain:
            return self.domain

        permits = Entitlement(self.world.store, _permits, self._account)
        stages: dict[State, Any] = {
            State.MAKECHALLENGE: MakeChallenge(lambda: domain().makechallenge, clock, os.urandom),
            State.TESTCHALLENGE: TestChallenge(
                self.net, lambda: domain().testchallenge, clock, _unobserved, URLS.account
            ),
            State.ISSUE: Issue(self.issuer, self.committer, lambda: domain().issue, clock, os.urandom, permits),
            State.DONE: Done(lambda: domain().done, clock),
        }

        def runner(state: State) -> Runner:
            return Runner(state, stages[state], lambda: getattr(domain().settings.queues, state), self.committer)

        return [runner(state) for state in State]

    async def ask(self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """One request as it is."""
        path, _, query = url.removeprefix(BASE).partition("?")
        request = Request(method, path, query, headers or {}, body, "192.0.2.7", secure=True)
        return Answer(await self.door.handle(request))

    async def client(self) -> Client:
        """A client with an account."""
        client = Client(self, ec.generate_private_key(ES256))
        answer = await client.post(URLS.new_account, {"termsOfServiceAgreed": True}, jwk=True)
        assert answer.status == 201
        client.kid = answer.header("Location") or ""
        return client


class Client(Moves):
    """An ACME client of a front door."""

    def __init__(self, front: Front, private: ec.EllipticCurvePrivateKey, kid: str = "") -> None:
        super().__init__(URLS, private, kid)
        self.front = front
        self.nonce = ""

    async def post(self, url: str, payload: object = b"", *, jwk: bool = False, **changes: Any) -> Answer:
        """Sign and ask; no payload is POST-as-GET. `changes` are to the protected header; None takes a member out."""
        body = self.signed(url, payload, self.nonce or self.front.desk.nonces.issue(), jwk=jwk, changes=changes)
        answer = await self.front.ask("POST", url, body, {"content-type": JOSE})
        self.nonce = answer.header("Replay-Nonce") or ""
        return answer


async def until(what: Callable[[], object]) -> None:
    """Let the others go on until something is true."""
    with anyio.fail_after(20):
        while not what():
            await anyio.lowlevel.checkpoint()


def _unobserved(session: Session, challenge: Challenge, record: ValidationRecord) -> None:
    """Say nothing."""


async def _permits(session: Session, methods: Mapping[str, tuple[str, ...]]) -> None:
    """No CAA record stands in the way."""
    assert session.names
    assert methods


@asynccontextmanager
async def opened(
    world: World, *, pipeline: bool = True, by: str = "A", issuer: Issuer | None = None
) -> AsyncIterator[Front]:
    """A front door over `world`; without its pipeline nothing becomes of what clients ask.

    `by` is the supervisor whose it is, `issuer` who signs there.
    """
    committer = Committer(world.store, world.leases[by], keep=lambda: KEEP)
    front = Front(world, committer, issuer)
    async with anyio.create_task_group() as group:
        group.start_soon(committer.run)
        if pipeline:
            for runner in front.runners():
                group.start_soon(runner.run)
        try:
            yield front
        finally:
            group.cancel_scope.cancel()
