"""Backup and restore of a running CA: nothing is lost, nothing half is taken for whole, and numbers go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
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
from stages.store.certificates import each_certificate
from stages.store.reading import read_whole
from supervisor.backup.archive import Backup
from supervisor.exit_codes import ExitCode
from supervisor.upkeep.crl import read_crl
from tests.e2e.backups import FILE, at, command, dying, ok, pems
from tests.harness.audit import audit_done
from tests.harness.process import ROOT, Program
from tests.harness.site import Site, site

pytestmark = pytest.mark.anyio


LOAD = "".join(f"[queues.{queue}]\nconcurrency = 100\n" for queue in ("makechallenge", "testchallenge", "issue"))


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
