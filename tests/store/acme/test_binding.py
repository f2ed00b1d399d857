from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from stages.external import Credential, CredentialState
from stages.store.accounts import read_account, read_credential, withdraw_credential
from supervisor.acme.accounts import account
from supervisor.acme.binding import ENDED, UNKNOWN, credential_of
from supervisor.acme.problems import AcmeProblem
from supervisor.http.message import Response
from tests.store.acme.client import URLS, Client, Office, all_at_once, decoded, key, opened, refused
from tests.store.world import NOW, World
from tests.unit.acme import signing

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(world: World) -> AsyncIterator[Office]:
    async with opened(world) as made:
        made.configure({"eab_required": True})
        yield made


async def bind(client: Client, credential: Credential, **changes: Any) -> Response:
    """Register with a binding."""
    return await client.register(externalAccountBinding=client.binding(credential, **changes))


async def used(office: Office, credential: Credential) -> int:
    """How many accounts were made with a credential."""
    found = await read_credential(office.world.store, credential.kid)
    assert found is not None
    return found.used


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_binding_makes_a_bound_account(office: Office, alg: str) -> None:
    """A verified binding makes the account, is kept, and is shown as it was sent (RFC 8555 7.3.4)."""
    credential, client = await office.credential(), office.client()
    sent = client.binding(credential, alg=alg)
    response = await client.register(externalAccountBinding=sent)
    assert (response.status, decoded(response)["externalAccountBinding"]) == (201, sent)
    assert decoded(await client.post(account, client.kid, b""))["externalAccountBinding"] == sent
    made = await read_account(office.world.store, client.id)
    assert made is not None
    assert (made.eab, await used(office, credential)) == (credential.kid, 1)


async def test_binding_missing(office: Office) -> None:
    """Where one is needed: 403 externalAccountRequired, and no account (RFC 8555 7.3.4)."""
    before = await office.world.state()
    problem = await refused(office.client().register())
    assert (problem.kind, problem.status) == ("externalAccountRequired", 403)
    assert await office.world.state() == before


async def test_binding_not_needed_is_verified_all_the_same(office: Office) -> None:
    """Where none is needed, one that is sent is verified and shown, or refused (RFC 8555 7.3.4)."""
    office.configure()
    credential, client = await office.credential(), office.client()
    assert "externalAccountBinding" in decoded(await bind(client, credential))
    problem = await refused(bind(office.client(), credential, kid="unknown"))
    assert (problem.kind, problem.status) == ("unauthorized", 403)
    other = office.client()
    assert "externalAccountBinding" not in decoded(await other.register())


@pytest.mark.parametrize(
    ("changes", "kind", "detail"),
    [
        ({"url": "https://ca.example/acme/new-order"}, "unauthorized", "url: "),
        ({"url": None}, "malformed", "url: "),
        ({"nonce": signing.NONCE}, "malformed", "nonce: "),
        ({"alg": "none", "signer": signing.key()}, "badSignatureAlgorithm", "alg: "),
        ({"alg": "ES256", "signer": signing.key()}, "badSignatureAlgorithm", "alg: "),
        ({"kid": None}, "malformed", "jwk and kid: "),
        ({"jwk": signing.jwk(signing.key())}, "malformed", "jwk and kid: "),
        ({"kid": None, "jwk": signing.jwk(signing.key())}, "malformed", "externalAccountBinding: "),
        ({"kid": "unknown"}, "unauthorized", UNKNOWN),
        ({"kid": "*"}, "unauthorized", UNKNOWN),
        ({"signer": b"another key of thirty-two octets"}, "unauthorized", UNKNOWN),
        ({"payload": signing.jwk(signing.key())}, "unauthorized", "externalAccountBinding: its payload"),
        ({"payload": {"kty": "EC"}}, "malformed", "jwk: "),
        ({"payload": b"[]"}, "malformed", "externalAccountBinding: payload: "),
        ({"payload": b""}, "malformed", "externalAccountBinding: payload: "),
        ({"crit": ["exp"], "exp": 1}, "malformed", "crit: "),
    ],
)
async def test_binding_refused(office: Office, changes: dict[str, Any], kind: str, detail: str) -> None:
    """Each check of RFC 8555 7.3.4 refuses the account, and the credential is not used up."""
    credential = await office.credential(single=True)
    before = await office.world.state()
    problem = await refused(bind(office.client(), credential, **changes))
    assert (kind, detail) == (problem.kind, problem.detail[: len(detail)])
    assert await office.world.state() == before


