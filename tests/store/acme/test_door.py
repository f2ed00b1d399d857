"""The door: what is checked before a handler is asked, and what stands on every reply."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stages.errors import StoreUnavailable
from stages.session import Problem
from stages.store import account_moves, moves
from supervisor.acme.recent import FRESH
from supervisor.http.message import Response
from tests.harness.acme_moves import ES256, JOSE, session_of
from tests.store.acme.front import BASE, URLS, Client, opened
from tests.store.world import World, sid
from tests.unit.acme import signing

INDEX = f'<{URLS.directory}>;rel="index"'


@pytest.mark.anyio
async def test_directory_by_get_and_by_post_as_get(world: World) -> None:
    """GET and POST-as-GET give the same JSON; only the POST's reply has a nonce, and neither a link to itself."""
    async with opened(world) as front:
        got = await front.ask("GET", URLS.directory)
        client = await front.client()
        posted = await client.post(URLS.directory)
        head = await front.ask("HEAD", URLS.directory)
    assert [got.status, posted.status, head.status] == [200, 200, 200]
    assert got.header("Content-Type") == "application/json"
    assert got.json == posted.json
    assert got.header("Replay-Nonce") is None
    assert posted.header("Replay-Nonce")
    assert got.headers("Link") == []


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
async def test_new_nonce_gives_a_fresh_nonce_that_is_not_kept(world: World, method: str, status: int) -> None:
    """It is 200 for HEAD and 204 for GET, without a body, with a nonce, and Cache-Control: no-store."""
    async with opened(world) as front:
        answer, other = await front.ask(method, URLS.new_nonce), await front.ask(method, URLS.new_nonce)
    assert (answer.status, answer.response.body) == (status, b"")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Replay-Nonce") != other.header("Replay-Nonce")
    assert answer.header("Link") == INDEX


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "x" * 50])
@pytest.mark.parametrize(
    "url",
    [
        URLS.order(sid(1)),
        URLS.authz(sid(1), 1),
        URLS.challenge(sid(1), 1),
        URLS.certificate("ab"),
        URLS.account("a" * 22),
        URLS.new_order,
    ],
)
async def test_plain_methods_are_not_for_resources(world: World, method: str, url: str) -> None:
    """It is 405 and malformed, with the methods that there are (RFC 9110 15.5.6)."""
    async with opened(world) as front:
        answer = await front.ask(method, url)
    assert answer.problem == (405, "malformed")
    assert answer.header("Allow") == "POST"
    assert answer.header("Link") == INDEX


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (JOSE, 200),
        ("Application/JOSE+JSON; charset=utf-8", 200),
        ("application/json", 415),
        ("application/jose", 415),
        ("", 415),
        (None, 415),
    ],
)
async def test_content_type_must_be_jose_json(world: World, content_type: str | None, status: int) -> None:
    """Another type is 415; parameters, which mean nothing here, do no harm."""
    async with opened(world) as front:
        client = await front.client()
        head = {"alg": "ES256", "nonce": client.nonce, "url": client.kid, "kid": client.kid}
        headers = {} if content_type is None else {"content-type": content_type}
        answer = await front.ask("POST", client.kid, signing.body(head, b"", client.private), headers)
    assert answer.status == status
    assert answer.header("Replay-Nonce")
    if status == 415:
        assert answer.problem == (415, "malformed")


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/acme", "/acme/", "/acme/directory/", "/acme/order/abc", "/acme/authz/1"])
async def test_what_is_not_there_is_a_problem_document_too(world: World, path: str) -> None:
    """It is 404 with type, detail and status; a POST's reply has a nonce all the same."""
    async with opened(world) as front:
        got, posted = await front.ask("GET", BASE + path), await front.ask("POST", BASE + path)
    assert got.problem == posted.problem == (404, "malformed")
    assert (got.header("Replay-Nonce"), posted.header("Replay-Nonce") is None) == (None, False)
    assert got.header("Link") == INDEX


@pytest.mark.anyio
async def test_what_the_server_refuses_itself_is_a_problem_document(world: World) -> None:
    """A body over the cap never comes to the door, but its reply looks like all others."""
    async with opened(world) as front:
        response = front.door.refuse(413, "the body is longer than 64 KiB")
    headers = dict(response.headers)
    assert response.status == 413
    assert headers["Content-Type"] == "application/problem+json"
    assert {"Replay-Nonce", "Link"} <= headers.keys()


@pytest.mark.anyio
@pytest.mark.parametrize("url", [URLS.new_order, URLS.new_order + "/", URLS.new_order + "?x=1", "http" + BASE[5:], "x"])
async def test_signed_url_must_be_the_one_asked_for(world: World, url: str) -> None:
    """Another host, path, query or scheme is unauthorized; only the very same passes."""
    async with opened(world) as front:
        client = await front.client()
        head = {"alg": "ES256", "nonce": client.nonce, "url": url, "kid": client.kid}
        answer = await front.ask(
            "POST", URLS.new_order, signing.body(head, {}, client.private), {"content-type": JOSE, "host": "evil"}
        )
    assert answer.problem == ((400, "malformed") if url == URLS.new_order else (403, "unauthorized"))


