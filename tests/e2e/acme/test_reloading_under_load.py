"""Reload after reload while clients are at work: no order is lost, no connection is refused, every order is valid."""

from __future__ import annotations

import random
import signal
import ssl
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from supervisor.control.asking import ask
from supervisor.control.messages import Answer as Reply
from supervisor.control.messages import Question
from tests.e2e.acme.acme_site import AcmeSite, Way, acme_site
from tests.e2e.command import Place
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import Answer, session_of
from tests.harness.fetching import service_port
from tests.harness.tls import Certificates
from tests.harness.web import Web

pytestmark = pytest.mark.anyio

ACCOUNTS, ORDERS, RELOADS = 10, 200, 20
QUEUES = ("makechallenge", "testchallenge", "issue", "done")
BAD = (
    "[queues.issue]\nconcurrency = 0\n",
    "bogus = 1\n",
    '[keys]\nblocked_file = "none"\n',
    '[logs]\nlevel = "loud"\n',
    "[queues.issue\n",
)


def good(rng: random.Random, number: int) -> str:
    """The end of [acme], and tables, with other numbers each time."""
    lines = [
        f'wait = "{rng.choice((0, 200, 2000))}ms"',
        f"connections = {1000 + number}",
        f'idle_timeout = "{rng.randint(30, 90)}s"',
        f'nonce_lifetime = "{rng.randint(30, 90)}m"',
        f"cors = {str(number % 2 == 0).lower()}",
    ]
    for queue in QUEUES:
        lines += [f"[queues.{queue}]", f"concurrency = {rng.choice((1, 2, 5, 20, 64))}"]
        lines += [f'timeout = "{rng.randint(40, 80)}s"', f"max_attempts = {rng.randint(5, 9)}"]
    return "\n".join([*lines, "[logs]", f'level = "{rng.choice(("debug", "info", "warning"))}"', ""])


class Work:
    """The orders that are through."""

    def __init__(self) -> None:
        self.done: list[Answer] = []
        self._more = anyio.Event()

    async def order(self, client: AcmeClient, name: str) -> None:
        """One order, from its beginning to its certificate."""
        self.done.append(await client.issued(name))
        self._more.set()
        self._more = anyio.Event()

    async def until(self, count: int) -> None:
        """Wait until so many are through."""
        while len(self.done) < count:
            await self._more.wait()


async def reload(site: AcmeSite, text: str) -> Reply:
    """Exchange the end of the file, and have it read."""
    head, mark, _ = site.config.read_text().partition("# changes\n")
    site.config.write_text(head + mark + text)
    return await to_thread.run_sync(ask, site.folder / "data", Question("reload"))


@pytest.mark.timeout(300)
async def test_twenty_reloads_under_two_hundred_orders(tmp_path: Path) -> None:
    """Concurrency, timeouts and levels change, some files are refused; clients that never ask twice notice nothing."""
    rng = random.Random(5)
    work = Work()
    async with acme_site(tmp_path, "# changes\n") as site:
        site.peer.delay = lambda: rng.uniform(0.05, 0.4)
        with await site.start() as program:
            clients = [await site.account() for _ in range(ACCOUNTS)]

            busy: list[bool] = []
            async with anyio.create_task_group() as group:
                for number in range(ORDERS):
                    group.start_soon(work.order, clients[number % ACCOUNTS], site.name())
                for number in range(RELOADS):
                    await work.until(number * ORDERS // (2 * RELOADS))  # spread over the first half of the work
                    is_bad, after_signal = number % 4 == 3, number % 5 == 1
                    answer = await reload(site, BAD[number // 4] if is_bad else good(rng, number))
                    assert bool(answer.problems) is is_bad, answer
                    assert bool(answer.changes) is not is_bad or after_signal, answer  # the signal may have come first
                    busy.append(len(work.done) < ORDERS)
                    if number % 5 == 0:
                        program.signal(signal.SIGHUP)  # the other way, in between
            assert busy == [True] * RELOADS
            assert len({session_of(each) for each in work.done}) == ORDERS
            assert {each.json["status"] for each in work.done} == {"valid"}
            await reload(site, '[logs]\nlevel = "info"\n')
            await site.until_done(ORDERS + 1)  # one is the door's own
            assert (await to_thread.run_sync(Place(site.folder).call, "fsck", "--json")).code == 0
            assert await to_thread.run_sync(program.stop) == 0
    errors = {event["event"] for event in program.events if event["level"] == "error"}
    assert errors == {"config.refused"}
    assert {event["event"] for event in program.events if event["level"] == "warning"} == set()


async def test_swapped_tls_files_are_for_new_connections(tmp_path: Path) -> None:
    """Open connections go on with their certificate, new ones show the new one; half a file changes nothing."""
    first, second = Certificates(tmp_path / "first"), Certificates(tmp_path / "second")
    port = service_port()
    way = Way(port, port, f"https://127.0.0.1:{port}", first.ca)
    shown = tmp_path / "ca" / "door.pem"
    shown.parent.mkdir()
    shown.write_bytes(first.server.read_bytes())
    acme = 'tls = "files"\ntls_certificate = "door.pem"\ntls_key = "door.pem"\n# changes\n'
    async with acme_site(tmp_path / "ca", acme, way=way) as site:
        site.peer.delay = 0.2
        with await site.start() as program:
            old = await site.account()
            new = AcmeClient(Web(port, ssl.create_default_context(cafile=second.ca)), site.urls, site.tokens)
            with pytest.raises(ssl.SSLCertVerificationError):
                await new.register()
            shown.write_bytes(second.server.read_bytes()[:200])
            assert [problem.key for problem in (await reload(site, "")).problems] == ["acme.tls_certificate"]
            shown.write_bytes(second.server.read_bytes())
            taken = anyio.Event()

            async def orders() -> None:
                assert (await old.issued(site.name())).json["status"] == "valid"
                await taken.wait()
                assert (await old.issued(site.name())).json["status"] == "valid"

            async with anyio.create_task_group() as group:
                group.start_soon(orders)
                await site.until_asked(1)
                assert (await reload(site, "")).problems == ()
                assert (await new.register()).status == 201
                assert (await new.issued(site.name())).json["status"] == "valid"
                taken.set()
            with pytest.raises(ssl.SSLCertVerificationError):  # one more connection of those who trust the old one only
                await Web(port, ssl.create_default_context(cafile=first.ca)).ask("GET", "/acme/directory")
            await new.web.aclose()
            assert await to_thread.run_sync(program.stop) == 0
    assert [event["event"] for event in program.events if event["level"] == "error"] == ["config.refused"]
