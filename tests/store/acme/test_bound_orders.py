from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stages.external import Credential, make_credential
from stages.store.accounts import create_credential
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
