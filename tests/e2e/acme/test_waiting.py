"""What an order costs its client in requests and in waiting, and what starts a probe."""

from __future__ import annotations

import pytest

from tests.e2e.acme.acme_site import AcmeSite
from tests.harness.acme_moves import csr_for

pytestmark = pytest.mark.anyio


async def test_order_takes_six_requests(site: AcmeSite) -> None:
    """With the default wait: newNonce, newOrder, authorization, challenge, finalize, certificate, and no polling."""
    client, name = await site.account(), site.name()
    client.nonces.clear()
    before = site.web.asked
    order = await client.proven(name)
    answer = await client.finalize(order, csr_for([name]))
    assert answer.json["status"] == "valid"
    assert (await client.certificate(answer)).status == 200
    assert site.web.asked - before <= 6


async def test_looking_at_a_challenge_starts_nothing(site: AcmeSite) -> None:
    """POST-as-GET of a challenge, its authorization and its order starts no probe; the first "ready" starts one."""
    client = await site.account()
    order = await client.order(site.name())
    challenge = await client.offered(order)
    client.show(challenge)
    before = site.peer.asked
    for _ in range(5):
        for url in (challenge["url"], *order.json["authorizations"], order.header("Location")):
            assert (await client.post(url or "")).json["status"] == "pending"
    assert site.peer.asked == before
    for _ in range(5):
        answer = await client.settled(challenge["url"], await client.post(challenge["url"], {}))
        assert answer.json["status"] == "valid"
    assert site.peer.asked == before + 1
