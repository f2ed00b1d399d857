"""One connection: its turns and its end. For `server` only.

One request is in work at a time; those sent ahead wait, and while one waits nothing more is read. A client that goes
away cancels nothing: its handler runs to its end, since what it has begun may be committed, and the answer is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import structlog

from supervisor.http.message import Handler, Request, Response, client_address
from supervisor.http.reading import Phase, Reader, Turn
from supervisor.http.receipts import Receipts
from supervisor.http.refusing import Refusals
from supervisor.http.settings import HttpSettings
from supervisor.http.timeouts import LINGER, Due, Timeouts
from supervisor.http.writing import CONTINUE, LAST_RESORT, encode

log = structlog.get_logger()


class Owner(Protocol):
    """What a connection needs of the server."""

    handler: Handler
    settings: Callable[[], HttpSettings]
    refusals: Refusals
    stopping: bool

    def released(self, connection: Connection) -> None:
        """The connection is gone and nothing of it is in work."""

    def changed(self) -> None:
        """A connection may have stopped being busy."""


class Connection(asyncio.Protocol):
    """One connection; with `full` it gets a 503 and nothing else."""

    def __init__(self, owner: Owner, *, full: bool = False) -> None:
        self._owner = owner
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None
        self._served = self._stalled = self._held_back = self._eof = self._closing = self._lost = False
        self._secure = False
        self._receipts = Receipts()
        self._timeouts = Timeouts(self._loop, owner.settings, self._unsent, self._too_late)

    @property
    def busy(self) -> bool:
        """Whether a request is in work or on its way in, or an answer on its way out."""
        reader, transport = self._reader, self._transport
        if self._task is not None:
            return True
        if self._lost or reader is None or transport is None:
            return False
        return bool(reader.turns) or reader.phase is not Phase.IDLE or transport.get_write_buffer_size() > 0

    @property
    def served(self) -> bool:
        """Whether it has got an answer."""
        return self._served

    @property
    def awaited(self) -> bool:
        """Whether its first request is still to come, or its handshake."""
        return not (self._served or self._closing or self._lost or self.busy)

    def quiet(self) -> None:
        """The server stops: an idle connection ends now, another one with the answer that is due."""
        if self._transport is not None and not self.busy and not self._closing:
            self._finish()

    def abort(self) -> None:
        """End it now, with the handler in work."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, its TLS handshake done."""
        self._transport = made = cast("asyncio.Transport", transport)
        made.set_write_buffer_limits(high=1, low=0)  # told of every byte that the network has not taken
        self._secure = made.get_extra_info("ssl_object") is not None
        peer = made.get_extra_info("peername")
        self._reader = Reader(client_address(str(peer[0])) if peer else "", self._owner.settings, secure=self._secure)
        if self._full:
            self._reader.refuse(503, "there are too many connections; try again")
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Something has arrived."""
        reader = self._reader
        assert reader is not None  # noqa: S101  asyncio calls connection_made first
        reader.feed(data)
        self._go_on()
        if reader.turns and not self._held_back and not self._closing:
            self._held_back = True
            self._of_transport().pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more; what it asked is answered where it can still hear (TLS cannot be half closed)."""
        self._eof = True
        return not self._secure and (self._task is not None or bool(self._reader and self._reader.turns))

    def pause_writing(self) -> None:
        """The network takes no more for now."""
        self._stalled = True
        self._go_on()

    def resume_writing(self) -> None:
        """The network has taken everything."""
        self._stalled = False
        self._receipts.give()
        self._go_on()
        self._owner.changed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        del exc  # why does not matter: whatever was to be answered is dropped
        self._lost = True
        self._timeouts.end()
        if self._reader is not None:
            self._reader.turns.clear()
        self._receipts.drop()
        if self._task is None:
            self._owner.released(self)

    # Turns.

    def _of_transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101  asyncio calls connection_made first
        return self._transport

    def _go_on(self) -> None:
        """Begin the next turn where none is in work, then wait for whatever is due."""
        reader = self._reader
        if self._task is None and not (self._stalled or self._closing or self._lost) and reader is not None:
            if reader.turns:
                self._begin(reader.turns.popleft())
            elif self._eof or (reader.ended and self._served):
                self._finish()
            if self._held_back and not reader.turns and not self._closing:
                self._held_back = False
                self._of_transport().resume_reading()
            if reader.wants_continue and self._task is None and not self._closing:
                reader.wants_continue = False
                self._of_transport().write(CONTINUE)
        if not (self._closing or self._lost or reader is None):
            working = self._task is not None or bool(reader.turns)
            self._timeouts.follow(reader.phase, stalled=self._stalled, working=working, served=self._served)

    def _begin(self, turn: Turn) -> None:
        if turn.request is None:
            self._reply(turn, self._owner.refusals.answer(turn.status, turn.detail, None))
        else:
            self._task = self._loop.create_task(self._work(turn, turn.request))

    async def _work(self, turn: Turn, request: Request) -> None:
        try:
            response = await self._owner.handler(request)
            if not self._lost:
                self._reply(turn, response)
        except Exception:
            log.exception("http.failed", method=request.method, path=request.path)
            if not self._lost:
                detail = "the server failed; its operator finds the reason in its log"
                self._reply(turn, self._owner.refusals.answer(500, detail, request))
        finally:
            self._task = None
            if self._lost:
                self._owner.released(self)
            else:
                self._go_on()

    def _reply(self, turn: Turn, response: Response | None) -> None:
        """Send an answer; raises BadResponse, with nothing sent, for one that cannot be."""
        reader, transport = self._reader, self._of_transport()
        keep = turn.keep and response is not None and not self._owner.stopping
        if reader is not None and reader.ended and not reader.turns:
            keep = False
        method = turn.request.method if turn.request else ""
        data = encode(response, method, keep=keep, old=turn.old) if response else LAST_RESORT
        self._served = True
        transport.write(data)
        if response is not None and response.written is not None and not transport.is_closing():
            self._receipts.owe(response.written)
            if not self._stalled:
                self._receipts.give()
        if not keep:
            self._finish(unread=turn.request is None)

    def _finish(self, *, unread: bool = False) -> None:
        """End the connection once its answers are out; `unread`: the client may still be sending."""
        if self._closing or self._lost:
            return
        self._closing = True
        if self._reader is not None:
            self._reader.end()
            self._reader.turns.clear()
        transport = self._of_transport()
        if unread and not self._eof:
            if transport.can_write_eof():
                transport.write_eof()
            if self._held_back:
                self._held_back = False
                transport.resume_reading()
            self._timeouts.begin(Due.LINGERED, LINGER)
        else:
            transport.close()
            self._timeouts.begin(Due.CLOSED, self._owner.settings().write_timeout)
        self._owner.changed()

    # Timeouts.

    def _unsent(self) -> int:
        return self._of_transport().get_write_buffer_size()

    def _too_late(self, due: Due) -> None:
        if due in {Due.HEAD, Due.BODY} and self._reader is not None:
            self._reader.refuse(408, f"the request did not come to its end in time: {due.value} is missing")
            self._go_on()
        elif due in {Due.TAKEN, Due.CLOSED}:
            self._of_transport().abort()
        elif due is Due.LINGERED:
            self._of_transport().close()
            self._timeouts.begin(Due.CLOSED, LINGER)
        else:
            self._finish()
