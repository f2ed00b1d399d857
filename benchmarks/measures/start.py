"""Measure 13: from the exec to READY=1, with an empty store and with many records, as a checkout and as the one file.

ACME server and admin listener are on. Program, one file and stores take turns; every store was started before, so none
of them makes a key or a certificate of its own any more. The one file starts with what it has unpacked (warm), and once
in each turn without (cold: it unpacks itself). dist/ca-supervisor is measured as it lies there, and left out where it
is missing. pebble and Caddy start beside them, until their directory answers; both make a CA first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio

from benchmarks.figures import CannotRun, Figure, Setting, at_most, median, told
from benchmarks.processes import ROOT
from benchmarks.sides import acme_servers
from benchmarks.sides.acme_servers import AcmeServer
from benchmarks.sides.authority import Authority
from benchmarks.sides.certificates import copy_certificate
from benchmarks.sides.crowd import Crowd, fill
from benchmarks.sides.starting import seconds_to_ready
from benchmarks.sides.stores import store_in
from tests.harness.fetching import service_port

TITLE = "Start, until the program is ready"
BINARY = ROOT / "dist" / "ca-supervisor"
_LIMIT = 60.0
_TARGET = 2.0
_DOORS = """[acme]
listen = "127.0.0.1:{acme}"
url = "https://localhost:{acme}"
[admin]
listen = "127.0.0.1:{admin}"
"""


class _Site(NamedTuple):
    """A CA that has been started before, and what its store has."""

    folder: Path
    config: Path
    has: str


def measure(setting: Setting) -> list[Figure]:
    """Seconds."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        full = anyio.run(_site, folder / "full", setting.pick(2000, 10_000), setting.pick(200, 1000))
        sites = [full] if setting.short else [anyio.run(_site, folder / "empty", 0, 0), full]
        found: dict[tuple[str, str], list[float]] = {}
        for turn in range(setting.pick(1, 7)):
            for site in sites:
                _turn(site, folder / f"cache-{turn}-{site.folder.name}", found)
    figures = _said(sites, found)
    return figures if setting.short else figures + _peers()


def _turn(site: _Site, cache: Path, found: dict[tuple[str, str], list[float]]) -> None:
    """One start of each kind with this store."""
    words = ["run", "--config", str(site.config)]
    ways = {"checkout": [sys.executable, "-m", "supervisor", *words]}
    if BINARY.is_file():
        cache.mkdir(mode=0o700)
        ways |= {"cold": [str(BINARY), *words], "warm": [str(BINARY), *words]}
    for way, command in ways.items():
        took = seconds_to_ready(command, site.folder, {"CA_SUPERVISOR_CACHE": str(cache)})
        found.setdefault((way, site.has), []).append(took)


def _said(sites: list[_Site], found: dict[tuple[str, str], list[float]]) -> list[Figure]:
    figures: list[Figure] = []
    for site in sites:
        checkout = found["checkout", site.has]
        floor = f"slowest of {len(checkout)} {max(checkout):.2f} s"
        figures.append(told(f"checkout, {site.has}", median(checkout), " s", floor=floor, places=2))
        if ("warm", site.has) not in found:
            continue
        warm, cold = found["warm", site.has], found["cold", site.has]
        floor = f"slowest of {len(warm)} {max(warm):.2f} s"
        figures.append(at_most(f"one file, {site.has}", median(warm), _TARGET, " s", floor=floor, places=2))
        floor = f"slowest of {len(cold)} {max(cold):.2f} s"
        figures.append(told(f"- its first start, which unpacks, {site.has}", median(cold), " s", floor=floor, places=2))
    if not BINARY.is_file():
        figures.append(Figure("one file", "not built", "`make binary` builds it"))
    return figures


def _peers() -> list[Figure]:
    """Those that are installed; Caddy takes root here."""
    figures = []
    peers: dict[str, Callable[[Path], AbstractContextManager[AcmeServer]]] = {
        "pebble": acme_servers.pebble,
        "Caddy": acme_servers.caddy,
    }
    for name, peer in peers.items():
        with TemporaryDirectory(prefix="bench-") as folder:
            try:
                with peer(Path(folder) / name) as server:
                    figures.append(told(f"{name}, with nothing on record", server.start, " s", places=2))
            except CannotRun as why:
                figures.append(Figure(name, "not started", str(why).splitlines()[0]))
    return figures


async def _site(folder: Path, certificates: int, sessions: int) -> _Site:
    """A CA whose program has run once, with so many certificates and sessions that wait for their clients."""
    authority = Authority(folder, _DOORS.format(acme=service_port(), admin=service_port()))
    with authority.responder():
        async with authority.program() as (program, store):
            if certificates:
                began = time.monotonic()
                await authority.submit(store, 1)
                while not await store.redis.zcard(store.keys.certificates):
                    if time.monotonic() - began > _LIMIT:
                        raise CannotRun(f"no certificate within {_LIMIT:g} s; log:\n{program.log()}")
                    await anyio.sleep(0.02)
        if certificates:
            async with store_in(folder / "data") as store:
                await copy_certificate(store, certificates)
                await fill(store, Crowd(waiting=sessions))
    has = f"{certificates:,} certificates and {sessions:,} live sessions" if certificates else "an empty store"
    return _Site(folder, authority.config, has)
