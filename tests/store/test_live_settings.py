"""Every setting, one by one: what a reload changes in the working parts, and that `restart` is said where it does not.

A setting that is new has to find its place in one of the two tables of live_tables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from supervisor.acme.shown_certificate import shown_certificate
from supervisor.config import Settings
from supervisor.config.settings import entries
from tests.harness.authority import make_authority
from tests.store.live_parts import Parts, write
from tests.store.live_tables import LIVE, RESTART, WITH
from tests.store.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two CAs: the one of the tests, and one whose files stand for others."""
    folder = tmp_path_factory.mktemp("ca")
    return make_authority(folder / "ca").parent, make_authority(folder / "other").parent


@asynccontextmanager
async def parts_of(world: World, tmp_path: Path, authorities: tuple[Path, Path], key: str) -> AsyncIterator[Parts]:
    """The parts of a program with an ACME server, before `key` is changed."""
    ca, other = authorities
    for file, source in (("door", ca), ("other", other)):
        for end in ("pem", "key"):
            (tmp_path / f"{file}.{end}").write_bytes((source / f"data/ca/intermediate.{end}").read_bytes())
    (tmp_path / "blocked").write_text("0" * 64 + "\n")
    (tmp_path / "token").write_text("0123456789abcdef\n")
    (tmp_path / "config.toml").write_text("")
    base = {
        "data_dir": str(ca / "data"),
        "acme.listen": "127.0.0.1:1",
        "acme.url": "https://ca.example",
        "caa.identities": ["ca.example"],
        "profiles.web.validity": "1d",
    }
    before = WITH.get(key, {}).get("before", {})
    files = {"acme.tls_key": "door.key"} if "acme.tls_certificate" in before else {}
    write(tmp_path / "config.toml", base | before | files)
    parts = Parts(world, tmp_path / "config.toml")
    async with anyio.create_task_group() as group:
        if files:
            parts.tls = await shown_certificate(group, world.store, parts.issuer, parts.reloader)
        yield parts
        group.cancel_scope.cancel()


def _changed(key: str, value: Any) -> dict[str, Any]:
    return {key: value, **{other: said for other, said in WITH.get(key, {}).items() if other != "before"}}


ROWS = [(key, value, part) for part, table in LIVE.items() for key, value in table.items() if key != "warnings"]


@pytest.mark.parametrize(("key", "value", "part"), ROWS, ids=[row[0] for row in ROWS])
async def test_live_setting(
    world: World, tmp_path: Path, authorities: tuple[Path, Path], key: str, value: Any, part: str
) -> None:
    """A reload says that it has taken it, and the part that it is for works otherwise from then on."""
    async with parts_of(world, tmp_path, authorities, key) as parts:
        before = await parts.look()
        write(tmp_path / "config.toml", _changed(key, value))
        outcome = parts.reloader.reload()
        assert outcome.problems == []
        assert [change.restart for change in outcome.changes if change.key == key] == [False]
        after = await parts.look()
        assert part in {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(("key", "value"), RESTART.items(), ids=list(RESTART))
async def test_restart_setting(
    world: World, tmp_path: Path, authorities: tuple[Path, Path], key: str, value: Any
) -> None:
    """A reload says that it waits for a restart, and no part works otherwise."""
    async with parts_of(world, tmp_path, authorities, key) as parts:
        before, settings = await parts.look(), parts.reloader.settings
        write(tmp_path / "config.toml", _changed(key, value))
        outcome = parts.reloader.reload()
        assert outcome.problems == []
        assert key in {change.key for change in outcome.changes}
        assert [change for change in outcome.changes if not change.restart] == []
        assert before == await parts.look()
        assert settings == parts.reloader.settings


def test_every_setting_is_in_one_table() -> None:
    """And in the one that its declaration says."""
    declared = {entry.key: entry.restart for entry in entries(Settings())}
    live = {key for table in LIVE.values() for key in table}
    found = dict.fromkeys(live, False) | dict.fromkeys(RESTART, True)
    assert found.pop("warnings") is False
    assert {key: restart for key, restart in declared.items() if not key.startswith("warnings.")} == found
    assert [key for key, restart in declared.items() if key.startswith("warnings.") and restart] == []
