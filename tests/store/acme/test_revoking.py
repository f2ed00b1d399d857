"""revokeCert (RFC 8555 7.6): who may, why, and when the reply comes."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca import hierarchy, keys
from stages.store import moves
from stages.store.accounts import blocked_keys
from stages.store.certificates import Certificate, revocations
from tests.harness.acme_moves import ES256, Answer
from tests.store.acme.front import URLS, YEAR, Client, Front, opened
from tests.store.world import NOW, World
from tests.unit.acme import signing


async def der_of(client: Client, order: Answer) -> str:
    """The certificate as revokeCert wants it."""
    chain = await client.post(order.json["certificate"])
    leaf = x509.load_pem_x509_certificate(chain.response.body)
    return signing.b64(leaf.public_bytes(Encoding.DER))


async def record(front: Front, order: Answer) -> Certificate:
    found = await front.desk.reader.certificate(order.json["certificate"].rsplit("/", 1)[1])
    assert found is not None
    return found


@pytest.mark.anyio
async def test_account_revokes_its_certificate_once(world: World) -> None:
    """It is exactly 200 without a body, once it is in the store and published; again, alreadyRevoked."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        payload = {"certificate": await der_of(client, order), "reason": 4}
        first, again = await client.post(URLS.revoke_cert, payload), await client.post(URLS.revoke_cert, payload)
        found, revoked = await record(front, order), await revocations(world.store)
    assert (first.status, first.response.body) == (200, b"")
    assert first.header("Replay-Nonce")
    assert again.problem == (400, "alreadyRevoked")
    assert (found.revoked, found.reason) == (NOW, 4)
    assert revoked == [(found.serial, NOW, 4)]
    assert front.published == 1


@pytest.mark.anyio
async def test_revocation_whose_answer_was_lost_is_a_success(world: World) -> None:
    """The store went away under it, and the move was made twice: 200, as it would have been; the next one is told."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        payload = {"certificate": await der_of(client, order), "reason": 4}
        front.twice.add("revoke")
        first, again = await client.post(URLS.revoke_cert, payload), await client.post(URLS.revoke_cert, payload)
        revoked = await revocations(world.store)
    assert first.status == 200
    assert again.problem == (400, "alreadyRevoked")
    assert [(at, reason) for _, at, reason in revoked] == [(NOW, 4)]
    assert front.published == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("reason", "later"), [(1, 0), (4, 1)])
async def test_revocation_that_comes_second_is_told(world: World, reason: int, later: int) -> None:
    """Two at once: another reason or another second is not this request's own work, and the first stays."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        serial = (await record(front, order)).serial
        front.first = moves.revoke(serial, reason, NOW - later)
        answer = await client.post(URLS.revoke_cert, {"certificate": await der_of(client, order), "reason": 4})
        found = await record(front, order)
    assert answer.problem == (400, "alreadyRevoked")
    assert (found.revoked, found.reason) == (NOW - later, reason)


@pytest.mark.anyio
async def test_key_of_the_certificate_revokes(world: World) -> None:
    """It does so by jwk, without any account; a compromised key is blocked, and may still sign this and again."""
    async with opened(world) as front:
        client, key = await front.client(), ec.generate_private_key(ES256)
        order = await client.issued("a.example", key=key)
        payload = {"certificate": await der_of(client, order), "reason": 1}
        holder = Client(front, key)
        first = await holder.post(URLS.revoke_cert, payload, jwk=True)
        again = await holder.post(URLS.revoke_cert, payload, jwk=True)
        found, blocked = await record(front, order), await blocked_keys(world.store)
    assert first.status == 200
    assert again.problem == (400, "alreadyRevoked")
    assert blocked == {found.spki}


@pytest.mark.anyio
async def test_account_that_proved_all_names_revokes(world: World) -> None:
    """Another account may once it has proven every name; it blocks no key that it does not hold."""
    async with opened(world) as front:
        owner, other = await front.client(), await front.client()
        order = await owner.issued("a.example", "b.example")
        payload = {"certificate": await der_of(owner, order), "reason": 1}
        nothing = await other.post(URLS.revoke_cert, payload)
        await other.proven("a.example")
        one = await other.post(URLS.revoke_cert, payload)
        await other.proven("b.example")
        both = await other.post(URLS.revoke_cert, payload)
        blocked = await blocked_keys(world.store)
    assert nothing.problem == one.problem == (403, "unauthorized")
    assert both.status == 200
    assert blocked == frozenset()


@pytest.mark.anyio
async def test_given_up_authorizations_prove_nothing(world: World) -> None:
    """An account that has deactivated its authorization may not revoke with it."""
    async with opened(world) as front:
        owner, other = await front.client(), await front.client()
        order = await owner.issued("a.example")
        proof = await other.proven("a.example")
        await other.post(proof.json["authorizations"][0], {"status": "deactivated"})
        answer = await other.post(URLS.revoke_cert, {"certificate": await der_of(owner, order)})
    assert answer.problem == (403, "unauthorized")


@pytest.mark.anyio
async def test_any_other_key_may_not_revoke(world: World) -> None:
    """Neither a stranger's key may, nor the account's own key as jwk."""
    async with opened(world) as front:
        client = await front.client()
        payload = {"certificate": await der_of(client, await client.issued("a.example"))}
        stranger = await Client(front, ec.generate_private_key(ES256)).post(URLS.revoke_cert, payload, jwk=True)
        own = await client.post(URLS.revoke_cert, payload, jwk=True)
    assert stranger.problem == own.problem == (403, "unauthorized")
    assert front.published == 0


@pytest.mark.anyio
@pytest.mark.parametrize("reason", [2, 6, 7, 8, 10, 11, -1, 99, True, "1", 1.0, None])
async def test_reason_must_be_one_of_those_for_leaves(world: World, reason: Any) -> None:
    """Any other is badRevocationReason, and nothing is revoked."""
    async with opened(world) as front:
        client = await front.client()
        payload = {"certificate": await der_of(client, await client.issued("a.example")), "reason": reason}
        answer = await client.post(URLS.revoke_cert, payload)
        revoked = await revocations(world.store)
    assert answer.problem == (400, "badRevocationReason")
    assert revoked == []


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [b"", {}, {"certificate": 1}, {"certificate": "AAAA"}, {"certificate": "A=="}])
async def test_certificate_must_be_one(world: World, payload: Any) -> None:
    """What is no certificate is malformed."""
    async with opened(world) as front:
        client = await front.client()
        assert (await client.post(URLS.revoke_cert, payload)).problem == (400, "malformed")


@pytest.mark.anyio
async def test_unknown_certificate_is_404(world: World) -> None:
    """It is so for one of another CA, and for one of ours with other bytes under its serial number."""
    async with opened(world) as front:
        client = await front.client()
        foreign = hierarchy.create_root("Other", keys.generate("p256"), YEAR, NOW, lambda n: b"\x11" * n)
        text = signing.b64(foreign.public_bytes(Encoding.DER))
        assert (await client.post(URLS.revoke_cert, {"certificate": text})).problem == (404, "malformed")
