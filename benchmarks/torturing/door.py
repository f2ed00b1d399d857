"""Form `door`: ACME clients at the program's front door, and SIGKILL to the program.

The door hands a session to its stage while the client's move that brings it there is on its way to the disk; clients of
the other forms reach the store by themselves, so nothing begins in this way for them. Half of the kills come at a step
around such a move: before or after it is sent, behind its reply, or around a signature. The others come at random.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import Final

import anyio
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.torturing.clients import KINDS, Told
from benchmarks.torturing.doors import AFTER, BEFORE
from benchmarks.torturing.laws import LAWS, audit
from benchmarks.torturing.report import Report, Setting
from benchmarks.torturing.scene import LOOK, Breach, Scene, scene
from stages.session import Problem
from stages.store import moves
from supervisor.acme.jose.jwk import parse_jwk
from supervisor.acme.urls import Urls
from tests.harness.acme_client import AcmeClient
from tests.harness.acme_moves import Answer, csr_for, session_of
from tests.harness.fetching import service_port
from tests.harness.tls import Certificates
from tests.harness.web import Web
from tests.unit.acme import signing

CLIENTS = 20
SHORT, FULL = 10, 100
LONGEST = 0.8
"""Seconds from the program's being ready to a kill at random."""
_MOVES = ("group.lua(*ready*)", "group.lua(*finalize*)")
AIMS: Final = (
    *((f"send {move}", when) for move in _MOVES for when in (BEFORE, AFTER)),
    *((f"reply {move}", AFTER) for move in _MOVES),
    *(("sign certificate", when) for when in (BEFORE, AFTER)),
)
DEEPEST = 12
"""How many of them are passed before the kill, at the most."""
_NEVER = 20.0
_PATIENCE = 60.0
_KEEP = 86_400
_DOOR = """
[acme]
listen = "127.0.0.1:{port}"
url = "https://127.0.0.1:{port}"
tls = "files"
tls_certificate = "{file}"
tls_key = "{file}"
"""


class Visitors:
    """The clients, all with one account; what they are told is noted with the scene's. `enough` sends them home."""

    def __init__(self, ca: Scene, web: Web, urls: Urls) -> None:
        self.enough = False
        self._ca = ca
        self._web = web
        self._urls = urls
        self._account, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca.peer.thumbprint = parse_jwk(signing.jwk(self._account)).thumbprint

    async def visit(self) -> None:
        """Be one of them. Raises Breach where it is not served as it should be."""
        client = AcmeClient(self._web, self._urls, {}, self._account, patience=_PATIENCE)
        try:
            await client.register()
            while not self.enough:
                await self._order(client)
        except AssertionError as error:
            raise Breach(f"law 6: an ACME client was not served: {error}", self._ca.program.log()) from error

    async def _order(self, client: AcmeClient) -> None:
        names = KINDS["door"].names
        order = await client.order(*names)
        _look(order, good=order.status == HTTPStatus.CREATED)
        told = self._ca.clients.told[session_of(order)] = Told("door", submitted=True)
        for n in range(1, len(names) + 1):
            challenge = await client.offered(order, n)
            answer = await client.post(challenge["url"], {})
            _look(answer, good=answer.status == HTTPStatus.OK)
            told.ready.add(n)
            answer = await client.settled(challenge["url"], answer)
            _look(answer, good=answer.json["status"] == "valid")
        answer = await client.finalize(order, csr_for(names, self._key))
        _look(answer, good=answer.status == HTTPStatus.OK)
        told.finalized = True
        answer = await client.settled(order.header("Location") or "", answer)
        _look(answer, good=answer.json["status"] == "valid")
        told.certificate = (await client.certificate(answer)).response.body.decode()

    async def give_up_the_rest(self) -> int:
        """Cancel sessions whose newOrder was answered to nobody, so that a client asked again; how many."""
        store, told = self._ca.store, self._ca.clients.told
        active = {entry.decode() for entry in await store.call(store.redis.lrange(store.keys.active, 0, -1))}
        strangers = active - told.keys()
        for session in strangers:
            await store.move(moves.cancel(session, Problem("malformed", "nobody knows of it"), _KEEP))
            told[session] = Told("given up", submitted=True)
        return len(strangers)


def _look(answer: Answer, *, good: bool) -> None:
    if not good:
        raise AssertionError(answer.response.body.decode(errors="replace"))


async def run(setting: Setting) -> Report:
    """Do the form. Raises Breach."""
    chance, kills, port = setting.chance("door"), setting.pick(SHORT, FULL), service_port()
    report = Report("door", {"seed": setting.seed, "kills": kills})
    certificates = Certificates(setting.folder / "tls")
    table = _DOOR.format(port=port, file=certificates.server)
    web = Web(port, ssl.create_default_context(cafile=certificates.ca))
    async with scene(setting.folder / "door", chance, table) as ca:
        visitors = Visitors(ca, web, Urls(f"https://127.0.0.1:{port}"))
        async with anyio.create_task_group() as group:
            for _ in range(CLIENTS):
                group.start_soon(visitors.visit)
            for number in range(kills):
                if number % 2 == 0:
                    pattern, when = chance.choice(AIMS)
                    await _kill_at(ca, f"{pattern}~{chance.randint(1, DEEPEST)}:{when}")
                    report.add("of them at a step of a client's move", 1)
                else:
                    await ca.ready()
                    await anyio.sleep(chance.uniform(0.0, LONGEST))
                    ca.kill()
            await ca.ready()
            visitors.enough = True
        report.add("orders that nobody was told of", await visitors.give_up_the_rest())
        await ca.until_ended()
        counted = await audit(ca)
        await web.aclose()
        await ca.stop()
    report.facts |= {"sessions": counted.sessions, "certificates": counted.certificates}
    report.facts |= {"signatures": counted.signatures, "laws": LAWS}
    return report


async def _kill_at(ca: Scene, target: str) -> None:
    """Start the program, which ends itself by SIGKILL at that point."""
    program = ca.start(TORTURE_TRACE="", TORTURE_TARGET=target)
    with anyio.move_on_after(_NEVER):
        while not ca.killed():  # noqa: ASYNC110  a process has no event
            await anyio.sleep(LOOK)
        ca.kills += 1
        return
    raise Breach(f"{target} is never passed", program.log())
