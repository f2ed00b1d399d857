from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stages.store.accounts import find_account
from supervisor.acme.accounts import account
from supervisor.acme.jose.jwk import parse_jwk
from supervisor.acme.key_change import change_key
from supervisor.acme.problems import AcmeProblem
from supervisor.http.message import Response
from tests.store.acme.client import URLS, Client, Office, all_at_once, decoded, header, key, opened, refused
from tests.store.world import World
from tests.unit.acme import signing

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(world: World) -> AsyncIterator[Office]:
    async with opened(world) as made:
        yield made


def inner(client: Client, new: Any, payload: object = None, **changes: Any) -> dict[str, Any]:
    """The inner JWS of a good keyChange, with changes to its protected header."""
    signer = changes.pop("signer", new)
    head = {"alg": "ES256", "jwk": signing.jwk(new), "url": URLS.key_change} | changes
    said = {"account": client.kid, "oldKey": signing.jwk(client.private)} if payload is None else payload
    return signing.flattened({name: value for name, value in head.items() if value is not None}, said, signer)


async def change(client: Client, new: Any, payload: object = None, **changes: Any) -> Response:
    """A keyChange."""
    return await client.post(change_key, URLS.key_change, inner(client, new, payload, **changes))


def thumbprint(private: Any) -> str:
    """The thumbprint of a key."""
    return parse_jwk(signing.jwk(private)).thumbprint


async def test_key_change(office: Office) -> None:
    """A good change answers 200 with the account, and the old key is dead at once (RFC 8555 7.3.5)."""
    client, new = office.client(), key()
    made = decoded(await client.register(contact=["mailto:a@example.org"]))
    old = client.private
    response = await change(client, new)
    assert (response.status, decoded(response)) == (200, made | {"key": signing.jwk(new)})
    problem = await refused(client.post(account, client.kid, b""))
    assert (problem.kind, problem.detail) == ("malformed", "signature: it is not this key's signature of this request")
    client.private = new
    assert decoded(await client.post(account, client.kid, b"")) == decoded(response)
    found = [await find_account(office.world.store, thumbprint(private)) for private in (old, new)]
    assert found == [None, client.id]


async def test_key_change_old_key_is_free(office: Office) -> None:
    """The old key can have a new account, the new key finds the old one."""
    client, new = office.client(), key()
    await client.register()
    await change(client, new)
    again = await office.client(client.private).register()
    assert (again.status, header(again, "Location") == client.kid) == (201, False)
    found = await office.client(new).register()
    assert (found.status, header(found, "Location")) == (200, client.kid)


@pytest.mark.parametrize(
    ("changes", "kind", "detail"),
    [
        ({"jwk": None, "kid": "k"}, "malformed", "inner JWS: it must carry the new key as jwk"),
        ({"kid": "k"}, "malformed", "jwk and kid: "),
        ({"nonce": signing.NONCE}, "malformed", "nonce: "),
        ({"url": URLS.new_order}, "unauthorized", "url: "),
        ({"url": None}, "malformed", "url: "),
        ({"alg": "HS256", "signer": b"k"}, "badSignatureAlgorithm", "alg: "),
        ({"alg": "none"}, "badSignatureAlgorithm", "alg: "),
        ({"signer": key()}, "malformed", "signature: "),
        ({"payload": {}}, "malformed", "account: "),
        ({"payload": b""}, "malformed", "payload: "),
        ({"payload": b"[]"}, "malformed", "payload: "),
    ],
)
async def test_key_change_refused(office: Office, changes: dict[str, Any], kind: str, detail: str) -> None:
    """Each check of the inner JWS refuses the change, and the account keeps its key (RFC 8555 7.3.5)."""
    client = office.client()
    await client.register()
    before = await office.world.state()
    problem = await refused(change(client, key(), **changes))
    assert (kind, detail) == (problem.kind, problem.detail[: len(detail)])
    assert await office.world.state() == before


