"""Puts a backup into an empty data directory and an empty store. For the command line.

Before anything is written all of the backup has been verified. What is half done is never taken for a CA: of files see
`staging`; a store of one's own carries the mark of `stages.store.loading`, which becomes whole last but one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from msgspec.structs import replace

from stages.errors import Refused
from stages.store.connection import StoreSettings
from stages.store.loading import Mark, empty, is_empty, load, read_mark, settle, write_mark
from stages.store.store import Store
from supervisor.backup.archive import Backup
from supervisor.backup.contents import CRL
from supervisor.backup.manifest import DATA, ELSEWHERE, STORE, Manifest
from supervisor.backup.staging import Staging, staging
from supervisor.config import Settings
from supervisor.embedded.opening import server_of
from supervisor.embedded.owner import prepare_unfinished

Connect = Callable[[], AbstractAsyncContextManager[Store]]
"""Reaches a store of one's own."""


class Restored(NamedTuple):
    """What was done.

    Attributes:
        data_dir: where the CA is now.
        at: unix time at which the restore began.
        crl_number: the last one that counts as used; the next CRL has a higher one.
        aside: files that were outside of data_dir: where each was, and where it lies now.
    """

    data_dir: Path
    at: int
    crl_number: int
    aside: list[tuple[str, Path]]


async def restore(
    backup: Backup,
    manifest: Manifest,
    settings: Settings,
    connect: Connect,
    clock: Callable[[], float],
    random_bytes: Callable[[int], bytes],
) -> Restored:
    """Restore a backup that was verified.

    Raises:
        Refused: data_dir or store is not empty, or the clock is behind the backup.
        EmbeddedError, StoreUnavailable: the store cannot be started or reached.
    """
    now = int(clock())
    if now < manifest.made:
        reason = "it is before the time at which the backup was made; set it, since certificates depend on it"
        raise Refused("malformed", "clock", reason)
    names = {top for member in manifest.members if (top := _top(member.name))}
    restore_id = random_bytes(8).hex()
    with staging(settings.data_dir, names, restore_id) as place:
        mark = Mark(backup=manifest.id, restore=restore_id, made=manifest.made, at=now, whole=False)
        embedded = settings.store.url == "embedded"
        async with _embedded(place, settings, clock) if embedded else connect() as store:
            if not embedded:
                await _claim(store, place)
            await write_mark(store, mark)
            for member, data in backup.each(manifest):
                if member.name.startswith(STORE):
                    await load(store, data)
                elif (name := _place(member.name)) and member.setting != CRL:
                    place.write(name, data, member.mode)
            number = await settle(store, manifest.counts, manifest.crl_number, max(1, now - manifest.made))
            await write_mark(store, replace(mark, whole=True))
        place.finish()
    return Restored(settings.data_dir, now, number, _aside(manifest, settings.data_dir))


@asynccontextmanager
async def _embedded(place: Staging, settings: Settings, clock: Callable[[], float]) -> AsyncIterator[Store]:
    """The server of the data directory, which is this process's."""
    prepare_unfinished(place.data_dir)
    async with server_of(place.data_dir, time.monotonic) as server:
        store = Store(StoreSettings(url=server.url, prefix=settings.store.prefix), clock)
        try:
            yield store
        finally:
            await store.aclose()


async def _claim(store: Store, place: Staging) -> None:
    """Make sure that a store of one's own is empty, but for what a restore that was broken off has left there."""
    mark = await read_mark(store)
    ours = mark is not None and (not mark.whole or mark.restore in place.note.restores)
    if ours:
        await empty(store)
    elif not await is_empty(store):
        behind = f" behind the prefix {store.keys.prefix!r}" if store.keys.prefix else ""
        raise Refused(
            "malformed", "store.url", f"there are keys{behind}; a backup is restored into an empty store only"
        )


def _place(name: str) -> str:
    """Where a member goes, below data_dir; "" for nowhere."""
    return name.removeprefix(DATA) if name.startswith((DATA, ELSEWHERE)) else ""


def _top(name: str) -> str:
    place = _place(name)
    return PurePosixPath(place).parts[0] if place else ""


def _aside(manifest: Manifest, data_dir: Path) -> list[tuple[str, Path]]:
    return [
        (member.path, data_dir / member.name)
        for member in manifest.members
        if member.name.startswith(ELSEWHERE) and member.setting != CRL
    ]
