"""The clients of a soak: they submit, say that they are ready, cancel, fetch, confirm and revoke. For the soak only."""

from __future__ import annotations

import hashlib
import random
import sys
from collections import Counter
from functools import partial
from typing import Final

import anyio

from stages.ca.csr import thumbprint
from stages.errors import StoreUnavailable
from stages.session import Problem, Session, State
from stages.store import moves
from stages.store.reading import overview, read_whole
from tests.harness.authority import environment
from tests.harness.process import ROOT
from tests.harness.site import Site

BEAT: Final = 0.5
"""Seconds between two batches."""
LOOKED_AT: Final = 150
"""Sessions that the clients look at in one beat."""
MOST_QUEUED: Final = 400
"""Sessions in the queues above which nobody submits more: after a kill the program catches up first."""
KEEP: Final = 60
_RIGHT, _WRONG = 0.86, 0.95
"""Shares of tokens that are answered rightly, and up to which wrongly; the rest gets no answer at all."""


class Load:
    """What the clients of `ca` do, `rate` sessions a second. `said` counts it."""

    def __init__(self, ca: Site, rate: int, chance: random.Random) -> None:
        self.said: Counter[str] = Counter()
        self.refused: list[str] = []
        self.issued: list[str] = []
        self.open: dict[str, bool] = {}
        self._ca = ca
        self._rate = rate
        self._chance = chance
        ca.peer.delay = lambda: chance.uniform(0.3, 2.5) if chance.random() < 0.1 else 0.0  # noqa: PLR2004  one in ten
        ca.peer.answer = partial(answer, thumbprint(ca.csr))

    async def submitting(self) -> None:
        """Sessions of both kinds: three of four are tested on a schedule, one of four says when it is ready."""
        while True:
            with anyio.CancelScope(shield=True):  # a batch is submitted whole, or not at all
                await self._submit()
            await anyio.sleep(BEAT)

    async def _submit(self) -> None:
        found = await self._ca.patiently(lambda: overview(self._ca.store))
        if sum(found.pending.values()) > MOST_QUEUED:
            return
        count = max(4, int(self._rate * BEAT))
        told = count // 4
        for number, scheduled in ((count - told, "True"), (told, "")):
            for session in await self._ca.submit(number, scheduled=scheduled):
                self.open[session] = bool(scheduled)
        self.said["submitted"] += count

    async def following(self) -> None:
        """Look after sessions in turn: ready, cancel, fetch, confirm."""
        while True:
            for session in list(self.open)[:LOOKED_AT]:
                try:
                    await self._follow(session)
                except StoreUnavailable:
                    break  # the program was killed; its clients come again
            await anyio.sleep(BEAT)

    async def _follow(self, session: str) -> None:
        if (scheduled := self.open.pop(session, None)) is None:
            return  # cancelled meanwhile
        self.open[session] = scheduled  # to the end of the row
        found = await read_whole(self._ca.store, session)
        if found is None or not found.live:
            self.open.pop(session, None)
        elif found.state is State.DONE:
            await self._fetch(found)
        elif self._chance.random() < 0.004:  # noqa: PLR2004  a few give up
            await self.cancel(session)
        elif found.state is State.TESTCHALLENGE and not scheduled:
            await self._say_ready(found)

    async def _say_ready(self, session: Session) -> None:
        for challenge in session.challenges:
            if not challenge.data.ready:
                written = type(challenge.data)(challenge.data.token, int(self._ca.store.clock()))
                await self._ca.store.move(moves.ready(session.id, challenge.n, challenge.data, written))
                self.said["said to be ready"] += 1

    async def cancel(self, session: str) -> None:
        """Give a session up."""
        answer = await self._ca.store.move(moves.cancel(session, Problem("unauthorized", "given up"), KEEP))
        if answer == ["ok"]:
            self.said["cancelled"] += 1
            self.open.pop(session, None)

    async def _fetch(self, session: Session) -> None:
        """Most fetch and say thanks, some only fetch, some never come."""
        kind = self._chance.random()
        if kind < 0.95:  # noqa: PLR2004  a share
            await self._ca.store.move(moves.deliver(session.id, "sent"))
        if kind < 0.9:  # noqa: PLR2004  a share
            await self._ca.store.move(moves.deliver(session.id, "confirmed"))
            self.issued.append(session.serial)
        self.open.pop(session.id, None)

    async def revoke(self) -> None:
        """One certificate, on the command line, beside the running program."""
        if not self.issued:
            return
        serial = self.issued.pop(self._chance.randrange(len(self.issued)))
        arguments = ["--config", str(self._ca.config), "revoke", serial, "--reason", "superseded"]
        done = await anyio.run_process(
            [sys.executable, "-m", "supervisor", *arguments], cwd=ROOT, env=environment(), check=False
        )
        if done.returncode:
            self.refused.append(done.stderr.decode().strip())
        else:
            self.said["revoked"] += 1


def answer(thumb: str, token: str) -> str | None:
    """What the host of a name answers: it depends on the token, so that a bad one stays bad."""
    share = hashlib.sha256(token.encode()).digest()[0] / 256
    if share < _RIGHT:
        return f"{token}.{thumb}"
    return "not the proof" if share < _WRONG else None
