"""The running program: what it is made of and the order in which its parts start and stop.

Start: store, lease, recovery scan, stages, ready. Stop: not ready, take nothing more, let work end, give the rest back,
yield the lease, stop the store last. Each step that fails says so and ends with its exit code (`failures.py`).
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
import structlog

from stages.ca.issuer import Issuer
from stages.challenges.validators import Validators
from stages.errors import LeaseLost, StoreUnavailable
from stages.store.connection import StoreSettings
from stages.store.health import check_store
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.store import Store
from supervisor import build
from supervisor.acme.front import Front
from supervisor.admin import AdminToken, Facts, Routes, gather, own_routes, serve_admin
from supervisor.control.answering import Answerer
from supervisor.control.listener import serve_control
from supervisor.embedded import Embedded, EmbeddedError, embedded_store
from supervisor.lifecycle import notify
from supervisor.lifecycle.stage_set import make_stages
from supervisor.lifecycle.watchdog import Watchdog, watchdog_interval
from supervisor.pipeline.committer import Committer
from supervisor.pipeline.journal import record_move
from supervisor.reload import Reloader
from supervisor.term.health import Health
from supervisor.term.identity import who_am_i
from supervisor.term.leasing import kept, take_lease
from supervisor.term.pulse import keep_pulse
from supervisor.term.term import Term
from supervisor.upkeep.rescue import rescue
from supervisor.upkeep.tasks import keep_crl, keep_embedded, sweep

log = structlog.get_logger()

_COMMAND_MOMENT, _COMMAND_LOOKS = 3.0, 15
"""Seconds for which a command may own the embedded store while the program starts, and looks in that time."""
_FIRST_TRIES = 20
"""Tries, half a second apart, for a store that is not there yet when the program starts."""
_AGAIN = 1.0
"""Seconds until a new term is tried after the store went away while one began."""
_YIELD_LIMIT = 2.0


class Program:
    """One run of the program, with the settings that `reloader` holds."""

    def __init__(self, reloader: Reloader, issuer: Issuer, health: Health) -> None:
        self.reloader = reloader
        self.issuer = issuer
        self.health = health
        self.began = time.monotonic()
        self._term: Term | None = None
        self._front: Front | None = None
        self._starting = anyio.CancelScope()
        self._stops = 0
        self._served = False

    async def run(self) -> None:
        """Work until a signal says stop. Raises what `supervisor.lifecycle.failures` has an exit code for."""
        async with anyio.create_task_group() as self._tasks:
            group = self._tasks
            await group.start(self._hear_signals, name="signals")
            answer = Answerer(self.reloader, self.health)
            await group.start(serve_control, self.reloader.settings.data_dir, answer, name="control")
            dog = Watchdog(watchdog_interval(os.environ, os.getpid()), self.health.pulse, notify.tell)
            group.start_soon(keep_pulse, self.health.pulse, time.monotonic, dog.beaten, dog.period, name="pulse")
            if listen := self.reloader.settings.admin.listen:
                token = AdminToken(self.reloader.settings)
                self.reloader.followers.append(token.follow)
                await group.start(serve_admin, listen, self._admin_routes(), token, name="admin")
            with self._starting:
                async with self._store() as store:
                    if self.reloader.settings.acme.on:
                        self._front = Front(store, self.issuer, self.reloader)
                    await self._terms(store)
            self.health.stop()
            group.cancel_scope.cancel()

    def _admin_routes(self) -> Routes:
        """Every page of the admin listener; those that need the store answer 503 while there is none."""
        return {**own_routes(self._facts)}

    def _facts(self) -> Facts:
        return gather(self.health, time.monotonic() - self.began)

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        settings = self.reloader.settings
        log.info("store.starting", url=settings.store.url if settings.store.url == "embedded" else "remote")
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            embedded: Embedded | None = None
            if settings.store.url == "embedded":
                embedded = await self._own_store(stack, settings.data_dir)
                self._tell_about(embedded)
            address = build.store_settings(settings, embedded.url if embedded else "")
            store = Store(address, time.time)
            stack.push_async_callback(store.aclose)
            await self._check(store, address, began)
            if embedded is not None:
                group = await stack.enter_async_context(anyio.create_task_group())
                stack.callback(group.cancel_scope.cancel)
                group.start_soon(keep_embedded, embedded, name="embedded")
            yield store

    @staticmethod
    async def _own_store(stack: AsyncExitStack, data_dir: Path) -> Embedded:
        """The embedded store; a command that has started it for its moment is waited for, another program is not."""
        for remaining in range(_COMMAND_LOOKS, -1, -1):
            try:
                return await stack.enter_async_context(embedded_store(data_dir))
            except EmbeddedError as error:
                if not error.held_by or not remaining:
                    raise
            await anyio.sleep(_COMMAND_MOMENT / _COMMAND_LOOKS)
        raise AssertionError  # the loop returns or raises

    async def _check(self, store: Store, address: StoreSettings, began: float) -> None:
        for remaining in range(_FIRST_TRIES, -1, -1):
            try:
                found = await check_store(store)
                break
            except StoreUnavailable:
                if not remaining or store.settings.wait_aof_timeout == 0:
                    raise
                await anyio.sleep(0.5)
        for reason in found.warnings:
            log.warning("store.warning", reason=reason)
        if address.wait_aof_timeout and not found.has_waitaof:
            store.settings = build.without_wait(address)
        took = round(time.monotonic() - began, 3)
        log.info("store.ready", server=found.server, version=found.version, took=took)

    @staticmethod
    def _tell_about(embedded: Embedded) -> None:
        report = embedded.aof_report()
        if embedded.left_over:
            log.warning("store.warning", reason=f"ended the server {embedded.left_over} which a killed run had left")
        if report.truncated:
            log.warning(
                "store.warning",
                reason=f"an unfinished write of {report.lost} bytes was cut off the append-only file; it was never"
                " acknowledged",
                lines=list(report.lines),
            )

    async def _terms(self, store: Store) -> None:
        """One term after another: a lost lease costs what was in flight, not the program."""
        while True:
            try:
                await self._serve(store)
            except LeaseLost as lost:
                log.error("lease.lost", why=str(lost))  # noqa: TRY400  a trace says nothing more
            except StoreUnavailable as error:
                # At the first start there is somebody to be told; later the store is waited for.
                if not self._served:
                    raise
                log.error("store.lost", why=str(error), moves=0)  # noqa: TRY400  as above
                await anyio.sleep(_AGAIN)
            else:
                return
            finally:
                self._term = self.reloader.term = None
                if self._front is not None:
                    self._front.leave()
                self.health.lose_lease()
            if self._stops:
                return

    async def _serve(self, store: Store) -> None:
        table = self.reloader.settings.store
        lease = await take_lease(store, who_am_i(), table.lease, several=table.one_of_several)
        log.info("lease.taken", supervisor=lease.supervisor, fence=int(lease.token))
        try:
            await self._hold(store, lease)
        except anyio.get_cancelled_exc_class():
            # Told to stop before it was ready: another supervisor need not wait for the lease to run out.
            with anyio.move_on_after(_YIELD_LIMIT, shield=True), suppress(StoreUnavailable):
                await lease.yield_()
            raise
        try:
            await lease.yield_()
        except StoreUnavailable as error:
            log.warning("store.warning", reason=f"the lease could not be given up and runs out by itself: {error}")

    async def _hold(self, store: Store, lease: Lease) -> None:
        reloader = self.reloader
        committer = Committer(store, lease, keep=lambda: reloader.domain.keep)
        async with kept(lease):
            await rescue(store, lease, reloader, committer, show=True)
        own = build.own_addresses(reloader.settings)
        validators = Validators(build.validation(reloader.settings, own), None, time.time)
        reloader.follow(validators, own)
        stages = make_stages(reloader, validators, self.issuer, committer, time.time, secrets.token_bytes)
        committer.committed = self._told_to(committer)
        term = Term(store, lease, committer, stages, reloader.queue)
        self._term = reloader.term = term
        self.health.serve(term)
        if self._stops:
            term.stop()
        await term.run(
            self._ready,
            lambda: reloader.settings.shutdown.grace,
            lambda: sweep(store, lease, reloader, committer),
            lambda: keep_crl(store, self.issuer, reloader),
        )

    def _told_to(self, committer: Committer) -> Callable[[Move], None]:
        """Who hears of a committed move: the journal, and clients that wait at the front door."""
        if self._front is None:
            return record_move
        waiter = self._front.enter(committer)

        def committed(move: Move) -> None:
            record_move(move)
            waiter.notify(move)

        return committed

    async def _ready(self) -> None:
        if self._front is not None and not self._front.is_open and not self._stops:
            await self._front.open(self._tasks)
        self._served = True
        self.health.ready = True
        notify.tell("READY=1")
        log.info("supervisor.ready", took=round(time.monotonic() - self.began, 3), pid=os.getpid())

    async def _hear_signals(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    if not self._stops:  # what is stopping has no more use for other settings
                        self.reloader.reload()
                else:
                    self._stop(signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        self._stops += 1
        self.health.stop()
        notify.tell("STOPPING=1")
        log.info("supervisor.stopping", signal=name, now=self._stops > 1, grace=self.reloader.settings.shutdown.grace)
        if self._term is None:
            self._starting.cancel()
        elif self._stops == 1:
            self._tasks.start_soon(self._wind_up, self._term, name="stop")
        else:
            self._term.stop_now()

    async def _wind_up(self, term: Term) -> None:
        """The doors first: what clients have asked is answered while the stages still work."""
        if self._front is not None:
            with anyio.move_on_after(self.reloader.settings.shutdown.grace):
                await self._front.close()
        term.stop()
