"""The CRL's file: when a new one is due, and writing it. The upkeep of the program and the command line use it.

One process writes at a time (a lock beside the file), numbers come from the store and only rise (RFC 5280 5.2.3), and
what is revoked is read with the lock held: a list can never be replaced by one that knows less.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import anyio
from cryptography import x509

from stages.ca.crl import build_crl, crl_pem
from stages.ca.issuer import Issuer
from stages.errors import Refused
from stages.store.certificates import next_crl_number, revocations
from stages.store.store import Store
from supervisor.config import Settings

_EARLY: Final = 60
"""Seconds by which a clock may go back without a new CRL."""
_LOOK: Final = 0.05
"""Seconds between two tries to get the lock: a thread that waits for it could not be cancelled."""


class Written(NamedTuple):
    """A CRL that was put in place."""

    file: Path
    number: int
    entries: int


class Published(NamedTuple):
    """A CRL as it lies there; times are unix seconds, serials lower-case hex."""

    number: int
    this_update: int
    next_update: int
    serials: frozenset[str]


async def write_crl(settings: Settings, issuer: Issuer, store: Store, now: int) -> Written:
    """Sign a CRL of everything that is revoked now, and put it in place of the last one.

    Raises:
        Refused: the file in its place is no CRL, or the new one cannot be written; the old one stays.
        StoreUnavailable: the store cannot be asked.
    """
    file = settings.crl.file
    async with _locked(file):
        last = _number(_load(file)) if file.exists() else 0
        entries = await revocations(store)
        number = await next_crl_number(store, last)
        der = await anyio.to_thread.run_sync(build_crl, issuer, entries, number, now, settings.crl.next_update)
        text = await anyio.to_thread.run_sync(crl_pem, der)
        _replace(file, text.encode())
    return Written(file, number, len(entries))


def crl_due(file: Path, renew_before: int, now: int) -> bool:
    """Whether a new CRL must be written.

    There is none that can be read, its nextUpdate is `renew_before` away, or it was made in the future: the clock was
    set back, and nobody takes a CRL before its thisUpdate.
    """
    try:
        found = _load(file)
    except Refused:
        return True
    after = found.next_update_utc
    return after is None or after.timestamp() - renew_before <= now or found.last_update_utc.timestamp() - _EARLY > now


def crl_lacks(file: Path, serials: Iterable[str]) -> bool:
    """Whether a revoked serial is missing: a crash came between a revocation and the CRL that tells of it."""
    try:
        return not read_crl(file).serials.issuperset(serials)
    except Refused:
        return True


def read_crl(file: Path) -> Published:
    """The CRL that lies there, in PEM or DER; raises Refused("config", file, ...)."""
    crl = _load(file)
    after = crl.next_update_utc
    return Published(
        _number(crl),
        int(crl.last_update_utc.timestamp()),
        int(after.timestamp()) if after else 0,
        frozenset(f"{entry.serial_number:x}" for entry in crl),
    )


def _load(file: Path) -> x509.CertificateRevocationList:
    """A CRL with a number. It may be large: 40 bytes for each entry."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Refused("config", str(file), f"cannot be read: {error.strerror}") from None
    try:
        crl = (x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl)(data)
        _number(crl)
    except (ValueError, x509.DuplicateExtension, x509.ExtensionNotFound):
        raise Refused("config", str(file), "it is no readable CRL with a number; move it away") from None
    return crl


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@asynccontextmanager
async def _locked(file: Path) -> AsyncIterator[None]:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused("config", "crl.file", f"{error.filename} cannot be used: {error.strerror}") from None
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await anyio.sleep(_LOOK)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, data: bytes) -> None:
    """Put a file in place whole and on disk; the lock makes the temporary name ours."""
    temporary = file.with_name(f".{file.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as opened:
            os.fchmod(descriptor, 0o644)  # everyone may read a CRL, whatever the umask
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        temporary.replace(file)
        directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise Refused("config", "crl.file", f"{file} cannot be written: {error.strerror}") from None
