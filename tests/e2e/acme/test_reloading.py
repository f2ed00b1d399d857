"""SIGHUP: new limits, terms and waits count for the next request; nobody is disconnected."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from anyio import to_thread

from tests.e2e.acme.acme_site import AcmeSite, acme_site
from tests.harness.process import Program

pytestmark = pytest.mark.anyio


async def reload(site: AcmeSite, program: Program, acme: str) -> None:
    """Exchange the end of [acme] and wait until it counts."""
    head, mark, _ = site.config.read_text().partition("# changes\n")
    site.config.write_text(head + mark + acme)
    program.signal(signal.SIGHUP)
    taken = await to_thread.run_sync(program.wait_for, "config.reloaded")
    assert taken["restart"] == []


async def test_reload_of_the_door(tmp_path: Path) -> None:
    """Limits, terms of service and the bounded wait change under clients that stay connected."""
    async with acme_site(tmp_path, "# changes\n") as site:
        with await site.start() as program:
            client = await site.account()
            await reload(site, program, '[acme.limits.new_orders]\ncount = 2\nper = "1h"\n')
            for _ in range(3):  # what is refused for another reason is not counted
                assert (await client.order("*.*.example")).status == 400
            assert [(await client.order(site.name())).status for _ in range(2)] == [201, 201]
            limited = await client.order(site.name())
            assert limited.problem == (429, "rateLimited")
            assert 0 < int(limited.header("Retry-After") or "") <= 3600
            other = await site.account()
            assert (await other.order(site.name())).status == 201
            terms = "https://ca.example/terms"
            await reload(site, program, f'terms_url = "{terms}"\nwait = "0s"\n')
            assert (await client.order(site.name())).status == 201
            stranger = site.client()
            refused = await stranger.post(stranger.urls.new_account, {}, jwk=True)
            assert refused.problem == (403, "userActionRequired")
            assert f'<{terms}>;rel="terms-of-service"' in refused.headers("Link")
            assert (await stranger.register()).status == 201
            assert (await client.get(client.urls.directory)).json["meta"]["termsOfService"] == terms
            site.peer.delay = 0.3
            challenge = await client.offered(await client.order(site.name()))
            client.show(challenge)
            answer = await client.post(challenge["url"], {})
            assert answer.json["status"] == "processing"
            assert int(answer.header("Retry-After") or "") > 0
            assert (await client.settled(challenge["url"], answer)).json["status"] == "valid"
            await site.stop(program)
