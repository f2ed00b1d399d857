"""The front: the ACME server of a running program. It listens from the first term on, and has a door in each term.

Between two terms, and while the program stops, there is no door: clients are told to come back (503). The program
(`supervisor.lifecycle`) opens it, brings it into each term, and closes it before anything else ends.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.abc
import structlog

from stages.account import Account
from stages.ca.issuer import Issuer
from stages.store.batch import Reader
from stages.store.moves import Move
from stages.store.store import Store
from supervisor import build
from supervisor.acme.delivery import Deliveries
from supervisor.acme.desk import Desk, Mover
from supervisor.acme.door import Door
from supervisor.acme.nonces import Nonces
from supervisor.acme.problems import from_status, problem_response
from supervisor.acme.publishing import Publisher
from supervisor.acme.recent import Recent
from supervisor.acme.shown_certificate import shown_certificate
from supervisor.acme.urls import Urls
from supervisor.acme.waiting import Waiter
from supervisor.config.acme import Acme
from supervisor.config.addresses import Address
from supervisor.config.settings import Settings
from supervisor.http.activation import Activation
from supervisor.http.message import Handler, Request, Response
from supervisor.http.refusing import OnRefused
from supervisor.http.server import serve
from supervisor.http.settings import HttpSettings
from supervisor.meter import PUBLISHED, Meter
from supervisor.pipeline.committer import Committer
from supervisor.reload import Reloader
from supervisor.upkeep.press import Press

log = structlog.get_logger()

_TO_ANSWER = 1.0
"""Seconds beyond the longest bounded wait that a request in work has when the program stops."""


class Front:
    """The listeners, what they answer, and the certificate that they show."""

    def __init__(
        self,
        store: Store,
        issuer: Issuer,
        reloader: Reloader,
        activation: Activation | None = None,
        meter: Meter | None = None,
    ) -> None:
        acme = reloader.settings.acme
        self._activation = activation or Activation()
        self._store = store
        self._issuer = issuer
        self._reloader = reloader
        self._meter = meter if meter is not None else Meter()
        self._urls = Urls(acme.url)
        self._nonces = Nonces(secrets.token_bytes, time.monotonic, acme.nonce_lifetime)
        reloader.followers.append(lambda new: partial(setattr, self._nonces, "lifetime", new.acme.nonce_lifetime))
        self._publisher = Publisher(issuer, lambda: reloader.settings.crl.file, store.clock)
        self._press = Press(store, issuer, lambda: reloader.settings)
        self._alternates = build.alternates(reloader.settings, issuer, int(store.clock()))
        self._limits = reloader.settings, http_settings(reloader.settings)
        self._door: Door | None = None
        self._deliveries: Deliveries | None = None
        self._recent: Recent | None = None
        self._stopping = anyio.Event()
        self._listeners = 0
        self._closed = anyio.Event()
        self.is_open = False

    async def open(self, group: anyio.abc.TaskGroup) -> None:
        """Listen from now on, with tasks of `group`.

        Raises:
            Refused: an address or a TLS file cannot be used, or the CA may not certify its own names.
            StoreUnavailable: the CA's own certificate could not be put on record.
        """
        acme = self._acme()
        tls = await shown_certificate(group, self._store, self._issuer, self._reloader)
        await self._listen(group, acme.addresses, self._handle, self._refuse, tls=tls)
        if acme.http_listen:
            handle, refuse = self._publish, self._publisher.refuse
            await self._listen(group, acme.http_addresses, handle, refuse, tls=None, setting="acme.http_listen")
        self.is_open = True
        log.info("acme.ready", directory=self._urls.directory)

    async def _listen(
        self,
        group: anyio.abc.TaskGroup,
        addresses: Sequence[Address],
        handler: Handler,
        refuse: OnRefused,
        *,
        tls: Callable[[], ssl.SSLContext] | None,
        setting: str = "acme.listen",
    ) -> None:
        async def listen(*, task_status: anyio.abc.TaskStatus[list[tuple[str, int]]]) -> None:
            try:
                await serve(
                    self._activation.listening(setting, addresses),
                    handler,
                    self._http,
                    tls=tls,
                    on_refused=refuse,
                    stopping=self._stopping,
                    setting=setting,
                    meter=self._meter.server(setting),
                    task_status=task_status,
                )
            finally:
                self._listeners -= 1
                if not self._listeners:
                    self._closed.set()

        self._listeners += 1
        await group.start(listen, name=setting)

    def enter(self, committer: Committer) -> Waiter:
        """A term begins: the door of this committer; its `committed` moves are to be told to the waiter."""
        waiter = Waiter()
        move: Mover = committer.move
        reader, several = Reader(self._store), self._reloader.settings.store.one_of_several
        recent = self._recent = Recent(reader, time.monotonic, off=several)

        def heard(move: Move) -> None:
            recent.heard(move)
            waiter.heard(move)

        committer.answers.heard, committer.answers.doubted = heard, recent.doubted
        self._deliveries = Deliveries(move, self._sent_until, lambda: self._reloader.domain.keep)
        self._door = Door(
            Desk(
                store=self._store,
                reader=reader,
                recent=recent,
                mover=move,
                waiting=waiter,
                urls=self._urls,
                nonces=self._nonces,
                settings=self._acme,
                domain=lambda: self._reloader.domain,
                issuer=self._issuer,
                clock=self._store.clock,
                random_bytes=secrets.token_bytes,
                deliveries=self._deliveries,
                alternates=self._alternates,
                published=self._press.publish,
            ),
            time.monotonic,
            self._meter.acme,
        )
        return waiter

    async def account(self, id_: str) -> Account | None:
        """The account with this id, as the door knows it; for the issue stage. Raises what `Recent.look` raises."""
        assert self._recent is not None  # noqa: S101  stages run in a term only
        return (await self._recent.look(id_, ""))[0]

    def leave(self) -> None:
        """The term is over."""
        self._door = self._deliveries = self._recent = None

    async def close(self) -> None:
        """Accept nothing more, and come back when what was in work is answered."""
        self._stopping.set()
        if self.is_open:
            await self._closed.wait()
        if self._deliveries is not None:
            await self._deliveries.settled()

    async def _handle(self, request: Request) -> Response:
        if self._publisher.has(request.path):
            return await self._publish(request)
        if self._door is None:
            self._meter.acme.answered("", 503, "serverInternal", 0.0)
            return self._refuse(503, "the CA is not ready; try again soon")
        return await self._door.handle(request)

    async def _publish(self, request: Request) -> Response:
        began = time.monotonic()
        response = await self._publisher.handle(request)
        self._meter.acme.answered(PUBLISHED, response.status, "", time.monotonic() - began)
        return response

    def _refuse(self, status: int, detail: str, request: Request | None = None) -> Response:
        if self._door is not None:
            return self._door.refuse(status, detail, request)
        retry, nonce = str(self._acme().retry_after), self._nonces.issue()  # the nonces outlive each door
        return problem_response(from_status(status, detail, [("Retry-After", retry), ("Replay-Nonce", nonce)]))

    def _acme(self) -> Acme:
        return self._reloader.settings.acme

    def _sent_until(self) -> int:
        """What the done stage says of a certificate that is sent now."""
        grace = self._reloader.domain.done.grace
        return int(self._store.clock()) + grace if grace else 0

    def _http(self) -> HttpSettings:
        """Asked several times for each request; made anew after a reload."""
        settings = self._reloader.settings
        if settings is not self._limits[0]:
            self._limits = settings, http_settings(settings)
        return self._limits[1]


def http_settings(settings: Settings) -> HttpSettings:
    """The limits of [acme] as the web server takes them."""
    acme = settings.acme
    return HttpSettings(
        max_body=acme.max_body,
        connections=acme.connections,
        handshake_timeout=acme.header_timeout,
        header_timeout=acme.header_timeout,
        body_timeout=acme.body_timeout,
        idle_timeout=acme.idle_timeout,
        grace=min(acme.wait + _TO_ANSWER, settings.shutdown.grace),
    )
