"""Runs every check in its order; a check that fails is a finding itself. For `supervisor.doctor` only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from stages.errors import LeaseLost, Refused, StoreUnavailable
from stages.store.store import Store
from supervisor.build import Domain
from supervisor.config import Settings, warnings
from supervisor.doctor import authority, door, files, host, network, store
from supervisor.doctor.finding import Finding, error, note, ok, warning
from supervisor.embedded import EmbeddedError

Reach = Callable[[Callable[[Store], Awaitable[list[Finding]]]], Awaitable[list[Finding]]]
"""Does some work on the store, which it starts or connects to."""


async def examine(settings: Settings, now: int, reach: Reach) -> list[Finding]:
    """Every finding about this host; `now` is in unix seconds."""
    found = [*host.check_platform(), *host.check_versions(), *check_settings(settings)]
    found += [*files.check_data_dir(settings), *files.check_keys(settings), *files.check_root_key(settings)]
    found += [*authority.check_issuer(settings, now), *authority.check_crl(settings, now)]
    found += [*host.check_file_system(settings.data_dir), *host.check_fsync(settings.data_dir)]
    found += [*host.check_space(settings.data_dir), *host.check_limits(), *host.check_kernel(), *host.check_clock(now)]
    of_store = await check_store(settings, reach)
    running = any(each.check == "supervisor" and each.level == "ok" for each in of_store)
    found += [*of_store, *await network.check_resolver(settings), *network.check_validation_ports(settings)]
    return [*found, *network.check_listeners(settings, running=running), *await door.check_door(settings, now)]


def check_settings(settings: Settings) -> list[Finding]:
    """What is allowed but unwise, and what only shows when the program is put together."""
    unwise = [
        warning("config", f"{each.key}: {each.reason}", "change it in config.toml") for each in warnings(settings)
    ]
    try:
        Domain(settings)
    except Refused as refused:
        return [*unwise, error("config", f"{refused.field}: {refused.reason}", "change it in config.toml")]
    return unwise or [ok("config", "every setting is good")]


async def check_store(settings: Settings, reach: Reach) -> list[Finding]:
    """The store, if there is one yet: looking at a host makes no directories."""
    if settings.store.url == "embedded" and not settings.data_dir.is_dir():
        return [note("store", "the embedded one is made with data_dir", "`ca-supervisor init` makes that")]

    async def look(found: Store) -> list[Finding]:
        return [*await store.check_server(found), *await store.check_supervisors(found)]

    try:
        return await reach(look)
    except Refused as refused:
        return [error("store", f"{refused.field}: {refused.reason}", "see [store] in config.toml")]
    except (StoreUnavailable, EmbeddedError, LeaseLost) as failure:
        return [error("store", str(failure), "start the server that store.url names, or look at its log")]
