"""Orders of accounts that the operator has restricted, by their credential or by themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stages.errors import StoreUnavailable
from stages.external import Credential, make_credential
from stages.outcome import Reject, Retry
from stages.restriction import Restriction
from stages.session import Problem, Session, State
from stages.store.account_moves import restrict_account
from stages.store.account_records import restriction_fields
from stages.store.accounts import create_credential
from supervisor.acme.entitlement import Entitlement
from supervisor.acme.recent import FRESH
from supervisor.lifecycle.stage_set import accounts_in
from tests.harness.acme_moves import csr_for, session_of
from tests.store.acme.client import signing_key
from tests.store.acme.front import URLS, Client, Front, opened
from tests.store.world import NOW, World
from tests.unit.acme import signing

pytestmark = pytest.mark.anyio


async def bound(front: Front, **rules: Any) -> Client:
    """A client whose account is bound to a new credential with these rules."""
    credential = make_credential(os.urandom, NOW, **rules)
    assert await create_credential(front.world.store, credential)
    client = Client(front, ec.generate_private_key(ec.SECP256R1()))
    answer = await client.post(URLS.new_account, {"externalAccountBinding": binding(client, credential)}, jwk=True)
    assert answer.status == 201
    client.kid = answer.header("Location") or ""
    return client


def binding(client: Client, credential: Credential) -> dict[str, Any]:
    """The binding of a client's key."""
    head = {"alg": "HS256", "kid": credential.kid, "url": URLS.new_account}
    return signing.flattened(head, signing.jwk(client.private), signing_key(credential))


async def test_bound_account_asks_for_names_of_its_credential_only(world: World) -> None:
    """Names within the credential's rules are issued; one outside is rejectedIdentifier with its subproblem."""
    async with opened(world) as front:
        client = await bound(front, names=["a.example"])
        assert (await client.issued("a.example", "x.a.example")).json["status"] == "valid"
        answer = await client.order("a.example", "b.example")
        assert answer.problem == (400, "rejectedIdentifier")
        assert [each["identifier"] for each in answer.json["subproblems"]] == [{"type": "dns", "value": "b.example"}]
        assert (await (await front.client()).order("b.example")).status == 201


async def test_bound_account_asks_for_profiles_of_its_credential_only(world: World) -> None:
    """Without a profile the order gets the first that the credential allows; another one is invalidProfile."""
    async with opened(world) as front:
        front.configure(profiles={"default": {}, "short": {"validity": "1d"}, "long": {"validity": "200d"}})
        client = await bound(front, profiles=["short", "long"])
        assert (await client.order("a.example")).json["profile"] == "short"
        assert (await client.order("a.example", profile="long")).json["profile"] == "long"
        assert (await client.order("a.example", profile="default")).problem == (400, "invalidProfile")


async def restrict(front: Front, client: Client, restriction: Restriction) -> None:
    """What the operator does with `accounts restrict`, and the moment after which the door knows of it."""
    account = URLS.account_id(client.kid)
    assert await front.world.client(restrict_account(account, restriction_fields(restriction))) == ["ok"]
    front.world.clock.now += FRESH + 1


async def test_restricted_account_asks_for_its_names_only(world: World) -> None:
    """What its own rules and those of its credential both allow is issued; each other name has its subproblem."""
    async with opened(world) as front:
        client = await bound(front, names=["a.example", "b.example"], deny=["secret.a.example"])
        await restrict(front, client, Restriction(deny=("b.example",)))
        names = ["x.a.example", "secret.a.example", "x.b.example", "c.example"]
        answer = await client.order(*names)
        assert answer.problem == (400, "rejectedIdentifier")
        assert [each["identifier"]["value"] for each in answer.json["subproblems"]] == names[1:]
        assert (await client.issued("x.a.example")).json["status"] == "valid"
        await restrict(front, client, Restriction())
        assert (await client.order("x.b.example")).status == 201


async def test_restricted_account_asks_for_its_profiles_only(world: World) -> None:
    """Without a profile the order gets the first that it may have; another one is invalidProfile."""
    async with opened(world) as front:
        front.configure(profiles={"default": {}, "short": {"validity": "1d"}})
        client = await front.client()
        await restrict(front, client, Restriction(profiles=("short",)))
        assert (await client.order("a.example")).json["profile"] == "short"
        assert (await client.order("a.example", profile="default")).problem == (400, "invalidProfile")


