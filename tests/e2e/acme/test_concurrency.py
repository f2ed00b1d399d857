"""Many requests at once over real connections: of each thing that may be done once, one is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stages.store.certificates import each_certificate
from stages.store.reading import read_whole
from tests.e2e.acme.acme_site import AcmeSite
from tests.harness.acme_client import AcmeClient, renewal_id
from tests.harness.acme_moves import ES256, Answer, csr_for, session_of

pytestmark = pytest.mark.anyio

MANY = 50


async def at_once(*calls: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """What each of several calls at once answers, in their order."""
    answers: dict[int, Answer] = {}

    async def run(number: int, call: Callable[[], Awaitable[Answer]]) -> None:
        answers[number] = await call()

    async with anyio.create_task_group() as group:
        for number, call in enumerate(calls):
            group.start_soon(run, number, call)
    return [answers[number] for number in range(len(calls))]


async def test_one_nonce_passes_once(site: AcmeSite) -> None:
    """Of fifty posts with one nonce one is answered; the others are badNonce, and bring nonces that are good."""
    client = await site.account()
    nonce = await client.new_nonce()
    twins = [client.twin() for _ in range(MANY)]
    answers = await at_once(*(lambda twin=twin: twin.post(twin.kid, nonce=nonce) for twin in twins))
    refused = [answer.problem for answer in answers if answer.status != 200]
    assert refused == [(400, "badNonce")] * (MANY - 1)
    again = await at_once(*(lambda twin=twin: twin.post(twin.kid) for twin in twins))
    assert {answer.status for answer in again} == {200}


async def test_many_finalizes_make_one_certificate(site: AcmeSite) -> None:
    """Fifty finalizes of one order, each with another key: one certificate, which all are told, one serial number."""
    client, name = await site.account(), site.name()
    order = await client.proven(name)
    csrs = [csr_for([name]) for _ in range(MANY)]
    answers = await at_once(*(lambda csr=csr: client.twin().finalize(order, csr) for csr in csrs))
    assert {answer.status for answer in answers} == {200}
    url = order.header("Location") or ""
    ends = [await client.settled(url, answer) for answer in answers]
    assert {answer.json["status"] for answer in ends} == {"valid"}
    (certificate,) = {answer.json["certificate"] for answer in ends}
    session = session_of(order)
    serials = [found.serial async for found in each_certificate(site.store) if found.session == session]
    assert [certificate] == [site.urls.certificate(serial) for serial in serials]
    whole = await read_whole(site.store, session)
    assert whole is not None
    assert whole.story.count("reserved") == 1, whole.story


async def test_one_key_makes_one_account(site: AcmeSite) -> None:
    """Fifty newAccounts with one key: one is created, the others find it."""
    client = site.client()
    answers = await at_once(*(client.twin().register for _ in range(MANY)))
    assert sorted(answer.status for answer in answers) == [200] * (MANY - 1) + [201]
    assert len({answer.header("Location") for answer in answers}) == 1


async def test_key_change_against_new_account(site: AcmeSite) -> None:
    """A key that an account changes to while another account is made of it: one has it, the other is told whose it is.

    Whichever comes first: a key change that lost is 409 with the new account's URL, a newAccount that lost finds the
    account of the change.
    """
    for turn in range(12):
        old, new = await site.account(), ec.generate_private_key(ES256)
        other = site.client()
        other.private = new
        other.nonces.append(await other.new_nonce())
        change, made = await changed_and_made(old, new, other, turn)
        if change.status == 200:
            assert (made.status, made.header("Location")) == (200, old.kid)
            assert (await old.post(old.kid)).problem == (400, "malformed")
        else:
            assert change.problem == (409, "malformed")
            assert change.header("Location") == made.header("Location")
            assert made.status == 201
            assert (await old.post(old.kid)).status == 200
        assert (await other.post(other.kid)).status == 200


async def changed_and_made(
    old: AcmeClient, new: ec.EllipticCurvePrivateKey, other: AcmeClient, turn: int
) -> tuple[Answer, Answer]:
    """What the key change and the newAccount answer, sent at once, now the one and now the other first."""

    async def change() -> Answer:
        return await old.change_key(new)

    if turn % 2:
        changed, made = await at_once(change, other.register)
    else:
        made, changed = await at_once(other.register, change)
    return changed, made


async def test_one_order_replaces_a_certificate(site: AcmeSite) -> None:
    """Of twenty newOrders that replace one certificate one is made; the others are alreadyReplaced (RFC 9773 5)."""
    client, name = await site.account(), site.name()
    replaces = renewal_id(await client.leaf(await client.issued(name)))
    answers = await at_once(*(lambda: client.twin().order(name, replaces=replaces) for _ in range(20)))
    (made,) = [answer for answer in answers if answer.status == 201]
    assert made.json["replaces"] == replaces
    assert [answer.problem for answer in answers if answer is not made] == [(409, "alreadyReplaced")] * 19
