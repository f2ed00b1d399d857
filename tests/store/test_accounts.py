"""Reading accounts, their orders and proofs, and credentials: what is there, and nothing that is not asked for."""

from __future__ import annotations

import pytest

from stages.external import Credential, make_credential
from stages.outcome import Advance, Writes
from stages.session import Challenge, ChallengeData, ChallengeType, Problem, State
from stages.store import moves
from stages.store.account_records import account_fields
from stages.store.accounts import (
    Orders,
    blocked_keys,
    create_credential,
    find_account,
    list_accounts,
    list_credentials,
    orders_of,
    proofs_of,
    read_account,
    read_credential,
    withdraw_credential,
)
from stages.store.records import Garbled
from tests.store.world import KEEP, NOW, World, aid, proof, sid, thumb

pytestmark = pytest.mark.anyio

DAY = 86_400
NO_ID = ["", "x", f"{aid(1)}:orders", f"{aid(1)}=", "*" * 22]


async def test_accounts_are_found_by_key_and_id(world: World) -> None:
    """Each by its own, and nothing by what is no id."""
    for number in (1, 2):
        await world.account(number)
    found = {account.id async for account in list_accounts(world.store) if not isinstance(account, Garbled)}
    assert {aid(1), aid(2)} == found
    assert [await find_account(world.store, thumb(number)) for number in (1, 2, 3)] == [aid(1), aid(2), None]
    account = await read_account(world.store, aid(2))
    assert account is not None
    assert (account.id, account.jwk) == (aid(2), '{"n":2}')
    for text in NO_ID:
        assert (await read_account(world.store, text), await find_account(world.store, text)) == (None, None)


async def test_accounts_that_cannot_be_read(world: World) -> None:
    """They are listed as garbled, beside the good ones, and never with their values."""
    for number in range(1, 5):
        await world.account(number)
    await world.redis.hset(f"account:{aid(1)}", "terms", "soon")
    await world.redis.hset(f"account:{aid(2)}", "jwk", b"\xff")
    await world.redis.set(f"account:{aid(3)}", "text")
    await world.order(1, aid(4))
    listed = [account async for account in list_accounts(world.store)]
    assert [account.id for account in listed if not isinstance(account, Garbled)] == [aid(4)]
    assert {
        account.session: (account.field, str(account)[:8]) for account in listed if isinstance(account, Garbled)
    } == {
        aid(1): ("record", "account "),
        aid(2): ("record", "account "),
        aid(3): ("key", "account "),
    }


async def test_accounts_behind_a_prefix(tagged: World) -> None:
    """The prefix {ca}: is no pattern."""
    await tagged.account()
    assert [account.id async for account in list_accounts(tagged.store) if not isinstance(account, Garbled)] == [aid(1)]


async def all_pages(world: World, count: int) -> list[tuple[str, ...]]:
    """Every page of account 1."""
    pages, cursor = [], ""
    while True:
        page = await orders_of(world.store, aid(1), cursor, count)
        pages.append(page.sessions)
        if not (cursor := page.cursor):
            return pages


async def test_orders_come_in_pages_the_newest_first(world: World) -> None:
    """Orders of the same second too, each once, and the last page has no cursor."""
    await world.account(1), await world.account(2)
    for number in range(1, 8):
        world.clock.now += number % 2
        await world.order(number)
    await world.order(20, aid(2))
    expected = [tuple(await world.redis.zrevrange(world.keys.orders(aid(1)), 0, -1))]
    whole = [session.decode() for session in expected[0]]
    assert [tuple(whole)] == await all_pages(world, 7)
    assert [tuple(whole[:3]), tuple(whole[3:6]), tuple(whole[6:])] == await all_pages(world, 3)
    assert [(session,) for session in whole] == await all_pages(world, 1)


async def test_orders_that_are_invalid_or_gone_are_not_listed(world: World) -> None:
    """RFC 8555 7.1.2.1: invalid ones are left out; retired ones stay."""
    await world.account()
    retired, rejected, gone, pending, garbled = [await world.order(number) for number in range(1, 6)]
    for session in (rejected, gone, pending, garbled):
        await world.redis.lrem(world.keys.pending[0], 0, session)
    await world.finish(retired, 1)
    await world.client(moves.cancel(rejected, Problem("unauthorized", "no"), KEEP))
    await world.redis.delete(gone, garbled)
    await world.redis.set(garbled, "text")
    assert {retired, pending} == set((await orders_of(world.store, aid(1))).sessions)


