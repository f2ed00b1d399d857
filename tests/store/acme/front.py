"""The whole front door over a real store: door, committer, runners and the real stages. For this folder's tests.

Only the network is played: `Net` says what a validation sees. The clock stands still unless a test moves it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio
import anyio.lowlevel
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca import hierarchy, keys
from stages.ca.certificate import general_name
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
from supervisor.acme.http.message import Request, Response
from supervisor.acme.nonces import Nonces
from supervisor.acme.urls import Urls
from supervisor.acme.waiting import Waiter
from supervisor.build import Domain
from supervisor.config.settings import Settings
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.runner import Runner
from tests.store.world import KEEP, NOW, World
from tests.unit.acme import signing

BASE = "https://ca.example"
URLS = Urls(BASE)
YEAR = 365 * 86_400
JOSE = "application/jose+json"
ES256 = ec.SECP256R1()


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


class Answer:
    """A reply, read."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.status = response.status

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.response.body)

    @property
    def problem(self) -> tuple[int, str]:
        """Its status and the type of its problem document, which is whole."""
        document = self.json
        assert self.header("Content-Type") == "application/problem+json"
        assert document["status"] == self.status
        assert document["detail"]
        return self.status, document["type"].removeprefix("urn:ietf:params:acme:error:")

    def header(self, name: str) -> str | None:
        """The one field of that name."""
        found = self.headers(name)
        assert len(found) < 2
        return found[0] if found else None

    def headers(self, name: str) -> list[str]:
        """All fields of that name."""
        return [value for field, value in self.response.headers if field.lower() == name.lower()]


