"""Looks whether a store keeps what the law "durable before visible" asks for, and says plainly what is missing."""

from __future__ import annotations

import msgspec
from redis.exceptions import ResponseError

from stages.errors import Refused
from stages.store.connection import MINIMUM
from stages.store.store import Store


class StoreCheck(msgspec.Struct, frozen=True):
    """What was found: server and version, and one sentence for each thing that is missing (a loud warning at start).

    `has_waitaof` says whether WAITAOF can be asked for: the server knows it, the user may use it, and there is an
    append-only file.
    """

    server: str
    version: str
    warnings: tuple[str, ...]
    has_waitaof: bool


async def check_store(store: Store) -> StoreCheck:
    """Ask the server. Raises Refused("config", "store.url", ...) for one that is too old, StoreUnavailable."""
    info = await store.call(store.redis.info())
    server = "valkey" if "valkey_version" in info else str(info.get("server_name") or "redis")
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    if server == "redis" and _numbers(version) < MINIMUM:
        raise Refused("config", "store.url", f"the server is Redis {version}; 7.0 or a Valkey is needed")
    warnings = []
    config = await _config(store)
    durable = bool(int(info.get("aof_enabled", 0)))
    waitaof = durable and await _has_waitaof(store)
    if not durable:
        warnings.append("appendonly is off: what clients were told is gone when the server dies; set appendonly yes")
    elif (appendfsync := config.get("appendfsync", "not told")) != "always" and not waitaof:
        warnings.append(
            f"appendfsync is {appendfsync} and there is no WAITAOF: the last second can be lost; set appendfsync always"
        )
    policy = config.get("maxmemory-policy") or str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: the server may evict sessions; set noeviction")
    if info.get("role") not in {"master", None}:
        warnings.append("the server is a replica: it refuses writes")
    if info.get("aof_last_write_status", "ok") != "ok":
        warnings.append("the server's last write to its append-only file failed: look at its disk")
    return StoreCheck(server, version, tuple(warnings), waitaof)


async def _config(store: Store) -> dict[str, str]:
    try:
        found = await store.call(store.redis.config_get("appendfsync", "maxmemory-policy"))
    except (ResponseError, Refused):
        return {}  # managed servers forbid CONFIG; INFO has to do
    return {_str(key): _str(value) for key, value in found.items()}


async def _has_waitaof(store: Store) -> bool:
    """Asks for it as a group of moves will; Redis 7.0 does not know it, and a user may be forbidden to use it."""
    try:
        await store.call(store.redis.execute_command("WAITAOF", 1, 0, 1))  # type: ignore[no-untyped-call]
    except (ResponseError, Refused):
        return False
    return True


def _str(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