@pytest.mark.parametrize("value", [None, "", [], {}, {"protected": "", "payload": "", "signature": ""}])
async def test_binding_not_a_jws(office: Office, value: object) -> None:
    """What is no flattened JWS is malformed."""
    problem = await refused(office.client().register(externalAccountBinding=value))
    assert problem.kind == "malformed"


async def test_binding_with_padding(office: Office) -> None:
    """The base64url of the binding has no padding either (RFC 8555 6.1)."""
    credential, client = await office.credential(), office.client()
    sent = client.binding(credential)
    problem = await refused(client.register(externalAccountBinding=sent | {"signature": sent["signature"] + "="}))
    assert problem.kind == "malformed"


async def test_binding_withdrawn(office: Office) -> None:
    """A withdrawn credential makes no account any more; the accounts made with it stay (RFC 8555 7.3.4)."""
    credential, client = await office.credential(), office.client()
    await bind(client, credential)
    assert await withdraw_credential(office.world.store, credential.kid, NOW)
    problem = await refused(bind(office.client(), credential))
    assert (problem.kind, problem.detail) == ("unauthorized", ENDED[CredentialState.WITHDRAWN])
    assert (await client.post(account, client.kid, b"")).status == 200


async def test_binding_expired(office: Office) -> None:
    """It can be used up to the second before it expires."""
    credential = await office.credential(expires=NOW + 60)
    office.world.clock.now = NOW + 59
    assert (await bind(office.client(), credential)).status == 201
    office.world.clock.now = NOW + 60
    problem = await refused(bind(office.client(), credential))
    assert (problem.kind, problem.detail) == ("unauthorized", ENDED[CredentialState.EXPIRED])


async def test_binding_many_uses(office: Office) -> None:
    """A credential that is not for one account only makes as many as are asked for."""
    credential = await office.credential()
    for _ in range(3):
        await bind(office.client(), credential)
    assert await used(office, credential) == 3


async def test_binding_single_use_race(office: Office) -> None:
    """Of many accounts at once with a credential for one, one is made; the others are told that it was used."""
    credential = await office.credential(single=True)
    ends = await all_at_once(*(bind(office.client(), credential) for _ in range(10)))
    details = [end.detail for end in ends if isinstance(end, AcmeProblem)]
    assert (len(details), set(details)) == (9, {ENDED[CredentialState.USED]})
    assert await used(office, credential) == 1


async def test_binding_single_use_again_by_the_same_key(office: Office) -> None:
    """The account's own client, which asks again, finds it: nothing is used twice (RFC 8555 7.3)."""
    credential, client = await office.credential(single=True), office.client(key())
    first = await bind(client, credential)
    again = await bind(client, credential)
    assert (again.status, again.body) == (200, first.body)
    assert await used(office, credential) == 1


async def test_binding_is_not_shown_unverified(office: Office) -> None:
    """A binding that comes with a request for an account that exists without one is not shown (RFC 8555 7.3.4)."""
    office.configure()
    client = office.client()
    await client.register()
    response = await client.register(externalAccountBinding={"protected": "x", "payload": "y", "signature": "z"})
    assert (response.status, "externalAccountBinding" in decoded(response)) == (200, False)
    response = await client.post(account, client.kid, {"externalAccountBinding": {"protected": "x"}})
    assert "externalAccountBinding" not in decoded(response)
    assert client.kid.startswith(URLS.account(""))


async def test_credential_of_an_account(office: Office) -> None:
    """An account's orders are judged by its credential, withdrawn or not; without its record nothing is allowed."""
    credential, client = await office.credential(names=["a.example"]), office.client()
    await bind(client, credential)
    store = office.world.store
    made = await read_account(store, client.id)
    assert made is not None
    await withdraw_credential(store, credential.kid, NOW)
    found = await credential_of(store, made)
    assert found is not None
    assert (found.kid, found.restriction.names) == (credential.kid, ("a.example",))
    await office.world.redis.delete(office.world.keys.credential(credential.kid))
    assert (await refused(credential_of(store, made))).kind == "unauthorized"
    assert await credential_of(store, replace(made, eab="")) is None