@pytest.mark.anyio
async def test_urls_come_from_the_settings(world: World) -> None:
    """No URL in any reply knows the Host header."""
    async with opened(world) as front:
        answer = await front.ask("GET", URLS.directory, headers={"host": "evil.example"})
    assert b"evil" not in answer.response.body
    assert URLS.new_order.encode() in answer.response.body


@pytest.mark.anyio
async def test_cors_only_where_it_is_asked_for(world: World) -> None:
    """Off, nothing of it is there; on, the headers that clients need are exposed and a preflight is answered."""
    async with opened(world) as front:
        off = await front.ask("GET", URLS.directory)
        front.configure({"cors": True})
        on, preflight = await front.ask("GET", URLS.directory), await front.ask("OPTIONS", URLS.new_order)
    assert off.headers("Access-Control-Allow-Origin") == []
    assert on.header("Access-Control-Allow-Origin") == "*"
    assert on.header("Access-Control-Expose-Headers") == "Link, Location, Replay-Nonce, Retry-After"
    assert (preflight.status, preflight.header("Access-Control-Allow-Methods")) == (204, "GET, HEAD, POST")


@pytest.mark.anyio
async def test_nonce_is_good_once_and_the_error_brings_a_new_one(world: World) -> None:
    """The second use is badNonce, and the nonce of that very reply works."""
    async with opened(world) as front:
        client = await front.client()
        used = client.nonce
        first = await client.post(client.kid)
        again = await client.post(client.kid, nonce=used)
        after = await client.post(client.kid)
    assert first.status == 200
    assert again.problem == (400, "badNonce")
    assert "JWS has an invalid anti-replay nonce" in again.json["detail"]
    assert after.status == 200


@pytest.mark.anyio
async def test_wrong_signature_does_not_spend_the_nonce(world: World) -> None:
    """A nonce that somebody else saw is no use to him: the signature is checked first."""
    async with opened(world) as front:
        client = await front.client()
        nonce = client.nonce
        thief = Client(front, ec.generate_private_key(ES256), client.kid)
        stolen = await thief.post(client.kid, nonce=nonce)
        own = await client.post(client.kid, nonce=nonce)
    assert stolen.status == 400
    assert own.status == 200


@pytest.mark.anyio
async def test_accounts_that_are_not_here(world: World) -> None:
    """An unknown account and one of another server are accountDoesNotExist, from which clients recover."""
    async with opened(world) as front:
        client = await front.client()
        unknown = await client.post(URLS.new_order, {}, kid=URLS.account("a" * 22))
        foreign = await client.post(URLS.new_order, {}, kid=client.kid.replace("ca.", "other."))
        nested = await client.post(URLS.new_order, {}, kid=client.kid + "/orders")
    assert unknown.problem == foreign.problem == nested.problem == (400, "accountDoesNotExist")


@pytest.mark.anyio
async def test_key_is_named_in_the_way_the_resource_wants(world: World) -> None:
    """A kid on newAccount and a jwk on newOrder are malformed."""
    async with opened(world) as front:
        client = await front.client()
        assert (await client.post(URLS.new_account, {})).problem == (400, "malformed")
        assert (await client.post(URLS.new_order, {}, jwk=True)).problem == (400, "malformed")


@pytest.mark.anyio
async def test_deactivated_account_is_unauthorized_everywhere(world: World) -> None:
    """Every request after the deactivation is 401."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        done = await client.post(client.kid, {"status": "deactivated"})
        urls = [client.kid, URLS.new_order, order.header("Location") or "", URLS.certificate("ab")]
        after = [(await client.post(url)).problem for url in urls]
    assert (done.status, done.json["status"]) == (200, "deactivated")
    assert after == [(401, "unauthorized")] * len(urls)


@pytest.mark.anyio
async def test_old_key_is_dead_at_once_after_a_key_change(world: World) -> None:
    """The cache of parsed keys holds nothing stale."""
    async with opened(world) as front:
        client = await front.client()
        new = ec.generate_private_key(ES256)
        inner = {"account": client.kid, "oldKey": signing.jwk(client.private)}
        head = {"alg": "ES256", "jwk": signing.jwk(new), "url": URLS.key_change}
        changed = await client.post(URLS.key_change, signing.flattened(head, inner, new))
        old = await client.post(client.kid)
        with_new = await Client(front, new, client.kid).post(client.kid)
    assert changed.status == 200
    assert old.status == 400
    assert with_new.status == 200


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [b"[]", b"1", b"{", b"null", b'"x"', b"\xff", b'{"a":1,"a":2}'])
async def test_payload_must_be_an_object_or_nothing(world: World, payload: bytes) -> None:
    """Anything else is malformed (RFC 8555 6.3)."""
    async with opened(world) as front:
        client = await front.client()
        assert (await client.post(URLS.new_order, payload)).problem == (400, "malformed")


@pytest.mark.anyio
async def test_foreign_and_missing_ids_have_one_answer(world: World) -> None:
    """Nothing tells another account's order from none, by the status, the type or the words."""
    async with opened(world) as front:
        owner, other = await front.client(), await front.client()
        order = await owner.issued("a.example")
        session, serial = session_of(order), order.json["certificate"].rsplit("/", 1)[1]
        foreign = [
            URLS.order(session),
            URLS.finalize(session),
            URLS.authz(session, 1),
            URLS.challenge(session, 1),
            URLS.certificate(serial),
        ]
        answers = []
        for url in foreign:
            missing = url.replace(session, sid(9)).replace(serial, "77" * 16)
            answers += [await other.post(url), await other.post(missing)]
    bodies = {answer.response.body for answer in answers}
    assert len(bodies) == 1
    assert answers[0].problem == (404, "malformed")


