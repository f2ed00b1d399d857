"""An order whose time is over, also while no stage has ended it yet."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from tests.e2e.acme.acme_site import AcmeSite, acme_site
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import Answer, csr_for, session_of

pytestmark = pytest.mark.anyio


async def assert_is_over(site: AcmeSite, client: AcmeClient, order: Answer, url: str) -> None:
    shown = (await client.post(order.header("Location") or "")).json
    with anyio.fail_after(10):
        while shown["status"] == "pending":  # the door may show for a second what it knew before
            await anyio.sleep(0.1)
            shown = (await client.post(order.header("Location") or "")).json
    assert shown["status"] == "invalid"
    assert shown["error"]["type"].endswith(":unauthorized")
    assert (await client.authorization(order)).json["status"] == "invalid"
    before = site.peer.asked
    assert (await client.post(url, {})).json["status"] == "invalid"
    assert (await client.finalize(order, csr_for(["a.example"]))).problem == (403, "orderNotReady")
    given_up = await client.post(order.json["authorizations"][0], {"status": "deactivated"})
    assert (given_up.status, given_up.json["status"]) == (200, "invalid")
    assert site.peer.asked == before


async def test_expired_order_is_over(tmp_path: Path) -> None:
    """It is invalid with its authorizations and challenges and starts no probe; so it stays after a restart."""
    async with acme_site(tmp_path) as site:
        with await site.start() as program:
            client = await site.account()
            order = await client.order(site.name())
            url = await client.challenge(order)
            # The shortest time that can be set is a minute.
            key = site.store.keys.session(session_of(order))
            await site.store.redis.hset(key, "expires", str(int(time.time())))
            await assert_is_over(site, client, order, url)
            program.kill()
        client.nonces.clear()
        with await site.start() as program:
            await assert_is_over(site, client, order, url)
            await site.stop(program)