async def test_key_change_object_refused(office: Office) -> None:
    """The object has to name the account that signs and its present key (RFC 8555 7.3.5)."""
    client, other = office.client(), office.client()
    await client.register()
    await other.register()
    before = await office.world.state()
    right = {"account": client.kid, "oldKey": signing.jwk(client.private)}
    for wrong, detail in (
        ({"account": other.kid}, "account: "),
        ({"account": client.kid + "/"}, "account: "),
        ({"account": None}, "account: "),
        ({"oldKey": signing.jwk(other.private)}, "oldKey: "),
        ({"oldKey": None}, "jwk: "),
        ({"oldKey": {"kty": "EC"}}, "jwk: "),
    ):
        problem = await refused(change(client, key(), right | wrong))
        assert ("malformed", detail) == (problem.kind, problem.detail[: len(detail)])
    problem = await refused(change(client, key(), {"account": client.kid}))
    assert (problem.kind, problem.detail) == ("malformed", "oldKey: it is missing (RFC 8555 7.3.5)")
    assert await office.world.state() == before


async def test_key_change_to_the_same_key(office: Office) -> None:
    """The present key is in use, by this very account: 409 and its Location (RFC 8555 7.3.5)."""
    client = office.client()
    await client.register()
    problem = await refused(change(client, client.private))
    assert (problem.kind, problem.status, problem.headers) == ("malformed", 409, (("Location", client.kid),))


async def test_key_change_to_a_key_in_use(office: Office) -> None:
    """Another account's key, be that account deactivated: 409 and the other's Location (RFC 8555 7.3.5)."""
    client, other = office.client(), office.client()
    await client.register()
    await other.register()
    before = await office.world.state()
    problem = await refused(change(client, other.private))
    assert (problem.kind, problem.status, problem.headers) == ("malformed", 409, (("Location", other.kid),))
    assert await office.world.state() == before
    await other.post(account, other.kid, {"status": "deactivated"})
    problem = await refused(change(client, other.private))
    assert (problem.status, problem.headers) == (409, (("Location", other.kid),))


async def test_key_change_to_a_weak_or_blocked_key(office: Office) -> None:
    """The new key has to be as good as one of a new account: badPublicKey."""
    client = office.client()
    await client.register()
    problem = await refused(change(client, signing.key("RSA-1024"), alg="RS256"))
    assert problem.kind == "badPublicKey"
    blocked = key()
    spki = parse_jwk(signing.jwk(blocked)).spki_der
    await office.world.redis.hset(office.world.keys.blocked, hashlib.sha256(spki).hexdigest(), "1")
    problem = await refused(change(client, blocked))
    assert problem.kind == "badPublicKey"


async def test_key_change_to_another_type(office: Office) -> None:
    """The new key may be of another type than the old one."""
    client, new = office.client(), ec.generate_private_key(ec.SECP384R1())
    await client.register()
    response = await change(client, new, alg="ES384")
    assert (response.status, decoded(response)["key"]["crv"]) == (200, "P-384")


async def test_key_change_races_with_new_account(office: Office) -> None:
    """A key change and a newAccount with one key at once: one account has the key afterwards (RFC 8555 7.3.5)."""
    for _ in range(5):
        client, new = office.client(), key()
        await client.register()
        newcomer = office.client(new)
        ends = await all_at_once(change(client, new), newcomer.register())
        holder = await find_account(office.world.store, thumbprint(new))
        statuses = sorted(end.status for end in ends)
        if holder == client.id:
            assert statuses == [200, 200]
            assert newcomer.kid == client.kid
        else:
            assert statuses == [201, 409]
            (lost,) = [end for end in ends if isinstance(end, AcmeProblem)]
            assert lost.headers == (("Location", URLS.account(holder or "")),)
            assert await find_account(office.world.store, thumbprint(client.private)) == client.id


async def test_key_change_races_with_key_change(office: Office) -> None:
    """Two changes of one account at once: one wins, and the account has that key alone."""
    client, new = office.client(), [key(), key()]
    await client.register()
    ends = await all_at_once(*(change(client, private) for private in new))
    assert sorted(end.status for end in ends) == [200, 403]
    holders = [await find_account(office.world.store, thumbprint(private)) for private in (client.private, *new)]
    assert holders[0] is None
    assert sorted(holders[1:], key=str) == sorted([None, client.id], key=str)


async def test_key_change_post_as_get(office: Office) -> None:
    """An empty payload is no inner JWS: malformed."""
    client = office.client()
    await client.register()
    problem = await refused(client.post(change_key, URLS.key_change, b""))
    assert problem.kind == "malformed"
