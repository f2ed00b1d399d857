"""What lasts beyond a run of the program, what does not, and how a run ends for clients that wait."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.e2e.acme.acme_site import AcmeSite, acme_site
from tests.harness.acme_moves import Answer, csr_for

pytestmark = pytest.mark.anyio


async def test_restart_spares_all_but_nonces(tmp_path: Path) -> None:
    """Accounts, orders half way and certificates have their URLs after a SIGKILL; old nonces are badNonce, no more."""
    async with acme_site(tmp_path) as site:
        with await site.start() as program:
            client, name = await site.account(), site.name()
            done = await client.issued(site.name())
            chain = await client.certificate(done)
            pending, ready = await client.order(site.name()), await client.proven(name)
            old = [await client.new_nonce(), *client.nonces]
            program.kill()
        with await site.start() as program:
            for nonce in old:
                answer = await client.post(client.kid, nonce=nonce)
                assert answer.problem == (400, "badNonce")
            assert (await client.post(client.kid)).json["status"] == "valid"
            assert (await client.register()).status == 200
            for order, status in ((done, "valid"), (pending, "pending"), (ready, "ready")):
                assert (await client.post(order.header("Location") or "")).json["status"] == status
            assert (await client.certificate(done)).response.body == chain.response.body
            finished = await client.settled(
                ready.header("Location") or "", await client.finalize(ready, csr_for([name]))
            )
            assert finished.json["status"] == "valid"
            challenge = await client.offered(pending)
            client.show(challenge)
            answer = await client.settled(challenge["url"], await client.post(challenge["url"], {}))
            assert answer.json["status"] == "valid"
            await site.stop(program)


async def until_refused(site: AcmeSite) -> None:
    """Connect again and again until nobody listens any more."""
    while True:
        web = site.new_web()
        try:
            await web.ask("HEAD", "/acme/new-nonce")
        except OSError:
            return
        await web.aclose()


async def test_stop_answers_those_who_wait(tmp_path: Path) -> None:
    """SIGTERM while clients wait for their probes: each gets its outcome, nobody new gets in, the program ends well."""
    async with acme_site(tmp_path) as site:
        site.peer.delay = 0.6
        with await site.start() as program:
            clients = [await site.account() for _ in range(5)]
            answers: list[Answer] = []

            async def prove(number: int) -> None:
                client = clients[number]
                challenge = await client.offered(await client.order(site.name()))
                client.show(challenge)
                answers.append(await client.post(challenge["url"], {}))

            async with anyio.create_task_group() as group:
                for number in range(len(clients)):
                    group.start_soon(prove, number)
                await site.until_asked(len(clients))
                program.signal(signal.SIGTERM)
                await to_thread.run_sync(program.wait_for, "supervisor.stopping")
                with anyio.fail_after(5):
                    await until_refused(site)
            assert [(answer.status, answer.json["status"]) for answer in answers] == [(200, "valid")] * len(clients)
            await site.stop(program)
