"""Checks of the store: durability, eviction, memory. For `supervisor.doctor` only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.store.health import check_store
from stages.store.reading import overview
from stages.store.store import Store
from supervisor.doctor.finding import Finding, error, note, ok, warning

_DURABLE = "appendonly yes and appendfsync always, in the server's configuration"


async def check_server(store: Store) -> list[Finding]:
    """What the server says of itself. Raises Refused for one that is too old, and StoreUnavailable."""
    found = await check_store(store)
    redis: Any = store.redis
    info = await store.call(redis.info())
    pipe = redis.pipeline(transaction=False)
    pipe.config_get("appendfsync")
    (config,) = await store.call(pipe.execute(raise_on_error=False))
    appendfsync = config.get("appendfsync", "") if isinstance(config, dict) else ""
    findings = [ok("store", f"{found.server} {found.version}")]
    return [*findings, *judge_server(info, appendfsync, has_waitaof=found.has_waitaof)]


def judge_server(info: Mapping[str, Any], appendfsync: str, *, has_waitaof: bool) -> list[Finding]:
    """From the server's INFO; `appendfsync` is "" where the server does not say."""
    return [
        *_durability(info, appendfsync, has_waitaof=has_waitaof),
        *_eviction(info),
        *_role(info),
    ]


def _durability(info: Mapping[str, Any], appendfsync: str, *, has_waitaof: bool) -> list[Finding]:
    if not int(info.get("aof_enabled", 0)):
        seen = "appendonly is off: what clients were told is gone when the server dies"
        return [error("store durability", seen, _DURABLE)]
    findings = []
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("aof_last_bgrewrite_status", "ok") != "ok":
        findings.append(error("store durability", "its last write to the file failed", "look at its disk and its log"))
    if appendfsync == "always":
        findings.append(ok("store durability", "every write is on disk before its answer"))
    elif has_waitaof:
        seen = f"appendfsync is {appendfsync or 'not told'}; the program waits with WAITAOF for each group of writes"
        findings.append(ok("store durability", seen))
    else:
        seen = f"appendfsync is {appendfsync or 'not told'}, and there is no WAITAOF: the last second can be lost"
        findings.append(error("store durability", seen, _DURABLE))
    return findings


def _eviction(info: Mapping[str, Any]) -> list[Finding]:
    policy, limit = str(info.get("maxmemory_policy", "noeviction")), int(info.get("maxmemory", 0))
    used = int(info.get("used_memory", 0))
    seen = f"{used / (1 << 20):.0f} MiB used" + (f" of {limit / (1 << 20):.0f}" if limit else ", no limit")
    if policy != "noeviction":
        why = f"maxmemory-policy is {policy}: the server may throw sessions away"
        return [error("store memory", why, "maxmemory-policy noeviction, in the server's configuration")]
    if limit and used > limit * 0.8:
        return [warning("store memory", seen, "raise maxmemory: a full store refuses every write")]
    return [ok("store memory", seen)]


def _role(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("role", "master") != "master":
        return [error("store role", "the server is a replica: it refuses writes", "name its primary in store.url")]
    return []


async def check_supervisors(store: Store) -> list[Finding]:
    """Who holds the store."""
    living = (await overview(store)).living
    if not living:
        return [note("supervisor", "none runs")]
    return [ok("supervisor", f"{', '.join(living)} runs")]
