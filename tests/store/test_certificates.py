"""The certificate store: what was issued and revoked, and how it is forgotten."""

from __future__ import annotations

import pytest

from stages.outcome import Advance
from stages.session import State
from stages.store import moves
from stages.store.certificates import (
    Certificate,
    each_certificate,
    forget_expired,
    next_crl_number,
    read_certificate,
    revocations,
)
from tests.store.world import NOW, World, diff

pytestmark = pytest.mark.anyio


async def test_a_certificate_is_read_with_the_delivery_of_its_session(world: World) -> None:
    """While the session lives its delivery counts, afterwards the last known."""
    session = await world.reach(State.DONE)
    expected = Certificate(
        serial="01",
        issuer="ca",
        names=("a.example",),
        pem="PEM",
        not_before=NOW,
        not_after=NOW + 86_400,
        account="account",
        session=session.id,
        spki="ab" * 32,
        delivery="issued",
    )
    assert expected == await read_certificate(world.store, "01")
    await world.client(moves.deliver(session.id, "sent"))
    found = await read_certificate(world.store, "01")
    assert found is not None
    assert found.delivery == "sent"
    await world.commit(session, Advance())
    await world.redis.delete(session.id)
    assert found == await read_certificate(world.store, "01")


async def test_a_certificate_that_is_not_there_is_none(world: World) -> None:
    """Nothing is made up."""
    assert await read_certificate(world.store, "ff") is None


async def test_each_certificate_comes_in_the_order_of_expiry(world: World) -> None:
    """The one that expires last comes first."""
    for number in (1, 2, 3):
        await world.reach(State.DONE, number)
    await world.redis.zadd("certificates", {"02": NOW + 999_999})
    found = [certificate.serial async for certificate in each_certificate(world.store)]
    assert found == ["02", "03", "01"]


async def test_revocations_are_listed_with_time_and_reason(world: World) -> None:
    """What the CRL is made from, and what the certificate says."""
    for number in (1, 2):
        await world.reach(State.DONE, number)
    await world.client(moves.revoke("02", 4, NOW + 5))
    assert await revocations(world.store) == [("02", NOW + 5, 4)]
    found = await read_certificate(world.store, "02")
    assert found is not None
    assert (found.revoked, found.reason) == (NOW + 5, 4)


async def test_crl_numbers_only_grow(world: World) -> None:
    """Also past the number of the last file, when the store has forgotten."""
    assert [await next_crl_number(world.store, last) for last in (0, 0, 41, 7)] == [1, 2, 42, 43]


async def test_what_expired_is_forgotten_and_the_rest_stays(world: World) -> None:
    """The record, the index and the revocation go together."""
    for number in (1, 2):
        await world.reach(State.DONE, number)
        await world.client(moves.revoke(f"{number:02x}", 1, NOW))
    await world.redis.zadd("certificates", {"01": NOW - 1})
    before = await world.state()
    assert await forget_expired(world.store, NOW) == 1
    assert diff(before, await world.state()) == {
        "certificate:01": None,
        "certificates": {"01": None},
        "revoked": {"01": None},
    }
    assert await forget_expired(world.store, NOW) == 0
