"""A desk over a real store and committer, and clients that sign what they ask its handlers. For this folder's tests.

The door's own checks are not in between: they have tests of their own.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stages.account import AccountStatus
from stages.ca import hierarchy, keys
from stages.ca.issuer import Issuer, make_issuer
from stages.external import Credential, make_credential
from stages.store.accounts import create_credential
from stages.store.batch import Reader
from supervisor.acme.accounts import new_account
from supervisor.acme.delivery import Deliveries
from supervisor.acme.desk import Asked, Desk, Handler
from supervisor.acme.jose.jwk import jwk_from_text
from supervisor.acme.jose.jws import parse, payload_object, verify
from supervisor.acme.nonces import Nonces
from supervisor.acme.problems import AcmeProblem
from supervisor.acme.recent import Recent
from supervisor.acme.urls import Urls, find
from supervisor.acme.waiting import Waiter
from supervisor.build import Domain
from supervisor.config.settings import Settings
from supervisor.http.message import Request, Response
from supervisor.pipeline.committer import Committer
from tests.store.world import KEEP, World
from tests.unit.acme import signing

BASE = "https://ca.example"
URLS = Urls(BASE)
TERMS = "https://ca.example/terms"
PEER = "192.0.2.1"


@cache
def issuer() -> Issuer:
    """An issuer, of which these handlers have no need."""
    now = int(time.time())
    key = keys.generate("p256")
    return make_issuer(key, [hierarchy.create_root("Root", key, 86_400, now, os.urandom)], now)


def key() -> ec.EllipticCurvePrivateKey:
    """A new account key."""
    return ec.generate_private_key(ec.SECP256R1())


class Office:
    """The desk, with settings that a test may change while it works."""

    def __init__(self, world: World, committer: Committer) -> None:
        self.world = world
        self.configure()
        clock, reader = world.clock, Reader(world.store)
        recent = Recent(reader, clock)
        committer.answers.heard = recent.heard
        self.desk = Desk(
            store=world.store,
            reader=reader,
            recent=recent,
            mover=committer.move,
            waiting=Waiter(),
            urls=URLS,
            nonces=Nonces(os.urandom, clock, 3600),
            settings=lambda: self.domain.settings.acme,
            domain=lambda: self.domain,
            issuer=issuer(),
            clock=clock,
            random_bytes=os.urandom,
            deliveries=Deliveries(committer.move, lambda: int(world.clock()) + KEEP, lambda: KEEP),
        )

    def configure(self, acme: dict[str, Any] | None = None, **others: Any) -> None:
        """Have these settings of [acme] and of other sections from now on."""
        table = {"listen": "127.0.0.1:8443", "url": BASE, **(acme or {})}
        self.domain = Domain(Settings.model_validate({"acme": table, **others}))

    def client(self, private: ec.EllipticCurvePrivateKey | None = None, peer: str = PEER) -> Client:
        """One more client, with a key of its own."""
        return Client(self.desk, private or key(), peer)

    async def credential(self, **rules: Any) -> Credential:
        """A credential for External Account Binding, on record."""
        made = make_credential(os.urandom, int(self.world.clock()), **rules)
        assert await create_credential(self.world.store, made)
        return made


class Client:
    """An ACME client; `kid` is its account's URL once it has one, `forwarded` what a proxy says before it."""

    def __init__(self, desk: Desk, private: ec.EllipticCurvePrivateKey, peer: str = PEER) -> None:
        self.desk = desk
        self.private = private
        self.peer = peer
        self.kid = ""
        self.forwarded = ""

    @property
    def id(self) -> str:
        """Its account's id."""
        return URLS.account_id(self.kid)

    async def post(self, handler: Handler, url: str, payload: object, *, jwk: bool = False) -> Response:
        """Sign and ask; `payload` b"" is POST-as-GET. Raises what the handler raises."""
        way = {"jwk": signing.jwk(self.private)} if jwk else {"kid": self.kid}
        head = {"alg": "ES256", "nonce": signing.NONCE, "url": url, **way}
        body = signing.body(head, payload, self.private)
        path, _, query = url.removeprefix(BASE).partition("?")
        place = find(path)
        assert place is not None
        jws = parse(body)
        account, session = await self.desk.reader.look("" if jwk else self.id, place.session)
        assert account is None or account.status is AccountStatus.VALID
        by = jws.jwk or jwk_from_text(account.jwk if account else "")
        verify(jws, by)
        asked = Asked(
            request=Request("POST", path, query, {"x-forwarded-for": self.forwarded}, body, self.peer, secure=True),
            jws=jws,
            account=account,
            key=by,
            payload=jws.payload,
            sent=payload_object(jws),
            ids=place.ids,
            session=session,
        )
        return await handler(self.desk, asked)

    async def register(self, **members: Any) -> Response:
        """Ask newAccount with these members."""
        response = await self.post(new_account, URLS.new_account, members, jwk=True)
        self.kid = header(response, "Location")
        return response

    def binding(self, credential: Credential, **changes: Any) -> dict[str, Any]:
        """An externalAccountBinding of this client's key; `changes` are to its header, `signer` and `payload`."""
        mac = signing_key(credential) if "signer" not in changes else changes.pop("signer")
        payload = changes.pop("payload", signing.jwk(self.private))
        head = {"alg": "HS256", "kid": credential.kid, "url": URLS.new_account} | changes
        return signing.flattened({name: value for name, value in head.items() if value is not None}, payload, mac)


def signing_key(credential: Credential) -> bytes:
    """The bytes of a credential's MAC key."""
    padded = credential.key + "=" * (-len(credential.key) % 4)
    return base64.urlsafe_b64decode(padded)


def header(response: Response, name: str) -> str:
    """A header field of a reply, which has it once."""
    (value,) = headers(response, name)
    return value


def headers(response: Response, name: str) -> list[str]:
    """The values of a header field."""
    return [value for field, value in response.headers if field == name]


def decoded(response: Response) -> Any:
    """The JSON of a reply."""
    return json.loads(response.body)


async def refused(call: Awaitable[object]) -> AcmeProblem:
    """The problem with which a call ends."""
    with pytest.raises(AcmeProblem) as raised:
        await call
    return raised.value


async def all_at_once(*calls: Awaitable[Response]) -> list[Response | AcmeProblem]:
    """What each of several calls at once ends with."""
    ends: list[Response | AcmeProblem] = []

    async def run(call: Awaitable[Response]) -> None:
        try:
            ends.append(await call)
        except AcmeProblem as problem:
            ends.append(problem)

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(run, call)
    return ends


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Office]:
    """An office over `world`, whose committer runs."""
    committer = Committer(world.store, world.leases["A"], keep=lambda: KEEP)
    async with anyio.create_task_group() as group:
        group.start_soon(committer.run)
        try:
            yield Office(world, committer)
        finally:
            group.cancel_scope.cancel()