@pytest.mark.anyio
async def test_store_that_is_away_is_told_with_retry_after(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 503 with whole seconds, for reads and for writes; a nonce comes too."""

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("store: away")

    async with opened(world) as front:
        client = await front.client()
        monkeypatch.setattr(front, "_move", away)
        object.__setattr__(front.desk, "mover", away)
        written = await client.order("a.example")
        monkeypatch.setattr(world.store, "script", away)
        read = await client.post(client.kid)
        monkeypatch.undo()
    for answer in (written, read):
        assert answer.problem == (503, "serverInternal")
        assert answer.header("Retry-After") == "3"
        assert answer.header("Replay-Nonce")


@pytest.mark.anyio
async def test_unforeseen_fault_is_logged_and_not_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 500 serverInternal; the words of the exception stay inside."""

    async def broken(*_: object) -> Response:
        raise RuntimeError("secret words")

    async with opened(world) as front:
        client = await front.client()
        monkeypatch.setattr(front.desk.reader, "look", broken)
        answer = await client.post(client.kid)
    assert answer.problem == (500, "serverInternal")
    assert b"secret" not in answer.response.body
    assert answer.header("Replay-Nonce")


@pytest.mark.anyio
@pytest.mark.parametrize(("what", "reads"), [("order", [0, 1]), ("certificate", [0, 1]), ("account", [1, 2])])
async def test_request_costs_one_read(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, reads: list[int]
) -> None:
    """The account and what the path names come in one round trip, and in none a moment after they were made or read.

    The account object always shows what is on record.
    """
    async with opened(world) as front:
        client = await front.client()
        order = await client.issued("a.example")
        urls = {"order": order.header("Location"), "certificate": order.json["certificate"], "account": client.kid}
        calls: list[str] = []
        script = world.store.script

        async def counted(name: str, *args: Any) -> Any:
            calls.append(name)
            return await script(name, *args)

        monkeypatch.setattr(world.store, "script", counted)
        counts = []
        for passed in (0, FRESH + 1):
            world.clock.now += passed
            calls.clear()
            assert (await client.post(urls[what] or "")).status == 200
            counts.append(calls.count("batch.lua"))
        monkeypatch.undo()
    assert counts == reads


@pytest.mark.anyio
async def test_problem_of_an_order_names_its_session(world: World) -> None:
    """Issue item 9: `instance` is a URL with the id that `ca-supervisor show` takes."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        answer = await client.post(order.json["finalize"], {"csr": "AAAA"})
    assert answer.json["instance"] == order.header("Location")


@pytest.mark.anyio
async def test_order_that_was_shown_as_cancelled_stays_so(world: World) -> None:
    """The operator cancels it; a client that was told so is not told within the second that it is pending."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        url = order.header("Location") or ""
        authz = await client.post(order.json["authorizations"][0])
        assert await world.store.move(moves.cancel(session_of(order), Problem("unauthorized", "no"), 60)) == ["ok"]
        told = await client.post(authz.json["challenges"][0]["url"], {})
        polled = await client.post(url)
    assert [told.json["status"], polled.json["status"]] == ["invalid", "invalid"]


@pytest.mark.anyio
async def test_account_that_was_refused_stays_so(world: World) -> None:
    """The operator ends it; a client that cannot order any more cannot read its order within the second either."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        ended = account_moves.deactivate(client.kid.rsplit("/", 1)[1], Problem("unauthorized", "no"), 60, 0)
        assert await world.store.move(ended) == ["ok"]
        refused = await client.order("b.example")
        polled = await client.post(order.header("Location") or "")
    assert [refused.problem, polled.problem] == [(401, "unauthorized")] * 2
