"""Finds sessions by the beginning of their ids, finished ones too, for people. Changes nothing.

active-requests forgets finished sessions; their hashes stay for as long as they can be looked at, so this walks the
keys (SCAN) and may take a moment on a large store.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from stages.store.store import Store

_PAGE = 1000
_SESSION = re.compile(r"[0-9a-f]{64}")
_GLOB = re.compile(r"([\\*?\[\]^-])")


async def each_id(store: Store, start: str = "") -> AsyncIterator[str]:
    """The ids of all sessions on record that begin with the hex digits `start`, in no order; each once."""
    prefix = store.keys.prefix
    pattern = _GLOB.sub(r"\\\1", prefix + start) + "*"
    seen: set[str] = set()
    cursor = 0
    while True:
        cursor, keys = await store.call(store.redis.scan(cursor, match=pattern, count=_PAGE, _type="HASH"))
        for key in keys:
            session = key.decode("utf-8", "backslashreplace")[len(prefix) :]
            if _SESSION.fullmatch(session) and session not in seen:
                seen.add(session)
                yield session
        if not cursor:
            return
