"""Bad CSRs posted to finalize: each is told what it is, none harms the order."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.acme.acme_site import AcmeSite
from tests.e2e.acme.bad_csrs import BY_HAND, FROM_UNIT_TEST, NAMES, Payload, good, spoiled
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import ES256, Answer, csr_for

pytestmark = pytest.mark.anyio

ALL = BY_HAND + FROM_UNIT_TEST
SPOILED = 120


@pytest.fixture(scope="module")
async def client(site: AcmeSite) -> AcmeClient:
    """A client for all tests of the module."""
    for name in NAMES:
        site.known(name)
    return await site.account()


@pytest.fixture(scope="module")
async def order(client: AcmeClient) -> Answer:
    """An order that is ready; it stays so until the end."""
    return await client.proven(*NAMES)


async def assert_ready(client: AcmeClient, order: Answer) -> None:
    shown = (await client.post(order.header("Location") or "")).json
    assert (shown["status"], "error" in shown) == ("ready", False)


@pytest.mark.parametrize(("payload", "kind"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
async def test_bad_csr_is_refused(client: AcmeClient, order: Answer, payload: Payload, kind: str) -> None:
    """Each gets the error that fits it, in printable words, and the order stays ready."""
    answer = await client.post(order.json["finalize"], payload())
    assert answer.status in {400, 413}
    assert answer.problem[1] == kind, answer.json
    assert answer.json["detail"].isascii()
    assert answer.json["detail"].isprintable()
    await assert_ready(client, order)


async def test_spoiled_structures_are_refused(client: AcmeClient, order: Answer) -> None:
    """However the structure of a good request is changed: badCSR."""
    found = {}
    for number in range(SPOILED):
        answer = await client.finalize(order, spoiled(number))
        found[number] = answer.problem
    assert {number: problem for number, problem in found.items() if problem != (400, "badCSR")} == {}
    await assert_ready(client, order)


async def test_key_of_the_account_is_refused(client: AcmeClient, order: Answer) -> None:
    """RFC 8555 11.1: the account's key is not for certificates."""
    answer = await client.finalize(order, csr_for(NAMES, client.private))
    assert answer.problem == (400, "badCSR")
    await assert_ready(client, order)


async def test_compromised_key_is_refused(client: AcmeClient, order: Answer) -> None:
    """A key that was revoked as compromised is not certified again."""
    key = ec.generate_private_key(ES256)
    leaf = await client.leaf(await client.issued(NAMES[0], key=key))
    assert (await client.revoke(leaf, reason=1)).status == 200
    assert (await client.finalize(order, csr_for(NAMES, key))).problem == (400, "badCSR")
    await assert_ready(client, order)


async def test_good_csr_finalizes_after_all(client: AcmeClient, order: Answer) -> None:
    """The order that has seen every bad one takes a good one."""
    answer = await client.settled(order.header("Location") or "", await client.finalize(order, good()))
    assert answer.json["status"] == "valid"
    assert (await client.certificate(answer)).status == 200


def test_table_is_large_enough() -> None:
    """At least a hundred and fifty are written by hand."""
    assert len(ALL) >= 150
