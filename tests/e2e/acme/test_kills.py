"""SIGKILL at any moment under clients that go on: each order ends with one certificate, and none is lost or doubled."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from cryptography import x509

from stages.store.certificates import each_certificate
from tests.e2e.acme.acme_site import AcmeSite, Way, acme_site
from tests.e2e.command import Place
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import session_of
from tests.harness.audit import audit_done
from tests.harness.fetching import service_port
from tests.harness.process import Program
from tests.harness.tls import Certificates

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("ACME_KILLS", "5"))
CLIENTS = 20
BETWEEN = ("supervisor.ready", "supervisor.ready", "recovery.started")
"""What is waited for before the random delay; some kills come in the middle of the recovery scan."""


class Clients:
    """Clients that get one certificate after another until they are told to stop; `got` are serials by sessions."""

    def __init__(self, site: AcmeSite) -> None:
        self.site = site
        self.accounts = [site.client(patience=60.0) for _ in range(CLIENTS)]
        self.got: dict[str, int] = {}
        self.enough = False

    async def work(self, client: AcmeClient) -> None:
        """Be one of them."""
        assert (await client.register()).status in {200, 201}
        while not self.enough:
            name = self.site.name()
            order = await client.issued(name)
            leaf = await client.leaf(order)
            assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
                x509.DNSName
            ) == [name]
            self.got[session_of(order)] = leaf.serial_number
            client.nonces.clear()  # the one that came with the certificate would retire the session

    async def give_up_the_rest(self) -> list[str]:
        """Give up orders whose newOrder was answered to nobody, so that their clients asked again; their sessions."""
        dead = []
        for client in self.accounts:
            for url in await self.listed(client):
                if url.rsplit("/", 1)[1] not in self.got:
                    order = (await client.post(url)).json
                    assert order["status"] == "pending", order
                    answer = await client.post(order["authorizations"][0], {"status": "deactivated"})
                    assert answer.json["status"] == "deactivated"
                    assert (await client.post(url)).json["status"] == "invalid"
                    dead.append(url.rsplit("/", 1)[1])
        return dead

    @staticmethod
    async def listed(client: AcmeClient) -> list[str]:
        """All orders of an account that are not invalid."""
        urls: list[str] = []
        url = (await client.post(client.kid)).json["orders"]
        while url:
            page = await client.post(url)
            urls += page.json["orders"]
            following = [link for link in page.headers("Link") if 'rel="next"' in link]
            url = following[0].partition(">")[0].removeprefix("<") if following else ""
        return urls


async def test_kills_under_twenty_clients(tmp_path: Path) -> None:
    """Whenever the program dies, clients that go on as real ones do end with exactly one certificate for each order."""
    seed = int(os.environ.get("KILLS_SEED", random.randrange(2**32)))
    print(f"KILLS_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    chance = random.Random(seed)
    certificates, port = Certificates(tmp_path / "door"), service_port()
    way = Way(port, port, f"https://127.0.0.1:{port}", certificates.ca)
    files = f'tls = "files"\ntls_certificate = "{certificates.server}"\ntls_key = "{certificates.server}"\n'
    runs: list[Program] = []
    with ExitStack() as stack:
        async with acme_site(tmp_path / "ca", files, way=way) as site:
            clients = Clients(site)
            site.peer.delay = lambda: chance.uniform(0.0, 0.1)
            async with anyio.create_task_group() as group:
                for client in clients.accounts:
                    group.start_soon(clients.work, client)
                for kill in range(KILLS):
                    runs.append(stack.enter_context(await site.start(BETWEEN[kill % len(BETWEEN)])))
                    await anyio.sleep(chance.uniform(0.0, 0.8))
                    runs[-1].kill()
                runs.append(stack.enter_context(await site.start()))
                clients.enough = True
            await assert_nothing_is_lost(site, clients, runs)
            await site.stop(runs[-1])
    assert [event for run in runs for event in run.events if event["level"] == "error"] == []
    assert [line for run in runs for line in run.other] == []
    assert len(clients.got) > CLIENTS, "no work was done between the kills"


async def assert_nothing_is_lost(site: AcmeSite, clients: Clients, runs: list[Program]) -> None:
    """What the clients have is what is on record, one certificate for each order, and the store is whole."""
    records = {found.session: int(found.serial, 16) async for found in each_certificate(site.store)}
    assert records == clients.got
    await audit_done(site, clients.got, runs, await clients.give_up_the_rest())
    checked = await to_thread.run_sync(Place(site.folder).call, "fsck", "--json")
    assert (checked.code, checked.json["breaches"]) == (0, [])