class Front:
    """A front door that is open."""

    def __init__(self, world: World, committer: Committer) -> None:
        self.world = world
        self.net = Net()
        self.committer = committer
        self.waiting = Waiter()
        self.published = 0
        self.moved: list[Move] = []
        committer.committed = lambda move: self.waiting.notify(move[1])
        self.configure()
        self.issuer, other = chain()
        self.desk = Desk(
            store=world.store,
            reader=Reader(world.store),
            mover=self._move,
            waiting=self.waiting,
            urls=URLS,
            nonces=Nonces(os.urandom, world.clock, 3600),
            settings=lambda: self.domain.settings.acme,
            domain=lambda: self.domain,
            issuer=self.issuer,
            clock=world.clock,
            random_bytes=os.urandom,
            deliveries=Deliveries(self._move),
            alternates=(other,),
            published=self._publish,
        )
        self.door = Door(self.desk, lambda: 0.0)

    async def _move(self, move: Move) -> list[Any]:
        self.moved.append(move)
        return await self.committer.move(move)

    async def _publish(self) -> None:
        self.published += 1

    def fail(self, name: str, kind: str) -> None:
        """From now on validations of this name see nothing."""
        self.net.faults[name] = Problem(kind, "seen: nothing")

    async def settled(self) -> None:
        """Wait for moves that nobody waits for."""
        while tasks := tuple(self.desk.deliveries._tasks):
            await asyncio.wait(tasks)

    def configure(self, acme: dict[str, Any] | None = None, **others: Any) -> None:
        """Have these settings of [acme] and of other sections from now on."""
        table = {"listen": "127.0.0.1:8443", "url": BASE, "wait": "20s", **(acme or {})}
        self.domain = Domain(Settings.model_validate({"acme": table, **others}))

    def runners(self) -> list[Runner]:
        """The pipeline."""
        clock = self.world.clock

        def domain() -> Domain:
            return self.domain

        stages: dict[State, Any] = {
            State.MAKECHALLENGE: MakeChallenge(lambda: domain().makechallenge, clock, os.urandom),
            State.TESTCHALLENGE: TestChallenge(
                self.net, lambda: domain().testchallenge, clock, _unobserved, URLS.account
            ),
            State.ISSUE: Issue(self.issuer, self.committer, lambda: domain().issue, clock, os.urandom, _permits),
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


class Client:
    """An ACME client; `kid` is its account's URL."""

    def __init__(self, front: Front, private: ec.EllipticCurvePrivateKey, kid: str = "") -> None:
        self.front = front
        self.private = private
        self.kid = kid
        self.nonce = ""

    @property
    def id(self) -> str:
        """Its account's id."""
        return URLS.account_id(self.kid)

    async def post(self, url: str, payload: object = b"", *, jwk: bool = False, **changes: Any) -> Answer:
        """Sign and ask; no payload is POST-as-GET. `changes` are to the protected header; None takes a member out."""
        nonce = self.nonce or self.front.desk.nonces.issue()
        way = {"jwk": signing.jwk(self.private)} if jwk else {"kid": self.kid}
        head = {"alg": "ES256", "nonce": nonce, "url": url, **way} | changes
        members = {name: value for name, value in head.items() if value is not None}
        body = signing.body(members, payload, self.private)
        answer = await self.front.ask("POST", url, body, {"content-type": JOSE})
        self.nonce = answer.header("Replay-Nonce") or ""
        return answer

    async def order(self, *names: str, **members: Any) -> Answer:
        """Ask newOrder for DNS names and IP addresses."""
        identifiers = [{"type": "ip" if name[-1].isdigit() or ":" in name else "dns", "value": name} for name in names]
        return await self.post(URLS.new_order, {"identifiers": identifiers, **members})

    async def authorization(self, order: Answer, i: int = 1) -> Answer:
        """The authorization of an order's name number `i`."""
        return await self.post(order.json["authorizations"][i - 1])

    async def challenge(self, order: Answer, i: int = 1, kind: str = "http-01") -> str:
        """The URL of the challenge of this type for name number `i`."""
        found = (await self.authorization(order, i)).json["challenges"]
        return str(next(each["url"] for each in found if each["type"] == kind))

    async def proven(self, *names: str, **members: Any) -> Answer:
        """An order all of whose names are proven."""
        order = await self.order(*names, **members)
        assert order.status == 201, order.response.body
        for i, name in enumerate(names, 1):
            url = await self.challenge(order, i, "dns-01" if name.startswith("*.") else "http-01")
            answer = await self.post(url, {})
            assert answer.json["status"] == "valid", answer.json
        return order

    async def finalize(self, order: Answer, csr: bytes) -> Answer:
        """Send a CSR."""
        return await self.post(order.json["finalize"], {"csr": signing.b64(csr)})

    async def issued(self, *names: str, key: ec.EllipticCurvePrivateKey | None = None, **members: Any) -> Answer:
        """A finished order."""
        order = await self.proven(*names, **members)
        answer = await self.finalize(order, csr_for(names, key))
        assert answer.json["status"] == "valid", answer.json
        return answer


async def until(what: Callable[[], object]) -> None:
    """Let the others go on until something is true."""
    with anyio.fail_after(20):
        while not what():
            await anyio.lowlevel.checkpoint()


def session_of(order: Answer) -> str:
    """The session that an order is."""
    return (order.header("Location") or "").rsplit("/", 1)[1]


def csr_for(names: Sequence[str], key: ec.EllipticCurvePrivateKey | None = None, *, common_name: str = "") -> bytes:
    """The DER of a CSR for these names."""
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    builder = builder.add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
    return builder.sign(key or ec.generate_private_key(ES256), hashes.SHA256()).public_bytes(Encoding.DER)


def _unobserved(session: Session, challenge: Challenge, record: ValidationRecord) -> None:
    """Say nothing."""


async def _permits(session: Session, methods: Mapping[str, tuple[str, ...]]) -> None:
    """No CAA record stands in the way."""
    assert session.names
    assert methods


@asynccontextmanager
async def opened(world: World, *, pipeline: bool = True) -> AsyncIterator[Front]:
    """A front door over `world`; without its pipeline nothing becomes of what clients ask."""
    committer = Committer(world.store, world.leases["A"], keep=lambda: KEEP)
    front = Front(world, committer)
    async with anyio.create_task_group() as group:
        group.start_soon(committer.run)
        if pipeline:
            for runner in front.runners():
                group.start_soon(runner.run)
        try:
            yield front
        finally:
            group.cancel_scope.cancel()
