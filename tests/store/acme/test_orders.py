"""newOrder and the order resource (RFC 8555 7.4, RFC 8738, RFC 9773 5, the profiles draft)."""

from __future__ import annotations

from typing import Any

import pytest

from stages.store.reading import read_whole
from supervisor.acme.certificate_id import certificate_id
from supervisor.acme.recent import FRESH
from tests.harness.acme_moves import Answer, session_of
from tests.store.acme.front import URLS, Front, opened
from tests.store.world import NOW, World


def dns(*names: str) -> list[dict[str, str]]:
    return [{"type": "dns", "value": name} for name in names]


def named(front: Front, order: Answer) -> str:
    """The certificate id (RFC 9773 4.1) of a finished order's certificate."""
    authority = front.issuer.authority_key_identifier.key_identifier
    assert authority is not None
    return certificate_id(authority, int(order.json["certificate"].rsplit("/", 1)[1], 16))


@pytest.mark.anyio
async def test_new_order_is_whole_at_once(world: World) -> None:
    """It is 201 with Location and every member that has a value, before any stage has run; no nulls."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        order = await client.order("a.example", "b.example")
        again = await client.post(order.header("Location") or "")
        url, session = order.header("Location") or "", session_of(order)
    assert order.status == 201
    assert order.header("Content-Type") == "application/json"
    assert order.json == {
        "status": "pending",
        "expires": "2027-01-22T08:00:00Z",
        "identifiers": dns("a.example", "b.example"),
        "authorizations": [URLS.authz(session, 1), URLS.authz(session, 2)],
        "finalize": URLS.finalize(session),
        "profile": "default",
    }
    assert (again.status, again.json, again.header("Location")) == (200, order.json, url)


@pytest.mark.anyio
async def test_identifiers_come_back_as_they_were_sent(world: World) -> None:
    """Duplicates go, the spelling stays, and the certificate has lower case."""
    async with opened(world) as front:
        client = await front.client()
        sent = [*dns("A.Example", "b.example", "a.example"), {"type": "ip", "value": "2001:db8::1"}]
        order = await client.post(URLS.new_order, {"identifiers": sent})
        authorization = await client.authorization(order)
        kept = await read_whole(world.store, session_of(order))
    assert order.json["identifiers"] == [*dns("A.Example", "b.example"), {"type": "ip", "value": "2001:db8::1"}]
    assert authorization.json["identifier"] == {"type": "dns", "value": "A.Example"}
    assert kept is not None
    assert kept.names == ("a.example", "b.example", "2001:db8::1")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("identifiers", "kind"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ({}, "malformed"),
        (["a.example"], "malformed"),
        ([{"value": "a.example"}], "malformed"),
        ([{"type": "dns"}], "malformed"),
        ([{"type": "dns", "value": ""}], "malformed"),
        ([{"type": "dns", "value": 1}], "malformed"),
        (dns("a..example"), "malformed"),
        (dns("a.*.example"), "malformed"),
        (dns("*"), "malformed"),
        (dns("bücher.example"), "malformed"),
        (dns("10.0.0.1"), "malformed"),
        ([{"type": "ip", "value": "a.example"}], "malformed"),
        ([{"type": "ip", "value": "2001:DB8::1"}], "malformed"),
        ([{"type": "ip", "value": "10.0.0.01"}], "malformed"),
        ([{"type": "ip", "value": "::ffff:10.0.0.1"}], "unsupportedIdentifier"),
        ([{"type": "ip", "value": "224.0.0.1"}], "rejectedIdentifier"),
        ([{"type": "email", "value": "a@a.example"}], "unsupportedIdentifier"),
        (dns("a@a.example"), "unsupportedIdentifier"),
        (dns("bad.example"), "rejectedIdentifier"),
        (dns("a.example", "bad.example", "x.bad.example"), "rejectedIdentifier"),
        ([*dns("a..b"), {"type": "email", "value": "a@a.example"}], "compound"),
        (dns(*(f"{n}.example" for n in range(4))), "malformed"),
        (dns(*["a.example"] * 7), "malformed"),
    ],
)
async def test_identifiers_that_cannot_be_certified(world: World, identifiers: Any, kind: str) -> None:
    """Each has its error type, and nothing is made of it."""
    async with opened(world, pipeline=False) as front:
        front.configure(names={"deny_domains": ["bad.example"], "max_names": 3})
        client = await front.client()
        answer = await client.post(URLS.new_order, {"identifiers": identifiers} if identifiers is not None else {})
    assert answer.problem == (400, kind)
    assert await world.redis.llen(world.keys.active) == 0


@pytest.mark.anyio
async def test_every_refused_name_has_a_subproblem(world: World) -> None:
    """A client can leave out just the names that are refused (RFC 8555 6.7.1)."""
    async with opened(world, pipeline=False) as front:
        front.configure(names={"deny_domains": ["bad.example"]})
        client = await front.client()
        answer = await client.order("Bad.example", "good.example", "x.bad.example")
    assert [problem["identifier"] for problem in answer.json["subproblems"]] == dns("Bad.example", "x.bad.example")


@pytest.mark.anyio
async def test_wildcard_without_a_dns_challenge_is_refused_at_once(world: World) -> None:
    """What no challenge type on offer can prove is not made an order of first."""
    async with opened(world, pipeline=False) as front:
        front.configure(challenges={"types": ["http-01"]})
        client = await front.client()
        answer = await client.order("*.a.example")
    assert answer.problem == (400, "rejectedIdentifier")


@pytest.mark.anyio
@pytest.mark.parametrize("member", ["notBefore", "notAfter"])
async def test_validity_that_is_not_honoured_is_refused(world: World, member: str) -> None:
    """The error names the member; it is not ignored (RFC 8555 7.4)."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        answer = await client.order("a.example", **{member: "2027-01-01T00:00:00Z"})
    assert answer.problem == (400, "malformed")
    assert member in answer.json["detail"]


