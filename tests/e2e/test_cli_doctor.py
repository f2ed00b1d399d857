"""`doctor` and `fsck` on the command line: before there is a CA, with one, and beside a supervisor."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from supervisor.cli import call
from supervisor.embedded import embedded_store
from tests.e2e.command import Place
from tests.harness.site import Site, site


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty directory."""
    return Place(tmp_path)


def by_check(found: Any) -> dict[str, str]:
    return {each["check"]: each["level"] for each in found["findings"]}


def test_doctor_before_init(place: Place) -> None:
    """The missing CA is an error, the exit code says so, and nothing is made."""
    place.configure('[validation]\nresolver = "127.0.0.1:9"\ntimeout = "200ms"\n')
    result = place.call("doctor", "--json")
    found = by_check(result.json)
    assert result.code == 10
    assert (found["issuer"], found["ca.key"], found["resolver"]) == ("error", "error", "error")
    assert (found["data_dir"], found["store"]) == ("note", "note")
    assert [file.name for file in place.folder.iterdir()] == ["config.toml"]


def test_doctor_of_a_good_host(place: Place) -> None:
    """After init nothing of ours is an error; an occupied port is; the table says what to do."""
    place.ok("init")
    place.data.chmod(0o700)
    found = by_check(place.call("doctor", "--json").json)
    ours = ("config", "data_dir", "ca.key", "issuer", "issuer expiry", "root expiry", "store", "store durability")
    assert {found[check] for check in ours} == {"ok"}
    assert found["root key"] == "note"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place.configure(f'[admin]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
        result = place.call("doctor")
    assert result.code == 10
    assert "end what listens there" in result.out


def test_fsck_of_a_new_ca(place: Place) -> None:
    """Every law holds, with and without --repair."""
    place.ok("init")
    for arguments in ([], ["--repair"]):
        assert place.json("fsck", *arguments)["breaches"] == []
    assert place.ok("fsck").out.startswith("every law holds\n")


async def lose(ca: Site, session: str) -> None:
    redis: Any = ca.store.redis
    await redis.lrem("pending-makechallenge", 0, session)


@pytest.mark.anyio
async def test_fsck_finds_and_repairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A session in no place is a breach with code 10; --repair puts it back, and then every law holds."""
    async with site(tmp_path) as ca:
        async with embedded_store(tmp_path / "data"):
            (session,) = await ca.submit(1)
            await lose(ca, session)
            assert await to_thread.run_sync(call, ["--config", str(ca.config), "fsck"]) == 10
            out = capsys.readouterr().out
            assert "in no place" in out
            assert session in out
            assert await to_thread.run_sync(call, ["--config", str(ca.config), "fsck", "--repair"]) == 6
        with anyio.fail_after(30):
            assert await to_thread.run_sync(_repair, ca.config) == 0
        assert "recovery put 1 sessions where they belong" in capsys.readouterr().out


def _repair(config: Path) -> int:
    return call(["--config", str(config), "fsck", "--repair"])


@pytest.mark.anyio
async def test_fsck_beside_a_supervisor(tmp_path: Path) -> None:
    """While sessions move, fsck finds nothing, and the doctor sees the supervisor."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            sessions = await ca.submit(60)
            assert await to_thread.run_sync(call, ["--config", str(ca.config), "fsck"]) == 0
            await ca.until_done(len(sessions))
            assert await to_thread.run_sync(call, ["--config", str(ca.config), "fsck"]) == 0
            assert await to_thread.run_sync(call, ["--config", str(ca.config), "fsck", "--repair"]) == 6
            assert await to_thread.run_sync(program.stop) == 0
