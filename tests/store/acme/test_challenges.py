"""The challenge resource (RFC 8555 7.5.1): what starts a test, and what does not."""

from __future__ import annotations

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.harness.acme_moves import ES256, Answer, session_of
from tests.store.acme.front import URLS, Client, opened, until
from tests.store.world import World
from tests.unit.acme import signing


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [{}, {"keyAuthorization": "x.y"}, {"resource": "challenge"}])
async def test_ready_is_answered_with_the_outcome(world: World, payload: object) -> None:
    """It is 200 with the posted url and a Link up to the authorization; what the payload holds is ignored."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example", "b.example")
        url = await client.challenge(order, 2)
        answer = await client.post(url, payload)
    assert (answer.status, answer.json["status"], answer.json["url"]) == (200, "valid", url)
    assert f'<{order.json["authorizations"][1]}>;rel="up"' in answer.headers("Link")
    assert answer.header("Retry-After") is None
    assert front.net.asked == [("http-01", "b.example")]


@pytest.mark.anyio
async def test_post_as_get_starts_nothing(world: World) -> None:
    """A client that polls the challenge before it is ready starts no test."""
    async with opened(world) as front:
        client = await front.client()
        url = await client.challenge(await client.order("a.example"))
        moves = len(front.moved)
        seen = [await client.post(url) for _ in range(3)]
    assert [(a.status, a.json["status"]) for a in seen] == [(200, "pending")] * 3
    assert len(front.moved) == moves
    assert front.net.asked == []


@pytest.mark.anyio
async def test_unfinished_test_is_processing_and_is_not_begun_twice(world: World) -> None:
    """After the wait it is `processing` with Retry-After; a second POST gets the same and no second probe."""
    async with opened(world) as front:
        front.configure({"wait": "50ms"})
        front.net.gate = anyio.Event()
        client = await front.client()
        order = await client.order("a.example")
        url = await client.challenge(order)
        first, second, polled = await client.post(url, {}), await client.post(url, {}), await client.post(url)
        authorization = await client.authorization(order)
        front.net.gate.set()
        front.configure()
        end = await client.post(url, {})
    assert [a.json["status"] for a in (first, second, polled)] == ["processing"] * 3
    assert {a.header("Retry-After") for a in (first, second, polled, authorization)} == {"3"}
    assert authorization.json["status"] == "pending"
    assert end.json["status"] == "valid"
    assert front.net.asked == [("http-01", "a.example")]


@pytest.mark.anyio
async def test_wait_costs_no_polling(world: World) -> None:
    """A reply that waits reads nothing, however long that takes: the moves say what they made of the session."""
    async with opened(world) as front:
        front.net.gate = gate = anyio.Event()
        client = await front.client()
        url = await client.challenge(await client.order("a.example"))
        reads = 0
        look = front.desk.reader.look

        async def counted(account: str, session: str) -> object:
            nonlocal reads
            reads += 1
            return await look(account, session)

        front.desk.reader.look = counted  # type: ignore[assignment, method-assign]
        answers: list[Answer] = []

        async def ask() -> None:
            answers.append(await client.post(url, {}))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: front.net.asked)
            gate.set()
    assert answers[0].json["status"] == "valid"
    assert reads == 0


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["connection", "dns", "tls", "incorrectResponse", "unauthorized", "caa"])
async def test_failure_says_what_was_seen(world: World, kind: str) -> None:
    """The error has its own type, a status and `instance`; answered again, nothing begins anew."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        front.fail("a.example", kind)
        url = await client.challenge(order)
        answer, again = await client.post(url, {}), await client.post(url, {})
    assert (answer.status, answer.json["status"]) == (200, "invalid")
    assert answer.json["error"]["type"] == f"urn:ietf:params:acme:error:{kind}"
    assert answer.json["error"]["detail"] == "seen: nothing"
    assert answer.json["error"]["instance"] == order.header("Location")
    assert again.json == answer.json
    assert len(front.net.asked) == 1


@pytest.mark.anyio
async def test_many_ready_messages_at_once_start_one_test(world: World) -> None:
    """Twenty parallel POSTs to one challenge: one probe, and all get the outcome."""
    async with opened(world) as front:
        client = await front.client()
        url = await client.challenge(await client.order("a.example"))
        answers: list[Answer] = []

        async def ask(one: Client) -> None:
            answers.append(await one.post(url, {}))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask, Client(front, client.private, client.kid))
    assert [answer.json["status"] for answer in answers] == ["valid"] * 20
    assert len(front.net.asked) == 1


@pytest.mark.anyio
async def test_challenge_of_a_dead_order_stays_invalid(world: World) -> None:
    """A client that readies another challenge of an order that has failed gets it invalid, with the error."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example", "b.example")
        other = await client.challenge(order, 2)
        front.fail("a.example", "dns")
        await client.post(await client.challenge(order, 1), {})
        answer = await client.post(other, {})
    assert (answer.status, answer.json["status"]) == (200, "invalid")
    assert answer.json["error"]["type"] == "urn:ietf:params:acme:error:dns"
    assert len(front.net.asked) == 1


@pytest.mark.anyio
async def test_key_authorization_is_that_of_the_present_key(world: World) -> None:
    """After a key change open orders expect the new key's thumbprint (RFC 8555 8.1)."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        url = await client.challenge(order)
        new = ec.generate_private_key(ES256)
        inner = {"account": client.kid, "oldKey": signing.jwk(client.private)}
        head = {"alg": "ES256", "jwk": signing.jwk(new), "url": URLS.key_change}
        assert (await client.post(URLS.key_change, signing.flattened(head, inner, new))).status == 200
        client.private = new
        answer = await client.post(url, {})
        account, _ = await front.desk.reader.look(client.id, "")
    assert account is not None
    assert answer.json["status"] == "valid"
    assert front.net.authorizations == [f"{answer.json['token']}.{account.thumbprint}"]


@pytest.mark.anyio
async def test_challenge_that_is_not_there(world: World) -> None:
    """Numbers beyond the last, and any before they are made, are 404."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        await client.authorization(order)
        assert (await client.post(URLS.challenge(session_of(order), 999), {})).problem == (404, "malformed")
