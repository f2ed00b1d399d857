"""Puts a backup into an empty store, and marks the store as restored. Used by `supervisor.backup`.

While the mark is not whole the store holds a part of the backup only, and the program refuses to work with it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stages.errors import Refused
from stages.store.dumping import literally
from stages.store.store import Store
from stages.store.tally import Counts, count

CRL_NUMBERS_A_SECOND: Final = 1000
"""How far CRL numbers go up for each second between a backup and its restore: faster than CRLs can be signed."""
_PAGE: Final = 1000


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under `restored`.

    Attributes:
        backup: id of the backup.
        restore: id of this restore.
        made: unix time of the moment that the backup shows.
        at: unix time of the restore.
        whole: whether everything is there.
    """

    backup: str
    restore: str
    made: int
    at: int
    whole: bool


async def read_mark(store: Store) -> Mark | None:
    """The mark of a store that was restored; raises Refused for one that cannot be read."""
    text = await store.call(store.redis.get(store.keys.restored))
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.DecodeError:
        raise Refused("config", "store.url", f"what stands in its key {store.keys.restored} cannot be read") from None


async def write_mark(store: Store, mark: Mark) -> None:
    """Put the mark down."""
    await store.script("mark.lua", [store.keys.restored], [msgspec.json.encode(mark)])


async def check_whole(store: Store) -> Mark | None:
    """The mark; raises Refused("config", "store.url", ...) for a store that holds a part of a backup only."""
    mark = await read_mark(store)
    if mark is not None and not mark.whole:
        reason = f"the restore of backup {mark.backup} into it was never finished; run `ca-supervisor restore` again"
        raise Refused("config", "store.url", reason)
    return mark


async def is_empty(store: Store) -> bool:
    """Whether there is no key behind the store's prefix."""
    cursor = 0
    while True:
        cursor, page = await store.call(store.redis.scan(cursor, match=literally(store.keys.prefix) + "*", count=_PAGE))
        if page:
            return False
        if not cursor:
            return True


async def empty(store: Store) -> None:
    """Remove every key behind the store's prefix but the mark: what a restore that was broken off has left there."""
    cursor = 0
    while True:
        cursor, page = await store.call(store.redis.scan(cursor, match=literally(store.keys.prefix) + "*", count=_PAGE))
        if keys := [key for key in page if key != store.keys.restored.encode()]:
            await store.call(store.redis.unlink(*keys))
        if not cursor:
            return


async def load(store: Store, records: bytes) -> int:
    """Put records in place as `stages.store.dumping` has read them; gives the number of keys written."""
    args = [store.keys.prefix, int(store.clock() * 1000), records]
    return int(await store.script("load.lua", [store.keys.restored], args))


async def settle(store: Store, expected: Counts, crl_number: int, elapsed: int) -> int:
    """Make what was loaded fit for a new life: no supervisor of the old one lives, and the CRL number goes up.

    The CA may have signed CRLs after the backup was made, and their numbers are not to come again (RFC 5280 5.2.3).

    Args:
        store: where everything was loaded.
        expected: what the backup says that there must be.
        crl_number: that of the last CRL in the backup.
        elapsed: seconds since the backup was made, at least 1.

    Returns:
        The new CRL number.

    Raises:
        Refused: something is missing.
    """
    if (found := await count(store, store.redis)) != expected:
        raise Refused("malformed", "store", f"the loaded store has {found}, the backup says {expected}")
    keys, redis = store.keys, store.redis
    for supervisor in await store.call(redis.hkeys(keys.supervisors)):
        await store.call(redis.delete(keys.lease(supervisor.decode())))
    number = max(found.crl_number, crl_number) + CRL_NUMBERS_A_SECOND * elapsed
    await store.call(redis.set(keys.crl_number, number))
    return number
