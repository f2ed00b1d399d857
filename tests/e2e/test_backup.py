"""Backup and restore of a running CA: nothing is lost, nothing half is taken for whole, and numbers go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from stages.ca.keys import load
from stages.session import State
from stages.store.certificates import each_certificate
from stages.store.connection import StoreSettings
from stages.store.reading import read_whole
from stages.store.store import Store
from supervisor.backup.archive import Backup
from supervisor.exit_codes import ExitCode
from supervisor.upkeep.crl import read_crl
from tests.e2e.command import Result, as_process
from tests.harness.audit import audit_done
from tests.harness.process import ROOT, Program
from tests.harness.site import Site, site
from tests.harness.valkey import Valkey

pytestmark = pytest.mark.anyio

FILE = "b.tar.gz"
LOAD = "".join(f"[queues.{queue}]\nconcurrency = 100\n" for queue in ("makechallenge", "testchallenge", "issue"))
DIES = """
import os, signal, sys
left, under = int(sys.argv.pop(1)), sys.argv.pop(1)
def hook(event, args):
    global left
    if event in {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir"} and under in str(args[:2]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from supervisor.cli import main
main()
"""
"""The program, which kills itself at its n-th step on a path that holds a certain text."""


async def command(folder: Path, *words: str | Path, environ: Mapping[str, str] | None = None) -> Result:
    """Run a command as a process in a folder."""
    run = partial(as_process, folder, dict(environ or {}), *(str(word) for word in words))
    return await to_thread.run_sync(run)


async def ok(folder: Path, *words: str | Path, environ: Mapping[str, str] | None = None) -> Any:
    """The document of one that must succeed."""
    result = await command(folder, *words, "--json", environ=environ)
    assert result.code == ExitCode.OK, result
    return result.json


async def dying(
    step: int, under: str, folder: Path, *words: str | Path, environ: Mapping[str, str] | None = None
) -> int:
    """Run a command that kills itself at a step; its exit code, -9 when it came so far."""

    def run() -> int:
        done = subprocess.run(
            [sys.executable, "-c", DIES, str(step), under, *map(str, words)],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), **(environ or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        return done.returncode

    return await to_thread.run_sync(run)


@asynccontextmanager
async def at(ca: Site, folder: Path, url: str = "", prefix: str = "") -> AsyncIterator[Site]:
    """The CA that was restored below a folder; its challenges are answered where they were before."""
    store = Store(StoreSettings(url=url or f"unix://{folder}/data/store/valkey.sock", prefix=prefix), time.time)
    try:
        yield Site(folder, folder / "config.toml", ca.peer, ca.csr, store)
    finally:
        await store.aclose()


async def pems(ca: Site) -> dict[str, str]:
    """Certificates on record, by session."""
    return {found.session: found.pem async for found in each_certificate(ca.store)}


async def serials_of(ca: Site) -> dict[str, str]:
    """Serials of certificates on record, by session."""
    return {found.session: found.serial async for found in each_certificate(ca.store)}


async def test_backup_under_load(tmp_path: Path) -> None:
    """What is under way at the backup is finished after the restore; what was signed keeps its bytes; numbers rise."""
    async with site(tmp_path / "old", LOAD) as ca:
        ca.peer.delay = lambda: 0.2
        with await ca.start() as program:
            sessions = await ca.submit(60)
            await ca.until(lambda found: found.certificates >= 10)
            async with submitting(ca) as count:
                made = await ok(ca.folder, "backup", FILE)
            total = 60 + count[0]
            await ca.until_done(total)
            before = await pems(ca)
            serial = x509.load_pem_x509_certificate(before[sessions[0]].encode()).serial_number
            for _ in range(3):
                await ok(ca.folder, "crl", "--write")
            await ok(ca.folder, "revoke", f"{serial:x}")
            assert await to_thread.run_sync(program.stop) == ExitCode.OK
            assert program.named("store.lost") == program.named("lease.lost") == program.named("stage.failed") == []
        assert 10 <= made["counts"]["certificates"] < made["counts"]["active"] < total, "nothing was under way"

        restored = await ok(ca.folder, "restore", FILE, "--into", tmp_path / "new")
        assert restored["crl_number"] > read_crl(ca.folder / "data/ca/crl.pem").number
        async with at(ca, tmp_path / "new") as new:
            with Program(new.config) as again:
                event = await to_thread.run_sync(again.wait_for, "store.restored")
                assert (event["backup"], event["made"]) == (made["id"], made["made"])
                await to_thread.run_sync(again.wait_for, "supervisor.ready")
                written = await to_thread.run_sync(again.wait_for, "crl.written")
                assert written["number"] > restored["crl_number"]
                await new.until_done(made["counts"]["active"])
                found = await pems(new)
                assert set(sessions) <= set(found) <= set(before)
                reserved = await reserved_before(new, restored["restored"])
                same = {session for session in found if found[session] == before[session]}
                assert len(same) >= made["counts"]["certificates"]
                assert same == reserved, "the same intent gave other bytes"
                serials = [x509.load_pem_x509_certificate(pem.encode()).serial_number for pem in before.values()]
                newer = [found[session] for session in found if session not in same]
                fresh = [x509.load_pem_x509_certificate(pem.encode()).serial_number for pem in newer]
                assert set(fresh).isdisjoint(serials)
                await audit_done(new, found, [again])
                looked = await ok(new.folder, "fsck")
                assert looked["breaches"] == []
                assert read_crl(new.folder / "data/ca/crl.pem").number == written["number"]
                assert await to_thread.run_sync(again.stop) == ExitCode.OK


@asynccontextmanager
async def submitting(ca: Site) -> AsyncIterator[list[int]]:
    """Sessions come all the while; how many is counted."""
    count, stopping = [0], anyio.Event()

    async def submit() -> None:
        while not stopping.is_set():
            count[0] += len(await ca.submit(10))
            with anyio.move_on_after(0.05):
                await stopping.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(submit)
        yield count
        stopping.set()


async def reserved_before(new: Site, moment: int) -> set[str]:
    """Sessions whose serial was reserved before a time, as their stories tell."""
    found = set()
    async for record in each_certificate(new.store):
        session = await read_whole(new.store, record.session)
        assert session is not None
        (line,) = [line for line in session.story.splitlines() if line.endswith("reserved")]
        if int(line.split()[0]) < moment:
            found.add(session.id)
    return found


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


async def test_without_a_supervisor_and_encrypted(tmp_path: Path) -> None:
    """The key and the backup are encrypted with passphrases of their own; both stay so, and neither is in the file."""
    async with site(tmp_path / "old", '[ca]\npassphrase_file = "secret"\n') as ca:
        (ca.folder / "secret").write_text("of the key\n")
        (ca.folder / "other").write_text("of the backup\n")
        key = ca.folder / "data/ca/intermediate.key"
        pem = load(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"of the key"))
        key.write_bytes(pem)
        plain = await command(ca.folder, "backup", "plain.tar.gz")
        sealed = await command(ca.folder, "backup", FILE, "--passphrase-file", "other")
        assert (plain.code, sealed.code) == (0, 0)
        assert "plain text" not in plain.err
        assert f"not in it: ca.passphrase_file, {ca.folder}/secret" in plain.err
        for name in ("plain.tar.gz", FILE):
            assert (ca.folder / name).stat().st_mode & 0o777 == 0o600
        with (ca.folder / "plain.tar.gz").open("rb") as file:
            backup = Backup(file, "plain.tar.gz", None)
            packed = {member.name: data for member, data in backup.each(backup.verify())}
        assert packed["data/ca/intermediate.key"] == pem
        assert not any(b"of the" in data for data in packed.values())
        refused = await command(ca.folder, "restore", FILE, "--into", tmp_path / "new")
        assert (refused.code, refused.line) == (
            4,
            f"{FILE}: it is encrypted: --passphrase-file must name its passphrase",
        )
        assert not (tmp_path / "new").exists()
        await ok(ca.folder, "restore", FILE, "--into", tmp_path / "new", "--passphrase-file", "other")
        assert (tmp_path / "new/data/ca/intermediate.key").read_bytes() == pem
        (tmp_path / "new/secret").write_text("of the key\n")
        async with at(ca, tmp_path / "new") as new:
            with await new.start():
                await new.submit(1)
                await new.until_done(1)


async def test_a_key_in_plain_text_is_said(tmp_path: Path) -> None:
    """Once for each, on standard error; the backup on standard output is whole."""
    async with site(tmp_path / "old") as ca:
        shell = f"{sys.executable} -m supervisor --config {ca.config} backup - > {ca.folder / FILE}"
        run = partial(subprocess.run, shell, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S604  a redirection
        done = await to_thread.run_sync(run)
        assert f"in plain text are in it: {ca.folder}/data/ca/intermediate.key;" in done.stderr
        looked = await ok(ca.folder, "backup", "--verify", FILE)
        assert [each["key"] for each in looked["members"] if each["key"]] == ["plain"]


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


async def test_killed_backups_leave_nothing_that_looks_whole(tmp_path: Path) -> None:
    """At whatever step it dies; the supervisor works on, and the next backup takes the place of what is left."""
    async with site(tmp_path / "old") as ca:
        with await ca.start() as program:
            await ca.submit(50)
            await ca.until_done(50)
            code, step = -signal.SIGKILL, 0
            while code:
                step += 1
                code = await dying(step, FILE, ca.folder, "backup", FILE)
                if code:
                    assert not (ca.folder / FILE).exists() or (await ok(ca.folder, "backup", "--verify", FILE))
                    (ca.folder / FILE).unlink(missing_ok=True)
                    await ca.submit(1)
            assert step > 3
            await ca.until_done(50 + step - 1)
            assert (await ok(ca.folder, "backup", "--verify", FILE))["counts"]["active"] == 50 + step - 1
            assert not (ca.folder / f".{FILE}.part").exists()
            assert program.named("lease.lost") == []


async def test_killed_while_writers_are_paused(tmp_path: Path) -> None:
    """A backup that dies in its pause holds nobody up for longer than the pause's own limit, and costs no lease."""
    async with site(tmp_path / "old", '[store]\nlease = "3s"\n') as ca:
        with await ca.start() as program:
            redis: Any = ca.store.redis
            await redis.execute_command("CLIENT", "PAUSE", 2000, "WRITE")  # all that is left of a backup that has died
            await ca.submit(5)
            await ca.until_done(5)
            assert program.named("lease.lost") == program.named("store.lost") == []


@pytest.mark.parametrize("late", [False, True])
async def test_a_server_that_dies_meanwhile_leaves_no_backup(tmp_path: Path, late: bool) -> None:  # noqa: FBT001
    """The command says that the store is away, ends with its code, and no file is there."""
    async with site(tmp_path / "old") as ca:
        with await ca.start() as program:
            await ca.submit(400)
            await ca.until_done(400)
            process = subprocess.Popen(  # noqa: ASYNC220  it only begins here
                [sys.executable, "-c", "from supervisor.cli import main; main()", "backup", FILE],
                cwd=ca.folder,
                env={"PYTHONPATH": str(ROOT)},
                stderr=subprocess.PIPE,
                text=True,
            )
            part = ca.folder / f".{FILE}.part"
            while not part.exists() or (late and not part.stat().st_size):
                assert process.poll() is None
            program.kill()
            assert process.stderr is not None
            said = await to_thread.run_sync(process.stderr.read)
            process.stderr.close()
            code = process.wait()
        if code == ExitCode.OK:  # it was faster, or has started the store itself
            assert (await ok(ca.folder, "backup", "--verify", FILE))["counts"]["active"] == 400
        else:
            assert (code, said.count("error: ")) == (ExitCode.STORE, 1), said
            assert not (ca.folder / FILE).exists()
        assert not part.exists()


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


async def is_whole(folder: Path, certificates: int) -> None:
    """A CA with that many certificates that keeps every law."""
    await ok(folder, "crl", "--write")
    looked = await ok(folder, "fsck")
    assert (looked["certificates"], looked["breaches"]) == (certificates, [])


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
