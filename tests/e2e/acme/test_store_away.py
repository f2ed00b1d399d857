"""The store dies and comes back: clients are told to come back, and lose nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from supervisor.embedded.owner import pid_file
from tests.e2e.acme.acme_site import acme_site
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import Answer, csr_for
from tests.harness.valkey import Valkey

pytestmark = pytest.mark.anyio


async def test_store_that_is_away_is_503(tmp_path: Path) -> None:
    """What needs the store is 503 with Retry-After while it is away, what does not goes on; then everything does.

    An order that the door has just made needs none for a second.
    """
    with Valkey(tmp_path / "valkey") as server:
        async with acme_site(tmp_path / "ca", store=server.url) as site:
            with await site.start() as program:
                client, name = await site.account(), site.name()
                order = await client.proven(name)
                server.kill()
                for answer in (
                    await client.post(client.kid),
                    await client.order(name),
                    await client.finalize(order, csr_for([name])),
                    await site.client().register(),
                ):
                    assert answer.problem == (503, "serverInternal")
                    assert int(answer.header("Retry-After") or "") > 0
                assert (await client.get(client.urls.directory)).status == 200
                server.start()
                client.patience = 30.0
                answer = await client.settled(
                    order.header("Location") or "", await client.finalize(order, csr_for([name]))
                )
                assert answer.json["status"] == "valid"
                assert (await client.certificate(answer)).status == 200
                assert await to_thread.run_sync(program.stop) == 0


async def test_embedded_store_that_dies_comes_back(tmp_path: Path) -> None:
    """The embedded store is killed three times under ten clients, who go on after a 503: each gets all it asked for."""
    async with acme_site(tmp_path) as site:
        with await site.start() as program:
            clients = [await site.account(patience=30.0) for _ in range(10)]
            sent, received = anyio.create_memory_object_stream[Answer](60)

            async def work(client: AcmeClient) -> None:
                for _ in range(6):
                    await sent.send(await client.certificate(await client.issued(site.name())))

            async with sent, received, anyio.create_task_group() as group:
                for client in clients:
                    group.start_soon(work, client)
                for count in range(60):
                    assert (await received.receive()).status == 200
                    if count in {10, 25, 40}:
                        os.kill(int(pid_file(site.folder / "data").read_text()), signal.SIGKILL)
                        await to_thread.run_sync(program.wait_for, "store.back")
            assert await to_thread.run_sync(program.stop) == 0
            assert program.named("stage.failed") == []
            assert program.named("acme.failed") == []
