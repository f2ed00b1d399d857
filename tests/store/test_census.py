"""What the metrics say of files and of the store, looked at for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.ca.crl import build_crl, crl_pem
from stages.ca.pem import pem
from stages.store.connection import StoreSettings
from stages.store.counting import count_stock
from stages.store.store import Store
from supervisor.config import Settings
from supervisor.upkeep.census import Census, Crl
from tests.store.world import NOW, World
from tests.unit.ca import making

pytestmark = pytest.mark.anyio


async def fill(world: World) -> None:
    """Three sessions, two certificates, a revoked one, a record that was set aside."""
    keys = world.keys
    await world.redis.lpush(keys.active, "a", "b", "c")
    await world.redis.zadd(keys.certificates, {"1": 5, "2": 6})
    await world.redis.hset(keys.revoked, "1", "5 0")
    await world.redis.lpush(keys.quarantine, "d")


def settings(folder: Path, **acme: str) -> Settings:
    """A CA whose files are in `folder`."""
    door = {"listen": "127.0.0.1:443", "url": "https://ca.example", **acme} if acme else {}
    return Settings.model_validate({"data_dir": str(folder), "crl": {"file": str(folder / "crl.pem")}, "acme": door})


async def test_stock(world: World) -> None:
    """Each number is that of its key; the server's memory is more than a megabyte."""
    await fill(world)
    stock = await count_stock(world.store)
    assert (stock.sessions, stock.certificates, stock.revoked, stock.quarantined) == (3, 2, 1, 1)
    assert stock.memory > 1 << 20


async def test_files(world: World, tmp_path: Path) -> None:
    """The CRL is read again when it has changed; of the own certificates the one that ends last counts."""
    issuer = making.issuer()
    made = settings(tmp_path, tls="own")
    census = Census(lambda: made, tmp_path)
    await census.look(world.store)
    assert census.found is not None
    assert (census.found.at, census.found.crl, census.found.tls) == (NOW, None, None)
    assert census.found.disk is not None
    assert 0 < census.found.disk[1] <= census.found.disk[0]
    for number, entries in ((7, []), (8, [("aa", NOW, 0)])):
        (tmp_path / "crl.pem").write_text(crl_pem(build_crl(issuer, entries, number, NOW, 3600)))
        await census.look(world.store)
        assert census.found.crl == Crl(number, NOW, NOW + 3600, len(entries))
    (tmp_path / "crl.pem").write_text("no CRL")
    await census.look(world.store)
    assert census.found.crl is None


async def test_own_certificate(world: World, tmp_path: Path) -> None:
    """The end of the newest file in the door's folder, of the named file, or of none."""
    issuer = making.issuer()
    folder = tmp_path / "door"
    folder.mkdir()
    (folder / "1.pem").write_text(pem(issuer.certificate))
    (folder / "2.pem").write_text(pem(issuer.above[0]))
    ends = [int(one.not_valid_after_utc.timestamp()) for one in (issuer.certificate, *issuer.above)]
    files = {"tls": "files", "tls_certificate": str(folder / "1.pem"), "tls_key": "/nowhere"}
    for acme, expected in (({"tls": "own"}, max(ends)), (files, ends[0]), ({"tls": "off"}, None), ({}, None)):
        made = settings(tmp_path, **acme)
        census = Census(lambda made=made: made, folder)  # type: ignore[misc]
        await census.look(world.store)
        assert census.found is not None
        assert census.found.tls == expected


async def test_store_that_is_away_costs_its_own_numbers_only(tmp_path: Path) -> None:
    """Files are told of during an outage."""
    store = Store(StoreSettings(url=f"unix://{tmp_path}/nobody.sock"), lambda: float(NOW))
    census = Census(lambda: settings(tmp_path), tmp_path)
    await census.look(store)
    await store.aclose()
    assert census.found is not None
    assert (census.found.stock, census.found.disk is None) == (None, False)
