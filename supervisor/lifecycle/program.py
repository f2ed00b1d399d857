"""The running program: what it is made of and the order in which its parts start and stop.

Start: store, lease, recovery scan, stages, ready. Stop: not ready, take nothing more, let work end, give the rest back,
yield the lease, stop the store last. Each step that fails says so and ends with its exit code (`failures.py`).
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import anyio.abc
import structlog

from stages.ca.issuer import Issuer
from stages.challenges.validators import Validators
from stages.errors import LeaseLost, StoreUnavailable
from stages.store.lease import Lease
from stages.store.moves import Move
from stages.store.store import Store
from supervisor import build
from supervisor.acme.front import Front
from supervisor.admin import AdminToken, Routes, serve_admin
from supervisor.control.answering import Answerer
from supervisor.control.listener import serve_control
from supervisor.http.activation import Activation
from supervisor.lifecycle import notify
from supervisor.lifecycle.figures import Figures
from supervisor.lifecycle.opening import open_store
from supervisor.lifecycle.stage_set import accounts_in, make_stages
from supervisor.lifecycle.standing import Standing
from supervisor.lifecycle.warned import Warned
from supervisor.lifecycle.watch import Watch
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
from supervisor.upkeep.tasks import keep_crl, sweep

log = structlog.get_logger()

_AGAIN = 1.0
"""Seconds until a new term is tried after the store went away while one began."""
_YIELD_LIMIT = 2.0


class Program:
    """One run of the program, with the settings that `reloader` holds and the sockets that it was passed."""

    def __init__(self, reloader: Reloader, issuer: Issuer, health: Health, activation: Activation) -> None:
        self.reloader = reloader
        self.issuer = issuer
        self.health = health
        self.standing = Standing(notify.tell, health, time.monotonic_ns)
        self._activation = activation
        self.began = time.monotonic()
        self.warned = Warned(reloader, issuer, health.meter.store)
        self._watch = Watch(reloader, health, lambda: self.warned.warnings, self.began)
        self._figures = Figures(reloader, health, issuer, self.warned, self.began)
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
            group.start_soon(self._keep_pulse, name="pulse")
            if listen := self.reloader.settings.admin.listen:
                token = AdminToken(self.reloader.settings)
                self.reloader.followers.append(token.follow)
                numbers = self.health.meter.server("admin.listen")
                await group.start(
                    serve_admin, listen, self._admin_routes(), token, numbers, self._activation, name="admin"
                )
                group.start_soon(self._watch.keep, name="watch")
            with self._starting:
                self.standing.step("starting the store")
                async with open_store(self.reloader.settings) as store:
                    self._watch.store = store
                    if self.reloader.settings.acme.on:
                        self._front = Front(store, self.issuer, self.reloader, self._activation, self.health.meter)
                    await self._terms(store)
            self.health.stop()
            group.cancel_scope.cancel()

    def _admin_routes(self) -> Routes:
        """Every page of the admin listener; those that need the store answer 503 while there is none."""
        return {**self._figures.routes(), **self._watch.routes()}

    async def _keep_pulse(self) -> None:
        """Those who hear each beat: systemd's watchdog, and its status line."""
        dog = Watchdog(watchdog_interval(os.environ, os.getpid()), self.health.pulse, notify.tell)

        def beaten(now: float) -> None:
            dog.beaten(now)
            self.standing.beaten()

        await keep_pulse(self.health.pulse, time.monotonic, beaten, dog.period)

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
        self.standing.step("waiting for the lease")
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
        committer = Committer(store, lease, keep=lambda: reloader.domain.keep, meter=self.health.meter)
        self.health.begin(committer)
        self.standing.step("putting every session where it belongs")
        async with kept(lease):
            await rescue(store, lease, reloader, committer, show=True)
        own = build.own_addresses(reloader.settings)
        validators = Validators(build.validation(reloader.settings, own), None, time.time)
        reloader.follow(validators, own)
        accounts = self._front.account if self._front is not None else accounts_in(store)
        stages = make_stages(reloader, validators, self.issuer, committer, accounts, time.time, secrets.token_bytes)
        committer.answers.committed = self._told_to(committer)
        term = Term(store, lease, committer, stages, reloader.queue)
        self._term = reloader.term = term
        self.health.serve(term)
        if self._stops:
            term.stop()
        await term.run(
            self._ready,
            lambda: reloader.settings.shutdown.grace,
            lambda: sweep(store, lease, reloader, committer, self.warned.steady),
            lambda: keep_crl(store, self.issuer, reloader),
            lambda: self.warned.keep(store),
            lambda: self._figures.keep(store),
        )

    def _told_to(self, committer: Committer) -> Callable[[Move], None]:
        """Who hears of a committed move: the journal, the page, and clients that wait at the front door."""
        hear, count = self._watch.hear, self.health.meter.committed
        tell = self._front.enter(committer).notify if self._front is not None else None

        def committed(move: Move) -> None:
            record_move(move)
            count(move)
            hear(move)
            if tell is not None:
                tell(move)

        return committed

    async def _ready(self) -> None:
        if self._front is not None and not self._front.is_open and not self._stops:
            await self._front.open(self._tasks)
        self._served = True
        self.health.ready = True
        self.standing.ready()
        log.info("supervisor.ready", took=round(time.monotonic() - self.began, 3), pid=os.getpid())

    async def _hear_signals(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        heard = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
        with anyio.open_signal_receiver(*heard) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    if not self._stops:  # what is stopping has no more use for other settings
                        before = self.reloader.settings
                        with self.standing.reloading() as reloaded:
                            self.reloader.reload()
                            reloaded(self.reloader.settings is not before)
                elif number == signal.SIGUSR1:
                    self.reloader.reopen_logs()
                else:
                    self._stop(signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        self._stops += 1
        self.health.stop()
        self.standing.stopping()
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
