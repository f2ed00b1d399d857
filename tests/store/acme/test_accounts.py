from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stages.account import AccountStatus
from stages.errors import Refused
from stages.session import State
from stages.store import account_moves
from stages.store.accounts import read_account
from supervisor.acme.accounts import CANCELLED, account, new_account
from supervisor.acme.problems import AcmeProblem
from supervisor.http.message import Response
from tests.store.acme.client import (
    TERMS,
    URLS,
    Client,
    Office,
    all_at_once,
    decoded,
    header,
    headers,
    key,
    opened,
    refused,
)
from tests.store.world import NOW, World, sid
from tests.unit.acme import signing

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(world: World) -> AsyncIterator[Office]:
    async with opened(world) as made:
        yield made


async def order(office: Office, client: Client, number: int = 1) -> str:
    """An order of a client, by the store's move."""
    answer = await office.desk.move(account_moves.order(sid(number), ["a.example"], {}, NOW, client.id))
    assert answer == ["ok"]
    return sid(number)


async def test_new_account_is_created(office: Office) -> None:
    """A new key gets 201, a Location, and an account object with `orders` and `key` (RFC 8555 7.1.2, 7.3)."""
    client = office.client()
    response = await client.register(contact=["mailto:a@example.org", "mailto:b@example.org"])
    assert response.status == 201
    assert header(response, "Location").startswith("https://ca.example/acme/account/")
    assert decoded(response) == {
        "status": "valid",
        "contact": ["mailto:a@example.org", "mailto:b@example.org"],
        "orders": f"{client.kid}/orders",
        "key": signing.jwk(client.private),
    }


async def test_new_account_same_key_is_found(office: Office) -> None:
    """The same key gets 200, the same Location and the same object, whatever else it sends (RFC 8555 7.3)."""
    client = office.client()
    first = await client.register(contact=["mailto:a@example.org"])
    before = await office.world.state()
    for members in (
        {"contact": ["mailto:b@example.org"]},
        {"contact": ["tel:+1555"], "externalAccountBinding": 7},
        {"onlyReturnExisting": True},
        {},
    ):
        again = await client.register(**members)
        assert (again.status, header(again, "Location")) == (200, header(first, "Location"))
        assert decoded(again) == decoded(first)
    assert await office.world.state() == before


async def test_new_account_race_makes_one(office: Office) -> None:
    """Of many requests at once with one key one makes the account, the others find it (RFC 8555 7.3)."""
    private = key()
    ends = await all_at_once(*(office.client(private).register() for _ in range(20)))
    responses = [end for end in ends if isinstance(end, Response)]
    assert sorted(response.status for response in responses) == [200] * 19 + [201]
    assert len({header(response, "Location") for response in responses}) == 1
    assert len({response.body for response in responses}) == 1


async def test_only_return_existing_unknown(office: Office) -> None:
    """With onlyReturnExisting no account is made: 400 accountDoesNotExist for a key that has none (RFC 8555 7.3.1)."""
    before = await office.world.state()
    problem = await refused(office.client().register(onlyReturnExisting=True))
    assert (problem.kind, problem.status) == ("accountDoesNotExist", 400)
    assert await office.world.state() == before


async def test_new_account_ignores_what_it_does_not_know(office: Office) -> None:
    """`status`, `orders`, `key`, `resource` and unknown members change nothing (RFC 8555 7.3)."""
    client = office.client()
    response = await client.register(
        status="deactivated", orders="https://evil.example", key={}, resource="new-reg", unknown=[1]
    )
    assert (response.status, decoded(response)) == (
        201,
        {"status": "valid", "contact": [], "orders": f"{client.kid}/orders", "key": signing.jwk(client.private)},
    )


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"contact": "mailto:a@example.org"}, "malformed"),
        ({"contact": None}, "malformed"),
        ({"contact": [1]}, "malformed"),
        ({"contact": ["tel:+15551234567"]}, "unsupportedContact"),
        ({"contact": ["mailto:a@example.org,b@example.org"]}, "invalidContact"),
        ({"contact": ["mailto:a@example.org?subject=hello"]}, "invalidContact"),
        ({"contact": ["a@example.org"]}, "invalidContact"),
    ],
)
async def test_contact_refused(office: Office, members: dict[str, Any], kind: str) -> None:
    """A contact of another scheme is unsupportedContact, a bad mailto invalidContact (RFC 8555 7.3)."""
    before = await office.world.state()
    with pytest.raises(Refused) as raised:
        await office.client().register(**members)
    assert (raised.value.kind, raised.value.field[:7]) == (kind, "contact")
    assert await office.world.state() == before