async def test_orders_do_not_shift_between_pages(world: World) -> None:
    """What is new or gone meanwhile repeats nothing and hides nothing."""
    await world.account()
    for number in range(1, 5):
        world.clock.now += 1
        await world.order(number)
    first = await orders_of(world.store, aid(1), "", 2)
    assert first.sessions == (sid(4), sid(3))
    world.clock.now += 1
    await world.order(5)
    await world.redis.delete(sid(3))
    await world.redis.zrem(world.keys.orders(aid(1)), sid(3))
    assert await orders_of(world.store, aid(1), first.cursor, 2) == Orders((sid(2), sid(1)), "")


async def test_orders_past_many_that_are_gone(world: World) -> None:
    """A page is filled from behind them."""
    await world.account()
    await world.order(1)
    await world.redis.zadd(world.keys.orders(aid(1)), {sid(number): NOW + 1 for number in range(100, 300)})
    assert await orders_of(world.store, aid(1), "", 5) == Orders((sid(1),), "")


@pytest.mark.parametrize("cursor", ["x", "-", f"1-{aid(1)}", f"-1-{sid(1)}", f"{'9' * 13}-{sid(1)}", f"1-{sid(1)}\n"])
async def test_orders_with_a_cursor_that_cannot_be(world: World, cursor: str) -> None:
    """A client's text is no way into the store."""
    await world.account()
    await world.order()
    assert await orders_of(world.store, aid(1), cursor) == Orders((), "")


@pytest.mark.parametrize("text", NO_ID)
async def test_orders_of_nobody(world: World, text: str) -> None:
    """What is no account has no orders."""
    assert await orders_of(world.store, text) == Orders((), "")
    assert await proofs_of(world.store, text, ["a.example"], NOW, DAY) is False


def proven(n: int, name: str, kind: ChallengeType, at: int) -> Challenge:
    """A challenge that was satisfied."""
    return Challenge(n, at, kind, name, True, False, ChallengeData("token", attempts=(proof(at),)))  # noqa: FBT003


async def prove(world: World, number: int, *names: str, at: int = NOW) -> str:
    """An order of account 1 that has proven these names, in state issue and waiting there."""
    session = await world.order(number, names=names)
    (claimed,) = await world.claim(State.MAKECHALLENGE)
    kinds = {name: ChallengeType.DNS_01 if name.startswith("*") else ChallengeType.HTTP_01 for name in names}
    made = tuple(proven(n, name, kind, at) for n, (name, kind) in enumerate(kinds.items(), 1))
    await world.commit(claimed, Advance(Writes(challenges=made)))
    (claimed,) = await world.claim(State.TESTCHALLENGE)
    await world.commit(claimed, Advance())
    return session


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.example"], True),
        (["a.example", "b.example", "*.c.example"], True),
        (["c.example"], False),
        (["*.a.example"], False),
        (["a.example", "z.example"], False),
        ([], False),
    ],
)
async def test_proofs_of_an_account(world: World, names: list[str], *, expected: bool) -> None:
    """Every name must be proven, in one order or several, a wildcard by itself; no name proves nothing (law 5)."""
    await world.account(1), await world.account(2)
    await prove(world, 1, "a.example")
    await prove(world, 2, "b.example", "*.c.example")
    assert await proofs_of(world.store, aid(1), names, NOW, DAY) is expected
    assert await proofs_of(world.store, aid(2), names, NOW, DAY) is False


@pytest.mark.parametrize(("age", "expected"), [(DAY, True), (DAY + 1, False)])
async def test_proofs_grow_old(world: World, age: int, *, expected: bool) -> None:
    """On both sides of the second."""
    await world.account()
    await prove(world, 1, "a.example", at=NOW - age)
    assert await proofs_of(world.store, aid(1), ["a.example"], NOW, DAY) is expected


async def test_proofs_of_a_cancelled_order_do_not_count(world: World) -> None:
    """A deactivated authorization holds nothing; neither does a challenge that was not satisfied."""
    await world.account()
    session = await prove(world, 1, "a.example")
    await world.order(2, names=("b.example",))
    await world.client(moves.cancel(session, Problem("unauthorized", "deactivated"), KEEP))
    assert await proofs_of(world.store, aid(1), ["a.example"], NOW, DAY) is False
    assert await proofs_of(world.store, aid(1), ["b.example"], NOW, DAY) is False


