"""A CA with its ACME door open, and all around it: clients, the http-01 responder, DNS, the store. For this folder.

Every name that `name` gives leads to the responder, which answers with what clients have shown to it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from anyio import to_thread

from stages.store.connection import StoreSettings
from stages.store.store import Store
from supervisor.acme.urls import Urls
from tests.e2e.challenges.peers import Zone, nameserver
from tests.harness.acme_client import AcmeClient
from tests.harness.authority import make_authority
from tests.harness.fetching import service_port
from tests.harness.process import Program
from tests.harness.responder import responder
from tests.harness.site import ADDRESS, Site
from tests.harness.web import Web

_CONFIG = """resolver = "127.0.0.1:{dns}"
[challenges]
types = ["http-01"]
{store}[acme]
listen = "127.0.0.1:{listen}"
url = "{url}"
http_listen = "127.0.0.1:{plain}"
{acme}"""


class AcmeSite(Site):
    """A CA below `folder`.

    Attributes:
        zone: what its name server knows.
        tokens: what the responder answers.
        listen, plain: ports of the ACME server, and of the CRL over HTTP.
        web: the clients' way to the ACME server; `new_web` makes another.
    """

    zone: Zone
    tokens: dict[str, str]
    listen: int
    plain: int
    urls: Urls
    web: Web
    new_web: Callable[[], Web]
    _names = 0

    def name(self) -> str:
        """A DNS name that nobody has used yet and that leads to the responder."""
        self._names += 1
        return self.known(f"n{self._names}.example")

    def known(self, name: str) -> str:
        """This DNS name, which leads to the responder from now on."""
        self.zone[f"{name}.", "A"] = [ADDRESS]
        return name

    def client(self, *, patience: float = 0.0) -> AcmeClient:
        """A client without an account."""
        return AcmeClient(self.web, self.urls, self.tokens, patience=patience)

    async def account(self, *, patience: float = 0.0) -> AcmeClient:
        """A client with an account."""
        client = self.client(patience=patience)
        assert (await client.register()).status == 201
        return client

    async def stop(self, program: Program) -> None:
        """End the program, and look whether all went well: it logged no error and nothing but log lines."""
        assert await to_thread.run_sync(program.stop) == 0
        assert [event for event in program.events if event["level"] == "error"] == []
        assert program.other == []


class Way(NamedTuple):
    """How clients reach a server that something stands before.

    Attributes:
        listen: the port where the program listens.
        port: the port that clients connect to.
        url: what they think that they connect to.
        trust: PEM of the CA of what they find there.
    """

    listen: int
    port: int
    url: str
    trust: Path


@asynccontextmanager
async def acme_site(
    folder: Path, acme: str = "", *, store: str = "", way: Way | None = None
) -> AsyncIterator[AcmeSite]:
    """A CA whose program is not started yet.

    `acme` is appended to [acme], `store` is the URL of an external store; clients reach the program itself unless there
    is another `way`.
    """
    if way is None:
        port = service_port()
        way = Way(port, port, f"https://127.0.0.1:{port}", folder / "data" / "ca" / "root.pem")
    zone: Zone = {}
    tokens: dict[str, str] = {}
    plain = service_port()
    async with nameserver(zone) as dns, responder("") as peer:
        peer.answer = tokens.get
        table = f'[store]\nurl = "{store}"\nlease = "3s"\n' if store else ""
        text = _CONFIG.format(dns=dns.port, store=table, listen=way.listen, url=way.url, plain=plain, acme=acme)
        config = make_authority(folder, text, http_port=peer.port)
        own = Store(StoreSettings(url=store or f"unix://{folder}/data/store/valkey.sock"), time.time)
        site = AcmeSite(folder, config, peer, "", own)
        site.zone, site.tokens, site.listen, site.plain, site.urls = zone, tokens, way.listen, plain, Urls(way.url)
        tls = ssl.create_default_context(cafile=way.trust)
        site.new_web = partial(Web, way.port, tls, way.url.removeprefix("https://"))
        site.web = site.new_web()
        try:
            yield site
        finally:
            await site.web.aclose()
            await own.aclose()
