"""A backup is put back as a whole or not at all, into nothing but empty places."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from stages.session import State
from stages.store.certificates import each_certificate
from stages.store.connection import StoreSettings
from supervisor.exit_codes import ExitCode
from tests.e2e.backups import FILE, at, command, dying, is_whole, ok, pems
from tests.harness.audit import audit_done
from tests.harness.process import ROOT, Program
from tests.harness.site import Site, site
from tests.harness.valkey import Valkey

pytestmark = pytest.mark.anyio


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Neither an older backup without --force, nor a directory with something in it."""
    async with site(tmp_path / "old") as ca:
        await ok(ca.folder, "backup", FILE)
        before = (ca.folder / FILE).read_bytes()
        refused = await command(ca.folder, "backup", FILE)
        assert (refused.code, refused.line) == (4, f"{FILE}: it exists already; --force replaces it")
        assert (ca.folder / FILE).read_bytes() == before
        await ok(ca.folder, "backup", FILE, "--force")
        assert (ca.folder / FILE).read_bytes() != before
        assert [path.name for path in ca.folder.iterdir() if path.name.endswith(".part")] == []
        (tmp_path / "new").mkdir()
        (tmp_path / "new/x").touch()
        for words, why in (
            (("--into", tmp_path / "new"), f"--into: {tmp_path}/new is not empty (there is 'x')"),
            (
                (),
                f"{ca.folder}/data: it is not empty (there is 'ca'); a backup is restored into an empty directory only",
            ),
        ):
            refused = await command(ca.folder, "restore", FILE, *words)
            assert (refused.code, refused.line) == (4, why)
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["x"]
        (ca.folder / "cut").write_bytes(before[:-100])
        refused = await command(ca.folder, "restore", "cut", "--into", tmp_path / "none")
        assert (refused.code, refused.line.split(":")[0]) == (4, "cut")
        assert not (tmp_path / "none").exists()


async def test_back_to_where_it_was(tmp_path: Path) -> None:
    """Without --into it goes to the data_dir of the config; a config that is gone comes back too."""
    async with site(tmp_path / "old") as ca:
        await ok(ca.folder, "backup", tmp_path / FILE)
        text = ca.config.read_bytes()
        (ca.folder / "data").rename(tmp_path / "broken")
        ca.config.unlink()
        await ok(ca.folder, "restore", tmp_path / FILE)
        assert ca.config.read_bytes() == text
        with await ca.start():
            await ca.submit(1)
            await ca.until_done(1)


async def test_killed_restores_leave_nothing_that_is_taken_for_a_ca(tmp_path: Path) -> None:
    """At whatever step it dies, the program refuses what is there, or it is whole; the next restore ends it."""
    async with site(tmp_path / "old") as ca:
        with await ca.start():
            await ca.submit(20)
            await ca.until_done(20)
            await ok(ca.folder, "backup", FILE)
        folder = tmp_path / "new"
        words = ("restore", FILE, "--into", folder)
        whole = 0
        for step in (1, 2, 3, 5, 8, 12, 16, 20, 24, 27, 30, 33, 36, 40, 50, 1000):
            if not await dying(step, str(folder), ca.folder, *words):
                break
            if (folder / "data/ca").exists() and not (folder / "data/.restoring").exists():
                whole += 1
                await is_whole(folder, 20)
                folder.rename(tmp_path / f"whole-{step}")
            elif (folder / "config.toml").exists():
                refused = await command(folder, "run")
                assert refused.code in {ExitCode.CONFIG, ExitCode.STORE}, refused
                if (folder / "data/.restoring").exists():
                    told = await command(folder, "status")
                    assert told.line == f"data_dir: a restore into {folder}/data was never finished; run it again"
        else:
            raise AssertionError("no restore came to its end")
        assert step > 20
        await is_whole(folder, 20)
        assert {path.name for path in (folder / "data").iterdir()} == {"ca", "store", "lock"}