async def test_proofs_past_what_cannot_be_read(world: World) -> None:
    """A garbled order hides no other; an order that another account's index names by mistake proves nothing."""
    await world.account(1), await world.account(2)
    session = await prove(world, 1, "a.example")
    garbled = await world.order(2)
    await world.redis.hset(garbled, "created", "soon")
    await world.redis.zadd(world.keys.orders(aid(2)), {session: NOW})
    assert await proofs_of(world.store, aid(1), ["a.example"], NOW, DAY) is True
    assert await proofs_of(world.store, aid(2), ["a.example"], NOW, DAY) is False


async def test_proofs_are_searched_in_the_newest_orders(world: World) -> None:
    """The search is bounded: behind 200 newer ones nothing is found."""
    await world.account()
    await prove(world, 1, "a.example")
    newer = {sid(number): NOW + 1 for number in range(1000, 1200)}
    await world.redis.zadd(world.keys.orders(aid(1)), newer)
    assert await proofs_of(world.store, aid(1), ["a.example"], NOW, DAY) is False
    await world.redis.zrem(world.keys.orders(aid(1)), next(iter(newer)))
    assert await proofs_of(world.store, aid(1), ["a.example"], NOW, DAY) is True


async def test_credentials_are_created_listed_and_withdrawn(world: World) -> None:
    """What was created is read back; the oldest comes first; a withdrawn one stays listed."""
    first, second = (credential(number) for number in (1, 2))
    assert [await create_credential(world.store, each) for each in (second, first)] == [True, True]
    assert await list_credentials(world.store) == [first, second]
    assert await read_credential(world.store, first.kid) == first
    assert await withdraw_credential(world.store, first.kid, NOW + 5) is True
    found = await read_credential(world.store, first.kid)
    assert found is not None
    assert found.withdrawn == NOW + 5
    assert len(await list_credentials(world.store)) == 2


def credential(number: int) -> Credential:
    """One with rules."""
    return make_credential(
        lambda size: bytes([number]) * size,
        NOW + number,
        names=("a.example", "10.0.0.0/8"),
        deny=("x.a.example",),
        profiles=("server",),
        expires=NOW + DAY,
        single=True,
        note="for the shop",
    )


@pytest.mark.parametrize("kid", ["", "a b", "a:b", "x" * 65, "unknown"])
async def test_credentials_that_are_not_there(world: World, kid: str) -> None:
    """Unknown kids, and what is no kid."""
    assert await read_credential(world.store, kid) is None
    assert await withdraw_credential(world.store, kid, NOW) is False


@pytest.mark.parametrize(("field", "value"), [("used", "many"), ("names", "{"), ("single", "yes"), ("key", None)])
async def test_credentials_that_cannot_be_read(world: World, field: str, value: str | None) -> None:
    """They are garbled, and the secret is not told."""
    made = credential(1)
    await create_credential(world.store, made)
    key = world.keys.credential(made.kid)
    await (world.redis.hdel(key, field) if value is None else world.redis.hset(key, field, value))
    with pytest.raises(Garbled) as raised:
        await read_credential(world.store, made.kid)
    assert made.key not in str(raised.value)


async def test_blocked_keys_are_those_of_compromised_certificates(world: World) -> None:
    """A revocation for another reason blocks none."""
    await world.reach(State.DONE, 1)
    await world.reach(State.DONE, 2)
    assert await blocked_keys(world.store) == frozenset()
    await world.client(moves.revoke("01", 4, NOW))
    await world.client(moves.revoke("02", 1, NOW, "ab" * 32))
    assert await blocked_keys(world.store) == {"ab" * 32}


async def test_an_account_is_read_with_all_that_it_has(world: World) -> None:
    """What was written comes back."""
    fields = account_fields(contact=["mailto:a@a.example", "mailto:b@b.example"], terms=NOW, binding='{"a":1}')
    await world.account(1, **fields)
    account = await read_account(world.store, aid(1))
    assert account is not None
    assert (account.contact, account.terms, account.binding, account.created, account.ended) == (
        ("mailto:a@a.example", "mailto:b@b.example"),
        NOW,
        '{"a":1}',
        NOW,
        0,
    )