@pytest.mark.anyio
async def test_profiles_are_chosen_and_shown(world: World) -> None:
    """The profiles draft: asked for, shown in the order; unknown, invalidProfile; not a text, malformed."""
    async with opened(world) as front:
        front.configure(profiles={"short": {"validity": "1d"}})
        client = await front.client()
        chosen = await client.issued("a.example", profile="short")
        assert (await client.order("a.example", profile="long")).problem == (400, "invalidProfile")
        assert (await client.order("a.example", profile=7)).problem == (400, "malformed")
        assert (await client.order("a.example", profile="")).problem == (400, "malformed")
        record = await front.desk.reader.certificate(chosen.json["certificate"].rsplit("/", 1)[1])
    assert chosen.json["profile"] == "short"
    assert record is not None
    assert record.not_after < NOW + 86_400


@pytest.mark.anyio
async def test_new_order_needs_an_object(world: World) -> None:
    """POST-as-GET on newOrder is malformed, and so is a payload on an order."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        order = await client.order("a.example")
        assert (await client.post(URLS.new_order)).problem == (400, "malformed")
        assert (await client.post(order.header("Location") or "", {})).problem == (400, "malformed")


@pytest.mark.anyio
async def test_limit_of_orders_counts_what_was_made_only(world: World) -> None:
    """It is 429 rateLimited with whole seconds; refused orders spend nothing (RFC 8555 6.6)."""
    async with opened(world, pipeline=False) as front:
        front.configure({"limits": {"new_orders": {"count": 2, "per": "1h"}}}, names={"deny_domains": ["bad.example"]})
        client, other = await front.client(), await front.client()
        for _ in range(5):
            assert (await client.order("bad.example")).problem == (400, "rejectedIdentifier")
        made = [(await client.order("a.example")).status for _ in range(2)]
        limited = await client.order("a.example")
        elsewhere = await other.order("a.example")
        world.clock.now += int(limited.header("Retry-After") or "")
        later = await client.order("a.example")
    assert made == [201, 201]
    assert limited.problem == (429, "rateLimited")
    assert (elsewhere.status, later.status) == (201, 201)


@pytest.mark.anyio
async def test_limit_of_open_orders(world: World) -> None:
    """One order too many without a certificate is rateLimited with Retry-After (RFC 8555 6.6); giving one up helps."""
    async with opened(world) as front:
        front.configure({"limits": {"open_orders": 2}})
        client, other = await front.client(), await front.client()
        await client.issued("a.example")
        kept = [await client.proven("a.example") for _ in range(2)]
        limited = await client.order("a.example")
        elsewhere = await other.order("a.example")
        await client.post(kept[0].json["authorizations"][0], {"status": "deactivated"})
        later = await client.order("a.example")
    assert limited.problem == (429, "rateLimited")
    assert limited.header("Retry-After") == "60"
    assert (elsewhere.status, later.status) == (201, 201)


@pytest.mark.anyio
async def test_replacement_is_taken_once(world: World) -> None:
    """Its own, unused, with a name in common: it is in the order, and the old certificate counts as delivered."""
    async with opened(world) as front:
        client, other = await front.client(), await front.client()
        old = await client.issued("a.example", "b.example")
        wanted = named(front, old)
        foreign = await other.order("a.example", replaces=wanted)
        unlike = await client.order("c.example", replaces=wanted)
        renewal = await client.order("a.example", replaces=wanted)
        again = await client.order("b.example", replaces=wanted)
        await front.settled()
        record = await front.desk.reader.certificate(old.json["certificate"].rsplit("/", 1)[1])
    assert foreign.problem == (400, "malformed")
    assert unlike.problem == (400, "malformed")
    assert (renewal.status, renewal.json["replaces"]) == (201, wanted)
    assert again.problem == (409, "alreadyReplaced")
    assert record is not None
    assert record.delivery == "confirmed"


@pytest.mark.anyio
@pytest.mark.parametrize("replaces", ["", "x", "a.b.c", "AAAA.", "AAAA.AA", "AAAA.gA", "AAAA.AAE", "AAAA.AQ=", 7])
async def test_replacement_of_what_is_none(world: World, replaces: Any) -> None:
    """A text that is no certificate id, and one of no certificate here, is malformed."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        assert (await client.order("a.example", replaces=replaces)).problem == (400, "malformed")