@pytest.mark.parametrize("member", ["onlyReturnExisting", "termsOfServiceAgreed"])
async def test_new_account_flag_not_boolean(office: Office, member: str) -> None:
    """A flag that is neither true nor false is malformed, not taken for one of them."""
    problem = await refused(office.client().register(**{member: "true"}))
    assert (problem.kind, problem.detail) == ("malformed", f"{member}: it is neither true nor false")


async def test_new_account_post_as_get(office: Office) -> None:
    """An empty payload makes no account: malformed."""
    client = office.client()
    problem = await refused(client.post(new_account, URLS.new_account, b"", jwk=True))
    assert problem.kind == "malformed"


@pytest.mark.parametrize("members", [{}, {"termsOfServiceAgreed": False}])
async def test_terms_not_agreed(office: Office, members: dict[str, Any]) -> None:
    """Where there are terms: 403 userActionRequired with their URL in a Link header (RFC 8555 7.3.3)."""
    office.configure({"terms_url": TERMS})
    before = await office.world.state()
    problem = await refused(office.client().register(**members))
    assert (problem.kind, problem.status) == ("userActionRequired", 403)
    assert problem.headers == (("Link", f'<{TERMS}>;rel="terms-of-service"'),)
    assert problem.members == {"instance": TERMS}
    assert await office.world.state() == before


async def test_terms_agreed(office: Office) -> None:
    """Agreement is kept with its time and shown; new terms do not stop accounts that agreed to the old ones."""
    office.configure({"terms_url": TERMS})
    client = office.client()
    response = await client.register(termsOfServiceAgreed=True)
    assert (response.status, decoded(response)["termsOfServiceAgreed"]) == (201, True)
    assert headers(response, "Link") == [f'<{TERMS}>;rel="terms-of-service"']
    made = await read_account(office.world.store, client.id)
    assert made is not None
    assert made.terms == NOW
    office.configure({"terms_url": "https://ca.example/terms-2"})
    assert (await client.post(account, client.kid, b"")).status == 200


async def test_new_accounts_limited_by_address(office: Office) -> None:
    """The limit counts accounts made by one address; what exists or is refused costs nothing (RFC 8555 6.6)."""
    office.configure({"limits": {"new_accounts": {"count": 2, "per": "1h"}}})
    first = office.client()
    await first.register()
    await first.register()
    with pytest.raises(Refused):
        await office.client().register(contact=["tel:+1"])
    await office.client().register()
    problem = await refused(office.client().register())
    assert (problem.kind, problem.status, problem.headers) == ("rateLimited", 429, (("Retry-After", "1800"),))
    assert (await office.client(peer="192.0.2.2").register()).status == 201
    office.world.clock.now += 1800
    assert (await office.client().register()).status == 201


async def test_new_accounts_behind_a_proxy(office: Office) -> None:
    """Each client of a trusted proxy is counted for itself; who is no proxy cannot say whom it is."""
    limits = {"new_accounts": {"count": 1, "per": "1h"}}
    office.configure({"limits": limits, "trusted_proxies": ["127.0.0.1"]})

    async def end(peer: str, forwarded: str) -> object:
        client = office.client(peer=peer)
        client.forwarded = forwarded
        try:
            return (await client.register()).status
        except AcmeProblem as problem:
            return problem.kind

    assert await end("127.0.0.1", "192.0.2.8") == 201
    assert await end("127.0.0.1", "192.0.2.9") == 201
    assert await end("127.0.0.1", "192.0.2.10, 192.0.2.9") == "rateLimited"
    assert await end("192.0.2.11", "192.0.2.12") == 201
    assert await end("192.0.2.11", "192.0.2.13") == "rateLimited"


async def test_new_account_key_blocked(office: Office) -> None:
    """A key that was revoked as compromised gets no account: badPublicKey."""
    client = office.client()
    digest = signing_digest(client)
    await office.world.redis.hset(office.world.keys.blocked, digest, str(NOW))
    problem = await refused(client.register())
    assert problem.kind == "badPublicKey"


def signing_digest(client: Client) -> str:
    """The SHA-256 of a client's SubjectPublicKeyInfo."""
    spki = client.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


async def test_account_is_shown(office: Office) -> None:
    """POST-as-GET and an empty object show the account and change nothing (RFC 8555 7.3.2)."""
    client = office.client()
    made = await client.register(contact=["mailto:a@example.org"])
    before = await office.world.state()
    payloads: tuple[object, ...] = (b"", {})
    for payload in payloads:
        response = await client.post(account, client.kid, payload)
        assert (response.status, response.body) == (200, made.body)
    assert await office.world.state() == before


