"""SIGHUP: new limits, terms and waits count for the next request; nobody is disconnected."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from anyio import to_thread
from cryptography import x509

from tests.e2e.acme.acme_site import AcmeSite, acme_site
from tests.harness.process import Program
from tests.harness.web import Web

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


async def test_reload_moves_the_crl_and_renews_the_own_certificate_at_once(tmp_path: Path) -> None:
    """What is looked at once a minute is looked at after a reload too, and the CRL that is served is the new one."""
    async with acme_site(tmp_path, '[crl]\nfile = "one.pem"\n[acme.limits.new_orders]\n# changes\n') as site:
        with await site.start() as program:
            await to_thread.run_sync(program.wait_for, "crl.written")
            client = await site.account()
            leaf = await client.leaf(await client.issued(site.name()))
            text = site.config.read_text().replace('file = "one.pem"', f'file = "{tmp_path}/two.pem"')
            site.config.write_text(
                text.replace("http_listen", 'tls_names = ["127.0.0.1", "door.example"]\nhttp_listen')
            )
            await reload(site, program, "")
            renewed = await to_thread.run_sync(program.wait_for, "door.certificate_due")
            assert sorted(renewed["names"]) == ["127.0.0.1", "door.example"]
            # Either may be the first.
            before = program.named("crl.written")[1:]
            written = before[0] if before else await to_thread.run_sync(program.wait_for, "crl.written")
            assert (written["file"], written["number"]) == (f"{tmp_path}/two.pem", 2)
            assert (await client.revoke(leaf)).status == 200
            plain = Web(site.plain, None)
            crl = x509.load_der_x509_crl((await plain.ask("GET", "/crl/main.crl")).body)
            assert crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
            await plain.aclose()
            await site.stop(program)
    assert sorted(file.name for file in (tmp_path / "data").glob("one.pem*")) == ["one.pem", "one.pem.lock"]