@pytest.mark.anyio
async def test_rejected_order_is_invalid_with_its_error(world: World) -> None:
    """The error is in the order, with `instance`; and it stays invalid."""
    async with opened(world) as front:
        client = await front.client()
        order = await client.order("a.example")
        front.fail("a.example", "connection")
        await client.post(await client.challenge(order), {})
        failed = await client.post(order.header("Location") or "")
        finalized = await client.finalize(order, b"0")
    assert failed.json["status"] == "invalid"
    assert failed.json["error"] == {
        "type": "urn:ietf:params:acme:error:connection",
        "detail": "a.example: seen: nothing",
        "status": 400,
        "instance": order.header("Location"),
    }
    assert finalized.problem == (403, "orderNotReady")


@pytest.mark.anyio
@pytest.mark.parametrize(("offset", "status"), [(-1, "pending"), (0, "invalid")])
async def test_order_expires_at_its_second(world: World, offset: int, status: str) -> None:
    """It is invalid from the second on that `expires` says, though no stage has ended it yet."""
    async with opened(world, pipeline=False) as front:
        client = await front.client()
        order = await client.order("a.example")
        world.clock.now += front.domain.makechallenge.expires + offset
        client.nonce = ""  # as old as the order
        answer = await client.post(order.header("Location") or "")
    assert answer.json["status"] == status
    assert ("error" in answer.json) == (status == "invalid")


@pytest.mark.anyio
async def test_largest_order_is_made_and_read_whole(world: World) -> None:
    """As many names as `names.max_names` can allow, every type of challenge: in one move, read and worked on as any."""
    names = [f"n{number}.example" for number in range(1000)]
    async with opened(world) as front:
        types = ["http-01", "dns-01", "tls-alpn-01", "dns-account-01"]
        front.configure(names={"max_names": len(names)}, challenges={"types": types})
        client = await front.client()
        order = await client.order(*names)
        world.clock.now += FRESH + 1
        authz = await client.authorization(order, len(names))
        told = await client.post(authz.json["challenges"][0]["url"], {})
        polled = await client.post(order.header("Location") or "")
    assert (order.status, len(order.json["authorizations"])) == (201, len(names))
    assert sorted(challenge["type"] for challenge in authz.json["challenges"]) == sorted(types)
    assert authz.json["challenges"][-1]["url"] == URLS.challenge(session_of(order), 4 * len(names))
    assert (told.json["status"], polled.json["status"]) == ("valid", "pending")