async def test_account_update(office: Office) -> None:
    """New contacts replace the old ones, an empty list removes them, and the next reading shows it (RFC 8555 7.3.2)."""
    client = office.client()
    await client.register(contact=["mailto:a@example.org"])
    for contact in (["mailto:b@example.org"], []):
        response = await client.post(account, client.kid, {"contact": contact})
        assert (response.status, decoded(response)["contact"]) == (200, contact)
        assert decoded(await client.post(account, client.kid, b""))["contact"] == contact
        assert decoded(await client.register())["contact"] == contact


async def test_account_update_ignores_the_rest(office: Office) -> None:
    """Updates of orders, key, termsOfServiceAgreed, unknown members and other statuses are ignored (RFC 8555 7.3.2)."""
    client = office.client()
    made = await client.register()
    before = await office.world.state()
    for members in (
        {"orders": "https://evil.example", "termsOfServiceAgreed": True, "key": {}, "unknown": 1},
        {"status": "valid"},
        {"status": "revoked"},
        {"status": 1},
    ):
        response = await client.post(account, client.kid, members)
        assert (response.status, response.body) == (200, made.body)
    assert await office.world.state() == before


async def test_account_update_refused_changes_nothing(office: Office) -> None:
    """One bad contact refuses the whole update."""
    client = office.client()
    await client.register(contact=["mailto:a@example.org"])
    before = await office.world.state()
    with pytest.raises(Refused) as raised:
        await client.post(account, client.kid, {"contact": ["mailto:b@example.org", "tel:+1"]})
    assert (raised.value.kind, raised.value.field) == ("unsupportedContact", "contact[1]")
    assert await office.world.state() == before


async def test_account_of_another(office: Office) -> None:
    """Another account's URL and one that nobody has get the same answer, and nothing is changed."""
    one, other = office.client(), office.client()
    await one.register()
    await other.register()
    before = await office.world.state()
    urls = (other.kid, URLS.account("A" * 22))
    problems = [await refused(one.post(account, url, {"status": "deactivated"})) for url in urls]
    assert {(problem.kind, problem.status, problem.detail) for problem in problems} == {
        ("unauthorized", 403, "kid: this is not the URL of the account that signs the request")
    }
    assert await office.world.state() == before


async def test_account_deactivated(office: Office) -> None:
    """Deactivation answers 200 and cancels the account's open orders; its certificates stay (RFC 8555 7.3.6)."""
    client = office.client()
    await client.register()
    open_order = await order(office, client)
    certificate = {"serial": "0a", "account": client.id, "session": sid(9)}
    await office.world.redis.hset(office.world.keys.certificate("0a"), mapping=certificate)
    response = await client.post(account, client.kid, {"status": "deactivated", "contact": ["mailto:a@example.org"]})
    assert (response.status, decoded(response)["status"], decoded(response)["contact"]) == (200, "deactivated", [])
    session = await office.world.whole(open_order)
    assert session.error is not None
    assert (session.live, session.state, session.error.detail) == (
        False,
        State.MAKECHALLENGE,
        "the client deactivated the account of this order",
    )
    kept = await office.world.redis.hgetall(office.world.keys.certificate("0a"))
    assert {field.decode(): value.decode() for field, value in kept.items()} == certificate


@pytest.mark.parametrize("status", [AccountStatus.DEACTIVATED, AccountStatus.REVOKED])
async def test_new_account_with_a_dead_account_s_key(office: Office, status: AccountStatus) -> None:
    """The key of an account that has ended makes and finds none: 401 unauthorized (RFC 8555 7.3.6)."""
    client = office.client()
    await client.register()
    ended = account_moves.deactivate(client.id, CANCELLED, 60, NOW, status)
    assert await office.desk.move(ended) == ["ok"]
    ways: tuple[dict[str, Any], ...] = ({}, {"onlyReturnExisting": True})
    for members in ways:
        problem = await refused(client.register(**members))
        assert (problem.kind, problem.status) == ("unauthorized", 401)


async def test_account_deactivated_while_a_request_was_on_its_way(office: Office) -> None:
    """A change that comes after the account's end is 401 unauthorized, and changes nothing (RFC 8555 7.3.6)."""
    client = office.client()
    await client.register(contact=["mailto:a@example.org"])
    ends = await all_at_once(
        client.post(account, client.kid, {"status": "deactivated"}),
        client.post(account, client.kid, {"contact": ["mailto:b@example.org"]}),
    )
    assert sorted(end.status for end in ends) == [200, 401]
    found = await read_account(office.world.store, client.id)
    assert found is not None
    assert (found.status, found.contact) == (AccountStatus.DEACTIVATED, ("mailto:a@example.org",))
