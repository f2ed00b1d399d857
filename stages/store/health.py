"""Looks whether a store keeps what the law "durable before visible" asks for, and says plainly what is missing."""

from __future__ import annotations

import msgspec
from redis.exceptions import ResponseError

from stages.errors import Refused
from stages.store.connection import MINIMUM
from stages.store.store import Store


class StoreCheck(msgspec.Struct, frozen=True):
    """What was found: server and version, and one sentence for each thing that is missing (a loud warning at start)."""

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
    waitaof = await _knows(store, "waitaof")
    if not int(info.get("aof_enabled", 0)):
        warnings.append("appendonly is off: what clients were told is gone when the server dies; set appendonly yes")
    elif config.get("appendfsync") not in {"always", None} and not waitaof:
        warnings.append(
            f"appendfsync is {config['appendfsync']} and the server has no WAITAOF: the last second can be lost;"
            " set appendfsync always"
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
    except ResponseError:
        return {}  # managed servers forbid CONFIG; INFO has to do
    return {_str(key): _str(value) for key, value in found.items()}


async def _knows(store: Store, command: str) -> bool:
    try:
        answer = await store.call(store.redis.execute_command("COMMAND", "INFO", command))  # type: ignore[no-untyped-call]
    except ResponseError:
        return False
    if isinstance(answer, dict):
        return bool(answer)
    return bool(answer and answer[0])


def _str(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
