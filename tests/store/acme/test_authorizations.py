"""The authorization resource (RFC 8555 7.5), and how an order's statuses hang together."""

from __future__ import annotations

import anyio
import pytest

from tests.harness.acme_moves import Answer, csr_for, session_of
from tests.store.acme.front import Client, Front, opened
from tests.store.world import World


def kinds(authorization: Answer) -> set[str]:
    return {challenge["type"] for challenge in authorization.json["challenges"]}


@pytest.mark.anyio
async def test_order_has_its_challenges_when_it_is_answered(world: World) -> None:
    """No stage has to run before a client sees them: with no worker at all they are there, and on record."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        order = await client.order("a.example")
        answer = await client.authorization(order)
    assert answer.status == 200
    assert kinds(answer) >= {"http-01", "dns-01", "tls-alpn-01"}
    tokens = [challenge["token"] for challenge in answer.json["challenges"]]
    assert tokens == [challenge.data.token for challenge in (await world.whole(session_of(order))).challenges]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "value", "wildcard", "absent"),
    [
        ("a.example", "a.example", None, set()),
        ("*.a.example", "a.example", True, {"http-01", "tls-alpn-01"}),
        ("192.0.2.1", "192.0.2.1", None, {"dns-01"}),
    ],
)
async def test_authorization_offers_what_fits_its_name(
    world: World, name: str, value: str, wildcard: object, absent: set[str]
) -> None:
    """A wildcard's value has no "*." and only dns challenges; an address has none of those."""
    async with opened(world) as front:
        client = await front.client()
        answer = await client.authorization(await client.order(name))
    assert answer.status == 200
    assert answer.json["identifier"]["value"] == value
    assert answer.json.get("wildcard") is wildcard
    assert kinds(answer)
    assert not kinds(answer) & absent
    assert answer.json["status"] == "pending"


@pytest.mark.anyio
async def test_tokens_are_long_and_differ(world: World) -> None:
    """Each token has at least 128 bits, in base64url (RFC 8555 8)."""
    async with opened(world) as front:
        client = await front.client()
        answer = await client.authorization(await client.order("a.example"))
    tokens = [challenge["token"] for challenge in answer.json["challenges"]]
    assert len(set(tokens)) == len(tokens)
    assert all(len(token) >= 22 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


@pytest.mark.anyio
async def test_order_is_ready_when_its_last_authorization_is_valid(world: World) -> None:
    """Who sees the authorization valid can finalize; before that the order is pending."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example", "b.example")
        url = order.header("Location") or ""
        await client.post(await client.challenge(order, 1), {})
        between = (await client.post(url)).json["status"], (await client.authorization(order, 2)).json["status"]
        early = await client.finalize(order, csr_for(["a.example", "b.example"]))
        last = await client.post(await client.challenge(order, 2), {})
        valid = await client.authorization(order, 2)
        ready = await client.post(url)
    assert between == ("pending", "pending")
    assert early.problem == (403, "orderNotReady")
    assert (last.json["status"], valid.json["status"], ready.json["status"]) == ("valid", "valid", "ready")
    assert kinds(valid) == {"http-01"}
    assert "validated" in valid.json["challenges"][0]


@pytest.mark.anyio
async def test_failed_authorization_shows_why(world: World) -> None:
    """The challenge has the error, authorization and order are invalid, and the others too."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example", "b.example")
        front.fail("a.example", "incorrectResponse")
        await client.post(await client.challenge(order), {})
        failed, other = await client.authorization(order, 1), await client.authorization(order, 2)
        status = (await client.post(order.header("Location") or "")).json["status"]
    assert [failed.json["status"], other.json["status"], status] == ["invalid"] * 3
    (challenge,) = failed.json["challenges"]
    assert challenge["status"] == "invalid"
    assert challenge["error"]["type"] == "urn:ietf:params:acme:error:incorrectResponse"
    assert challenge["error"]["instance"] == order.header("Location")
    assert all("error" in each for each in other.json["challenges"])


@pytest.mark.anyio
async def test_deactivated_authorization_ends_its_order(world: World) -> None:
    """It is 200 and deactivated, again too; the order cannot be finalized."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.proven("a.example", "b.example")
        url = order.json["authorizations"][0]
        first = await client.post(url, {"status": "deactivated"})
        again = await client.post(url, {"status": "deactivated"})
        other = await client.authorization(order, 2)
        finalized = await client.finalize(order, csr_for(["a.example", "b.example"]))
        after = await client.post(order.header("Location") or "")
    assert [(a.status, a.json["status"]) for a in (first, again, other)] == [(200, "deactivated")] * 3
    assert finalized.problem == (403, "orderNotReady")
    assert after.json["status"] == "invalid"


@pytest.mark.anyio
@pytest.mark.parametrize("retired", [False, True])
async def test_authorization_of_an_issued_certificate_stays(world: World, retired: bool) -> None:  # noqa: FBT001  a row
    """There is nothing left to give up: 403, and the order stays valid, also when its client has the certificate."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        if retired:
            await client.post(order.json["certificate"])
            await client.post(client.kid)
            with anyio.fail_after(20):
                while (await world.whole(session_of(order))).live:
                    await anyio.lowlevel.checkpoint()
        answer = await client.post(order.json["authorizations"][0], {"status": "deactivated"})
        after = await client.post(order.header("Location") or "")
    assert answer.problem == (403, "malformed")
    assert after.json["status"] == "valid"


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [{}, {"status": "valid"}, {"status": 1}])
async def test_nothing_else_can_be_asked_of_an_authorization(world: World, payload: object) -> None:
    """Only a deactivation changes one."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        assert (await client.post(order.json["authorizations"][0], payload)).problem == (400, "malformed")
        assert (await client.authorization(order)).json["status"] == "pending"


async def ready_at(front: Front, client: Client, offset: int) -> tuple[str, str]:
    order = await client.proven("a.example")
    front.world.clock.now += front.domain.limits.issue + offset
    client.nonce = ""
    shown = await client.post(order.header("Location") or "")
    return shown.json["status"], (await client.authorization(order)).json["status"]


@pytest.mark.anyio
@pytest.mark.parametrize(("offset", "statuses"), [(-1, ("ready", "valid")), (0, ("invalid", "expired"))])
async def test_ready_order_expires_at_its_second(world: World, offset: int, statuses: tuple[str, str]) -> None:
    """It is ready to the second before, and invalid from then on."""
    async with opened(world) as front:
        assert await ready_at(front, await front.client(), offset) == statuses
