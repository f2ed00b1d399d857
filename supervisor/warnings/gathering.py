"""Gathers the facts of one look: files in a thread, the store in a few calls. What fails is not known, and no fault.

The cost of a look is bounded: files are read again only when they have changed, certificates page by page, and the
store is not asked where nothing has happened since it was, for an hour at the most: an idle program asks it nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import anyio
import msgspec
from cryptography import x509

from stages.ca.pem import read_certificates
from stages.errors import Refused, StoreUnavailable
from stages.store.certificates import count_revoked
from stages.store.clocks import Clocks, differs, tick
from stages.store.health import check_store
from stages.store.store import Store
from supervisor.config import Settings
from supervisor.embedded import store_bytes
from supervisor.upkeep.crl import Published, read_crl
from supervisor.upkeep.steady import Steady
from supervisor.warnings.facts import Certificates, CrlLook, Disk, Facts, Validity
from supervisor.warnings.rounds import Rounds

T = TypeVar("T")
_OF_OUR_OWN: Final = "*.pem"


REST: Final = 3600.0
"""Seconds for which what the store said is good while this program does nothing."""


class _Stored(msgspec.Struct, frozen=True):
    """What the store has said: at which call of the program's, when (seconds); None is not known."""

    calls: int
    at: float
    differs: float | None
    certificates: Certificates | None
    weak: tuple[str, ...] | None
    revoked: int | None


class Gatherer:
    """Looks at one CA.

    Args:
        settings: the present ones.
        store: its store.
        chain: the CA certificates in use.
        door: the folder of the ACME server's own certificate.
        steady: what knows of clock jumps; None for a command, which cannot, and writes no time down.
        whole: whether each look is a whole round through the certificates; None for none at all.
        calls: how often this program has called the store for its work; None asks the store at every look.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        store: Store,
        chain: Callable[[], Sequence[x509.Certificate]],
        door: Path,
        steady: Steady | None = None,
        *,
        whole: bool | None = False,
        calls: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._chain = chain
        self._door = door
        self._steady = steady
        self._whole = whole
        self._rounds = Rounds(store)
        self._crl: tuple[object, Published] | None = None
        self._was_missing = self._was_lacking = False
        self._calls = calls
        self._monotonic = monotonic
        self._stored: _Stored | None = None
        # A file system that hangs keeps one thread, not one for each look.
        self._alone = anyio.CapacityLimiter(1)

    async def look(self) -> Facts:
        """The facts now."""
        settings, now = self._settings(), int(self._store.clock())
        stored = self._stored
        if stored is None or self._is_due(stored):
            stored = self._stored = await self._ask(settings, now)
        jump = None
        if self._steady is not None:
            self._steady.look()
            jump = self._steady.jump()
        crl, door, disk, size = await anyio.to_thread.run_sync(
            self._files, settings, abandon_on_cancel=True, limiter=self._alone
        )
        return Facts(
            now=now,
            chain=_validities(self._chain()),
            door=door,
            crl=self._compare(crl, stored),
            disk=disk,
            jump=jump,
            differs=stored.differs,
            certificates=stored.certificates,
            weak=stored.weak,
            store_bytes=size,
        )

    def _is_due(self, stored: _Stored) -> bool:
        """Whether the store is to be asked: something was done, is not known or not through, or it is long ago."""
        if self._calls is None or self._calls() != stored.calls or self._was_lacking or self._rounds.under_way:
            return True
        unknown = None in {stored.differs, stored.weak, stored.revoked}
        return unknown or self._monotonic() - stored.at >= REST

    async def _ask(self, settings: Settings, now: int) -> _Stored:
        calls, at = self._calls() if self._calls is not None else 0, self._monotonic()
        clocks = await _known(self._clocks)
        if self._steady is not None and clocks is not None:
            self._steady.look()
            self._steady.seen(clocks.last)
        check = await _known(lambda: check_store(self._store))
        certificates = None
        if self._whole is not None:
            rounds = self._rounds.whole if self._whole else self._rounds.look
            certificates = await _known(lambda: rounds(settings.warnings, now))
        revoked = await _known(lambda: count_revoked(self._store))
        differs_by = clocks.differs if clocks else None
        return _Stored(calls, at, differs_by, certificates, tuple(check.warnings) if check else None, revoked)

    async def _clocks(self) -> Clocks:
        """A command says nothing of when it looked: its host may be another."""
        return Clocks(0.0, await differs(self._store)) if self._steady is None else await tick(self._store)

    def _files(self, settings: Settings) -> tuple[CrlLook | None, tuple[Validity, ...] | None, Disk | None, int | None]:
        embedded = settings.store.url == "embedded"
        size = store_bytes(settings.data_dir) if embedded else 0
        return self._read_crl(settings), self._read_door(settings), look_at_disk(settings.data_dir), size

    def _read_crl(self, settings: Settings) -> CrlLook | None:
        """A CRL that is missing counts only when it still is at the next look: the program may be about to write it."""
        file, early = settings.crl.file, settings.crl.renew_before
        try:
            status = file.stat()
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._crl is None or self._crl[0] != state:
                self._crl = state, read_crl(file)
        except OSError as error:
            was, self._was_missing = self._was_missing, True
            return CrlLook(str(file), 0, early, f"cannot be read: {error.strerror}") if was else None
        except Refused as refused:
            return CrlLook(str(file), 0, early, refused.reason)
        self._was_missing = False
        return CrlLook(str(file), self._crl[1].next_update, early)

    def _compare(self, look: CrlLook | None, stored: _Stored) -> CrlLook | None:
        """Revocations that are not in the CRL count only at the second look: one may be on its way there."""
        if look is None or look.problem or self._crl is None:
            return look
        if stored.revoked is None:
            return None
        lacking = max(0, stored.revoked - len(self._crl[1].serials))
        was, self._was_lacking = self._was_lacking, lacking > 0
        return CrlLook(look.file, look.next_update, look.renew_before, lacking=lacking if was else 0)

    def _read_door(self, settings: Settings) -> tuple[Validity, ...] | None:
        acme = settings.acme
        if not acme.on or acme.tls == "off":
            return ()
        files: Iterable[Path] = self._door.glob(_OF_OUR_OWN) if acme.tls == "own" else (acme.tls_certificate or Path(),)
        try:
            found = [read_certificates(file)[0] for file in files]
        except (Refused, OSError):
            return None  # being replaced; a file that stays unreadable keeps the program from starting
        newest = sorted(_validities(found, "the ACME server's certificate"), key=lambda one: one.not_after)[-1:]
        return tuple(newest)


async def _known(ask: Callable[[], Awaitable[T]]) -> T | None:
    """What an asynchronous call says; None while the store cannot be asked."""
    try:
        return await ask()
    except (StoreUnavailable, Refused):
        return None


def look_at_disk(folder: Path) -> Disk | None:
    """The file system of a folder; None where that cannot be asked."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Disk(
        str(folder), found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail
    )


def _validities(certificates: Sequence[x509.Certificate], called: str = "") -> tuple[Validity, ...]:
    return tuple(
        Validity(
            called or f"the CA certificate {one.subject.rfc4514_string()}",
            int(one.not_valid_before_utc.timestamp()),
            int(one.not_valid_after_utc.timestamp()),
        )
        for one in certificates
    )
