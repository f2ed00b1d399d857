"""What is dear to ask or lies in files: looked at now and then, and told to whoever asks meanwhile. For the metrics.

A scrape never waits for the store or for a file system; it gets what the last look has found. The program keeps one
`Census` while its admin listener is on. Where nobody asks, it does not look: an idle program asks its store nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import msgspec

from stages.ca.pem import read_certificates
from stages.errors import Refused, StoreUnavailable
from stages.store.counting import Stock, count_stock
from stages.store.store import Store
from supervisor.config import Settings
from supervisor.upkeep.crl import read_crl

LOOK: Final = 15.0
"""Seconds between two looks: one pipeline of five commands whose cost does not grow, and a few calls for files."""
ASKED: Final = 300.0
"""Seconds for which looks go on after somebody has asked."""


class Crl(msgspec.Struct, frozen=True):
    """The CRL as it lies there, without its entries. Times are unix seconds."""

    number: int
    this_update: int
    next_update: int
    entries: int


class Found(msgspec.Struct, frozen=True):
    """What one look has found; None is what could not be found out.

    Attributes:
        at: unix time of the look.
        crl: the CRL as it lies there.
        tls: unix time at which the certificate of the ACME server ends.
        disk: bytes of the file system of data_dir, and those of them that are free for the program.
        stock: what the store has.
    """

    at: float
    crl: Crl | None = None
    tls: int | None = None
    disk: tuple[int, int] | None = None
    stock: Stock | None = None


class Census:
    """The last look. `settings` are the present ones, `door` is the folder of the ACME server's own certificate."""

    def __init__(
        self, settings: Callable[[], Settings], door: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.found: Found | None = None
        self._asked = anyio.Event()
        self._monotonic = monotonic
        self._asked_at = -ASKED
        self._settings = settings
        self._door = door
        self._crl: tuple[object, Crl] | None = None
        # A file system that hangs keeps one thread, not one for each look.
        self._alone = anyio.CapacityLimiter(1)

    def ask(self) -> Found | None:
        """What the last look has found, None before the first; from now on there are more of them for a while."""
        self._asked_at = self._monotonic()
        self._asked.set()
        return self.found

    async def keep(self, store: Store) -> None:
        """Look once, and again and again while somebody asks, for as long as a term lasts."""
        while True:
            await self.look(store)
            await anyio.sleep(LOOK)
            if self._monotonic() - self._asked_at > ASKED:
                self._asked = anyio.Event()
                await self._asked.wait()

    async def look(self, store: Store) -> None:
        """Look once."""
        crl, tls, disk = await anyio.to_thread.run_sync(
            self._files, self._settings(), abandon_on_cancel=True, limiter=self._alone
        )
        try:
            stock = await count_stock(store)
        except StoreUnavailable:
            stock = None
        self.found = Found(store.clock(), crl, tls, disk, stock)

    def _files(self, settings: Settings) -> tuple[Crl | None, int | None, tuple[int, int] | None]:
        return self._read_crl(settings.crl.file), self._read_tls(settings), _disk(settings.data_dir)

    def _read_crl(self, file: Path) -> Crl | None:
        """Read again only when it has changed: it may have a million entries."""
        try:
            status = file.stat()
            state = (file, status.st_ino, status.st_mtime_ns, status.st_size)
            if self._crl is None or self._crl[0] != state:
                read = read_crl(file)
                self._crl = state, Crl(read.number, read.this_update, read.next_update, len(read.serials))
        except (OSError, Refused):
            return None
        return self._crl[1]

    def _read_tls(self, settings: Settings) -> int | None:
        acme = settings.acme
        if not acme.on or acme.tls == "off":
            return None
        files = [*self._door.glob("*.pem")] if acme.tls == "own" else [acme.tls_certificate or Path()]
        try:
            return max(
                (int(read_certificates(file)[0].not_valid_after_utc.timestamp()) for file in files), default=None
            )
        except (Refused, OSError):
            return None  # being replaced


def _disk(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
