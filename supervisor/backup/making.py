"""Makes a backup: the store at one moment, then the files. For the command line.

The files come after the store: whatever key the store speaks of was on disk before (docs/decisions/0012).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
from msgspec.structs import replace

from stages.ca.pem import read_certificates
from stages.ca.spki import spki_sha256
from stages.store.dumping import Dumped, dump
from stages.store.loading import check_whole
from stages.store.store import Store
from supervisor.backup import contents
from supervisor.backup.archive import Writer
from supervisor.backup.encryption import Passphrase
from supervisor.backup.manifest import STORE, Authority, Manifest, Member
from supervisor.config import Settings
from supervisor.version import VERSION

_PIECE: Final = 1 << 20
"""Bytes of records in one member, more where one collection is larger."""


async def make(
    settings: Settings,
    config: Path,
    store: Store,
    write: Callable[[bytes], object],
    passphrase: Passphrase | None,
    random_bytes: Callable[[int], bytes],
) -> Manifest:
    """Write a backup of the CA whose settings `config` holds; what it says of itself comes back.

    Raises:
        Refused: a file cannot be read, the store has a key of a strange type, or was never restored to its end.
        StoreUnavailable: the store went away.
        OSError: `write` failed.
    """
    await check_whole(store)
    certificate = read_certificates(settings.ca.certificate)[0]
    named = list(contents.files(settings, config))  # what is missing is found before the long part
    writer = Writer(write, passphrase, int(store.clock()), random_bytes)
    pieces = _Pieces(writer)
    dumped: Dumped = await dump(store, pieces.take, time.monotonic)
    await pieces.flush()
    number = contents.crl_number(settings)
    for file in named:
        data = file.read()
        writer.add(replace(file.member, key=contents.kind_of_key(data)), data)
    manifest = Manifest(
        program=VERSION,
        id=random_bytes(8).hex(),
        made=int(dumped.at),
        host=socket.gethostname(),
        store="embedded" if settings.store.url == "embedded" else "remote",
        prefix=settings.store.prefix,
        ca=Authority(
            id=settings.ca.name,
            subject=certificate.subject.rfc4514_string(),
            spki_sha256=spki_sha256(certificate),
            not_after=int(certificate.not_valid_after_utc.timestamp()),
        ),
        counts=dumped.counts,
        records=dumped.records,
        paused=round(dumped.paused, 6),
        crl_number=number,
        left_out=contents.left_out(settings),
        members=writer.members,
    )
    writer.close(manifest)
    return manifest


class _Pieces:
    """Joins records to members of a fair size, and compresses them in a thread."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._held = bytearray()
        self._number = 0

    async def take(self, blob: bytes) -> None:
        """Some more."""
        self._held += blob
        if len(self._held) >= _PIECE:
            await self.flush()

    async def flush(self) -> None:
        """What is held becomes a member."""
        if not self._held:
            return
        data = bytes(self._held)
        self._held.clear()
        name = f"{STORE}{self._number:06}.msgpack"
        self._number += 1
        await anyio.to_thread.run_sync(self._writer.add, Member(name=name, size=0, sha256=""), data)