async def test_a_store_of_ones_own(tmp_path: Path) -> None:
    """With a prefix and the documented rights, from one server into another; one that dies is refused and ended."""
    page = (ROOT / "docs/operation.md").read_text()
    (rights,) = [line for line in page.splitlines() if line.startswith("user ca ")]
    user = rights.removeprefix("user ").replace("PASSWORD", "secret").split()
    with Valkey(tmp_path / "one") as one, Valkey(tmp_path / "two") as two:
        extra = 'prefix = "ca:"\nusername = "ca"\npassword_file = "password"\n'
        seen = StoreSettings(url=one.url, prefix="ca:")
        async with site(tmp_path / "old", extra, url=one.url, seen=seen) as ca:
            (ca.folder / "password").write_text("secret\n")
            for server in (one, two):
                async with at(ca, tmp_path, server.url) as admin:
                    redis: Any = admin.store.redis
                    await redis.execute_command("ACL", "SETUSER", *user)
                    await redis.set("other", "another's")
            with await ca.start() as program:
                await ca.submit(20)
                await ca.until_done(20)
                before = await pems(ca)
                await ok(ca.folder, "backup", FILE)
                assert program.named("store.lost") == []
            environ = {
                "CA_SUPERVISOR__STORE__URL": two.url,
                "CA_SUPERVISOR__STORE__PASSWORD_FILE": str(ca.folder / "password"),
            }
            folder = tmp_path / "new"
            async with at(ca, folder, two.url, "ca:") as new:
                for step in (6, 9, 14, 18, 22, 26, 1000):
                    await dying(step, str(folder), ca.folder, "restore", FILE, "--into", folder, environ=environ)
                    if (folder / "data/ca").exists() and not (folder / "data/.restoring").exists():
                        break
                    refused = await command(folder, "run", environ=environ)
                    assert refused.code in {ExitCode.CONFIG, ExitCode.STORE}, refused
                assert step > 14
                assert before == await pems(new)
                assert await new.store.redis.get("other") == b"another's"
                again = await command(ca.folder, "restore", FILE, "--into", tmp_path / "third", environ=environ)
                assert (again.code, again.line.split(";")[0]) == (
                    4,
                    "store.url: there are keys behind the prefix 'ca:'",
                )
                assert not (tmp_path / "third/data/ca").exists()
                with Program(new.config, environ) as program:
                    await to_thread.run_sync(program.wait_for, "supervisor.ready")
                    await new.submit(5)
                    await new.until_done(25)
                    assert len(program.named("store.restored")) == 1
                    assert (await ok(folder, "fsck", environ=environ))["breaches"] == []


async def test_a_half_restored_store_is_refused(tmp_path: Path) -> None:
    """A store of one's own that carries the mark of a restore which was not finished: exit 3, the key is named."""
    with Valkey(tmp_path / "one") as server:
        async with site(tmp_path / "old", url=server.url) as ca:
            mark = b'{"backup":"abcd","restore":"ef","made":1,"at":2,"whole":false}'
            await ca.store.redis.set(ca.store.keys.restored, mark)
            with Program(ca.config) as program:
                assert await to_thread.run_sync(program.end) == ExitCode.CONFIG
                (failed,) = program.named("supervisor.failed")
            assert failed["why"].startswith("store.url: the restore of backup abcd into it was never finished")
            refused = await command(ca.folder, "backup", FILE)
            assert (refused.code, refused.line.split(":")[0]) == (ExitCode.CONFIG, "store.url")


async def serials_of(ca: Site) -> dict[str, str]:
    """Serials of certificates on record, by session."""
    return {found.session: found.serial async for found in each_certificate(ca.store)}


async def test_intent_in_the_backup_gives_the_same_certificate(tmp_path: Path) -> None:
    """A serial is reserved, the backup made, the certificate signed by the old CA; the new one signs the same bytes."""
    async with site(tmp_path / "old") as ca:
        with await ca.start() as program:
            (session,) = await ca.submit(1)
            await ca.until_done(1)
            old = (await pems(ca))[session]
            serial = (await serials_of(ca))[session]
            await to_thread.run_sync(program.stop)
        # As it stood when the intent was durable and nothing was signed: what a backup between the two steps has.
        async with owned(ca):
            await ca.store.redis.hset(session, mapping={"state": State.ISSUE.value, "cert": ""})
            await ca.store.redis.hdel(session, "delivery", "delivered", "waiting")
            await ca.store.redis.delete(ca.store.keys.certificate(serial))
            await ca.store.redis.zrem(ca.store.keys.certificates, serial)
            await ok(ca.folder, "backup", FILE)
        await ok(ca.folder, "restore", FILE, "--into", tmp_path / "new")
        async with at(ca, tmp_path / "new") as new:
            with await new.start() as again:
                await new.until_done(1)
                assert (await pems(new))[session] == old
                await audit_done(new, [session], [again])


@asynccontextmanager
async def owned(ca: Site) -> AsyncIterator[None]:
    """The embedded store runs without a supervisor."""
    from supervisor.embedded import embedded_store  # noqa: PLC0415

    async with embedded_store(ca.folder / "data"):
        yield
