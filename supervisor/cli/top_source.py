"""Where `top` gets what it shows: the admin listener when it is on, else the store itself. For `supervisor.cli.top`."""

from __future__ import annotations

import http.client
import socket
from collections import deque
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import anyio.to_thread
import msgspec

from stages.errors import Refused, StoreUnavailable
from stages.store.store import Store
from supervisor.build import read_secret
from supervisor.cli.invocation import Invocation
from supervisor.cli.stores import is_embedded, running, work_in
from supervisor.config import Settings
from supervisor.config.addresses import socket_path, tcp_addresses
from supervisor.overview.parts import Overview, Samples, SessionList
from supervisor.overview.ring import KEPT
from supervisor.overview.view import View

T = TypeVar("T")

EVERY: Final = 2.0
"""Seconds between two looks."""
SELDOM: Final = 10.0
"""The same where each look starts the embedded store for its moment: nobody works on it then."""
_PATIENCE: Final = 10.0
_ROWS: Final = 50


class Look(NamedTuple):
    """What was seen; `where` names the source for people, `again` is the time until the next look in seconds."""

    overview: Overview
    sessions: SessionList
    where: str
    again: float = EVERY


class Source:
    """Looks at the program of these settings, each time by the best way there is."""

    def __init__(self, settings: Settings, invocation: Invocation) -> None:
        self._settings = settings
        self._invocation = invocation
        self._store: Store | None = None
        self._view = View(lambda: self._store, lambda: settings, lambda: None)
        self._samples: deque[_Totals] = deque(maxlen=KEPT)

    async def look(self) -> Look:
        """Look once. Raises Refused, StoreUnavailable, EmbeddedError."""
        listen = self._settings.admin.listen
        if listen:
            try:
                return await anyio.to_thread.run_sync(self._ask, listen)
            except OSError:
                pass  # it is not on: the store may still be there
        async with running(self._settings, self._invocation.clock) as there:
            alone = is_embedded(self._settings) and there is None
        return await work_in(self._settings, self._invocation, lambda store: self._look_in(store, alone=alone))

    def _ask(self, listen: str) -> Look:
        token = read_secret(self._settings.admin.token_file, "admin.token_file")
        overview = _get(listen, token, "/api/overview", Overview)
        sessions = SessionList(overview.at, "newest", [], more=False, looked=0, active=0)
        if overview.store_available:
            sessions = _get(listen, token, f"/api/sessions?show=newest&count={_ROWS}", SessionList)
        return Look(overview, sessions, f"the admin listener, {listen}")

    async def _look_in(self, store: Store, *, alone: bool) -> Look:
        self._store = store
        try:
            now = self._invocation.clock()
            overview, sessions = await self._view.overview(now), await self._view.sessions("newest", now, _ROWS)
        finally:
            self._store = None
        seen = overview.store
        if seen is not None:
            at_work = sum(each.in_flight for each in seen.supervisors)
            pending = [queue.pending for queue in overview.queues]
            delayed = [queue.delayed for queue in overview.queues]
            self._samples.append(
                _Totals(now, seen.certificates, seen.retired, seen.rejected, at_work, pending, delayed)
            )
        samples = _columns(list(self._samples), SELDOM if alone else EVERY)
        overview = msgspec.structs.replace(overview, samples=samples)
        where = "the store, which no supervisor works on" if alone else "the store; no admin listener is on"
        return Look(overview, sessions, where, SELDOM if alone else EVERY)


class _Totals(NamedTuple):
    at: float
    certificates: int
    retired: int
    rejected: int
    at_work: int
    pending: list[int]
    delayed: list[int]


def _columns(kept: list[_Totals], step: float) -> Samples:
    """As the program's own ring has them; what is at work is not known by queue, and stands under the first."""

    def grown(name: str) -> list[int]:
        values = [getattr(each, name) for each in kept]
        return [0, *(max(0, new - old) for old, new in pairwise(values))]

    return Samples(
        step,
        kept[-1].at if kept else 0.0,
        [[each.pending[n] for each in kept] for n in range(4)],
        [[each.delayed[n] for each in kept] for n in range(4)],
        [[each.at_work if not n else 0 for each in kept] for n in range(4)],
        grown("certificates"),
        grown("retired"),
        grown("rejected"),
        [0] * len(kept),
        [1] * len(kept),
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        """Open the socket; http.client calls it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


def _connection(listen: str) -> http.client.HTTPConnection:
    path = socket_path(listen)
    if path is not None:
        return _UnixConnection(path)
    [address] = tcp_addresses(listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104  what listens everywhere listens here
    return http.client.HTTPConnection(host, address.port, timeout=_PATIENCE)


def _get(listen: str, token: str, path: str, kind: type[T]) -> T:
    """The document at a path; OSError where nobody listens."""
    connection = _connection(listen)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise Refused("config", "admin.listen", f"what listens at {listen} does not speak HTTP: {error!r}") from None
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.UNAUTHORIZED:
        raise Refused("config", "admin.token_file", "the program that runs asks for another token")
    if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        raise StoreUnavailable(f"what listens at {listen} cannot answer {path} now")
    if answer.status == http.HTTPStatus.OK:
        with suppress(msgspec.DecodeError):
            found: T = msgspec.json.decode(body, type=kind)
            return found
    why = f"what listens at {listen} answers {path} with status {answer.status}, and not as this version does"
    raise Refused("config", "admin.listen", why)