@pytest.mark.parametrize(
    ("restriction", "kind"),
    [
        (Restriction(names=("b.example",)), "rejectedIdentifier"),
        (Restriction(deny=("a.example",)), "rejectedIdentifier"),
        (Restriction(profiles=("short",)), "invalidProfile"),
    ],
)
async def test_account_restricted_after_its_order(world: World, restriction: Restriction, kind: str) -> None:
    """The order is proven, and the certificate is refused all the same; the problem says why."""
    async with opened(world) as front:
        front.configure(profiles={"default": {}, "short": {"validity": "1d"}})
        client = await front.client()
        order = await client.proven("a.example")
        await restrict(front, client, restriction)
        answer = await client.finalize(order, csr_for(["a.example"]))
    assert answer.status == 200
    assert answer.json["status"] == "invalid"
    assert answer.json["error"]["type"].rsplit(":", 1)[1] == kind
    assert "this account may" in answer.json["error"]["detail"]


async def test_account_that_may_have_its_order_still(world: World) -> None:
    """A restriction that allows the names and the profile stands in nobody's way."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example")
        await restrict(front, client, Restriction(("a.example",), ("x.a.example",), ("default",)))
        assert (await client.finalize(order, csr_for(["a.example"]))).json["status"] == "valid"


@pytest.mark.parametrize("lost", ["account", "credential"])
async def test_order_of_an_account_that_was_lost(world: World, lost: str) -> None:
    """Where nobody knows any more what the account may have, nothing is issued."""
    async with opened(world) as front:
        client = await bound(front, names=["a.example"])
        session = session_of(await client.proven("a.example"))
        account = URLS.account_id(client.kid)
        kid = (await world.redis.hget(world.keys.account(account), "eab")).decode()
        await world.redis.delete(world.keys.account(account) if lost == "account" else world.keys.credential(kid))
        entitlement = Entitlement(world.store, _permitted, accounts_in(world.store))
        refusal = await entitlement(await world.whole(session), {})
    assert isinstance(refusal, Reject)
    assert refusal.problem.kind == "unauthorized"


async def test_order_of_an_account_that_cannot_be_read(world: World) -> None:
    """It is tried again, for somebody may mend the record."""
    async with opened(world) as front:
        client = await front.client()
        session = session_of(await client.proven("a.example"))
        await world.redis.hset(world.keys.account(URLS.account_id(client.kid)), "names", "[")
        refusal = await Entitlement(world.store, _permitted, accounts_in(world.store))(await world.whole(session), {})
    assert isinstance(refusal, Retry)


async def test_order_whose_account_is_asked_for_in_an_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again soon, and that costs the session no attempt."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("store: away")

    monkeypatch.setattr(world.store, "script", away)
    session = Session(id="ab" * 32, created=NOW, live=True, state=State.ISSUE, account="A" * 22)
    refusal = await Entitlement(world.store, _permitted, accounts_in(world.store))(session, {})
    assert isinstance(refusal, Retry)
    assert (refusal.after < 1, refusal.costs) == (True, False)


async def test_session_of_the_command_line_is_not_asked_about(world: World) -> None:
    """What comes next decides, for a session without an account and for one whose account is none of ACME."""
    for account in ("", "somebody"):
        session = Session(id="ab" * 32, created=NOW, live=True, state=State.ISSUE, account=account)
        assert await Entitlement(world.store, _permitted, accounts_in(world.store))(session, {}) is None
        assert await Entitlement(world.store, _forbidden, accounts_in(world.store))(session, {}) is FORBIDDEN


FORBIDDEN = Reject(Problem("caa", "no"))


async def _permitted(session: Session, methods: Mapping[str, tuple[str, ...]]) -> None:
    """Permit everything."""


async def _forbidden(session: Session, methods: Mapping[str, tuple[str, ...]]) -> Reject:  # noqa: ARG001  as Permits
    """Permit nothing."""
    return FORBIDDEN
