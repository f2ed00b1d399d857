"""A store that is not embedded: its user, its TLS, what it promises, and what is said when a setting of it is wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from stages.errors import StoreUnavailable
from stages.store.connection import StoreSettings
from stages.store.health import check_store
from stages.store.store import Store
from supervisor.exit_codes import ExitCode
from tests.e2e.command import as_process
from tests.harness.audit import audit_done
from tests.harness.authority import make_authority
from tests.harness.fetching import service_port
from tests.harness.process import ROOT, Program
from tests.harness.site import Site, site
from tests.harness.tls import Certificates, tls_door
from tests.harness.valkey import Valkey

PASSWORD = "correct-horse-battery"  # noqa: S105  a user of the test's own server
PREFIX = "ca:"


def documented_user() -> str:
    """The ACL rule that docs/operation.md gives for a user "ca" and the prefix "ca:", with our password."""
    (line,) = [line for line in (ROOT / "docs/operation.md").read_text().splitlines() if line.startswith("user ca ")]
    return line.removeprefix("user ").replace(">PASSWORD", f">{PASSWORD}")


def login(folder: Path, password: str = PASSWORD) -> str:
    """Keys of [store] for that user."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "password"
    file.write_text(f"{password}\n")
    return f'username = "ca"\npassword_file = "{file}"\nprefix = "{PREFIX}"\n'


def said(program: Program) -> list[str]:
    """What the start said of a store that promises less than it should."""
    return [event["reason"] for event in program.named("store.warning")]


async def command(ca: Site, *words: str) -> Any:
    """The answer of the store to an administrator."""
    return await ca.store.redis.execute_command(*words)  # type: ignore[no-untyped-call]


async def issue_some(ca: Site, program: Program) -> None:
    """Two sessions come to their certificates, and the program stops in order."""
    sessions = await ca.submit(2)
    await ca.until_done(2)
    await audit_done(ca, sessions, [program])
    assert await to_thread.run_sync(program.stop) == ExitCode.OK
    assert program.named("store.lost") == program.named("stage.failed") == []


def refuse(config: Path, seconds: float = 30.0) -> tuple[int, str]:
    """Run the program until it ends; its exit code and why."""
    with Program(config) as program:
        code = program.end(seconds)
        assert PASSWORD.encode() not in b"".join(program.raw)
        (failed,) = program.named("supervisor.failed")
        assert failed["code"] == code
        return code, failed["why"]


@asynccontextmanager
async def of_a_user(folder: Path, server: Valkey, url: str, extra: str = "") -> AsyncIterator[Site]:
    """A site whose program logs in as "ca", and whose test looks on as the default user."""
    seen = StoreSettings(url=server.url, prefix=PREFIX)
    async with site(folder / "ca", login(folder / "ca") + extra, url=url, seen=seen) as ca:
        await command(ca, "ACL", "SETUSER", *documented_user().split())
        yield ca


@pytest.mark.anyio
async def test_a_user_with_the_documented_acl_can_do_all_that_is_needed(tmp_path: Path) -> None:
    """With WAITAOF and no more rights the program and its commands work, unwarned; the password is not shown."""
    port = service_port()
    with Valkey(tmp_path / "valkey", port=str(port), appendfsync="everysec") as server:
        async with of_a_user(tmp_path, server, f"redis://127.0.0.1:{port}") as ca:
            with await ca.start() as program:
                (session,) = await ca.submit(1)
                await ca.until_done(1)
                serial = (await command(ca, "HGET", f"{PREFIX}{session}", "serial")).decode()
                for words in (["status"], ["show", session], ["fsck"], ["revoke", serial], ["sessions"]):
                    result = await to_thread.run_sync(partial(as_process, ca.folder, {}, *words))
                    assert result.code == ExitCode.OK, (words, result)
                    assert PASSWORD not in result.out + result.err
                assert await to_thread.run_sync(program.stop) == ExitCode.OK
            stats = await ca.store.redis.info("commandstats")
            assert said(program) == []
            assert stats["cmdstat_waitaof"]["calls"] > 4
            assert await command(ca, "ACL", "LOG") == []
            assert PASSWORD.encode() not in b"".join(program.raw)


@pytest.mark.anyio
async def test_tls_with_a_ca_file(tmp_path: Path) -> None:
    """Over rediss:// the server is checked against store.tls_ca_file, and certificates are issued."""
    certificates = Certificates(tmp_path / "tls")
    with Valkey(tmp_path / "valkey", appendfsync="everysec") as server:
        async with (
            tls_door(certificates, server.socket) as port,
            of_a_user(tmp_path, server, f"rediss://127.0.0.1:{port}", f'tls_ca_file = "{certificates.ca}"\n') as ca,
        ):
            with await ca.start() as program:
                await issue_some(ca, program)
            assert said(program) == []


@pytest.mark.anyio
async def test_a_server_of_another_ca_is_a_wrong_setting(tmp_path: Path) -> None:
    """The program ends at once, and names the file's setting."""
    other, certificates = Certificates(tmp_path / "other"), Certificates(tmp_path / "tls")
    with Valkey(tmp_path / "valkey") as server:
        async with tls_door(certificates, server.socket) as port:
            table = f'[store]\nurl = "rediss://127.0.0.1:{port}"\ntls_ca_file = "{other.ca}"\n'
            code, why = await to_thread.run_sync(refuse, make_authority(tmp_path / "ca", table))
    assert code == ExitCode.CONFIG
    assert why.startswith("store.tls_ca_file: the server's certificate is not trusted: ")


@pytest.mark.anyio
async def test_a_server_whose_certificate_has_expired_is_waited_for(tmp_path: Path) -> None:
    """That is the server's to mend: it counts as a store that is away."""
    certificates = Certificates(tmp_path / "tls", ends_in=timedelta(days=-1))
    with Valkey(tmp_path / "valkey") as server:
        async with tls_door(certificates, server.socket) as port:
            settings = StoreSettings(url=f"rediss://127.0.0.1:{port}", tls_ca_file=str(certificates.ca))
            store = Store(settings, time.time)
            with pytest.raises(StoreUnavailable, match="certificate has expired"):
                await check_store(store)
            await store.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("rule", "password", "why"),
    [
        ("", "wrong", "store.username: the store refuses this user with the password of store.password_file"),
        ("off", PASSWORD, "store.username: the store refuses this user with the password of store.password_file"),
        ("-info", PASSWORD, "store.username: the user lacks a permission (docs/operation.md): User ca has no permis"),
        ("-lpush", PASSWORD, "store.username: the user lacks a permission (docs/operation.md): "),
        ("-evalsha", PASSWORD, "store.username: the user lacks a permission (docs/operation.md): User ca has no per"),
        ("resetchannels", PASSWORD, "store.username: the user lacks a permission (docs/operation.md): No permissions"),
    ],
    ids=["wrong password", "user off", "no INFO", "no LPUSH in a script", "no EVALSHA", "no channel"],
)
async def test_a_user_that_cannot_do_its_work(tmp_path: Path, rule: str, password: str, why: str) -> None:
    """The program ends at once with the code of a wrong setting, and names it."""
    port = service_port()
    with Valkey(tmp_path / "valkey", port=str(port)) as server:
        async with of_a_user(tmp_path, server, f"redis://127.0.0.1:{port}") as ca:
            login(tmp_path / "ca", password)
            if rule:
                await command(ca, "ACL", "SETUSER", "ca", rule)
            await ca.submit(1)
            code, found = await to_thread.run_sync(refuse, ca.config)
    assert (ExitCode.CONFIG, why) == (code, found[: len(why)])


@pytest.mark.anyio
async def test_a_right_that_is_taken_away_later(tmp_path: Path) -> None:
    """The running program ends with the code of a wrong setting too; what it held is found by the next one."""
    port = service_port()
    with Valkey(tmp_path / "valkey", port=str(port)) as server:
        async with of_a_user(tmp_path, server, f"redis://127.0.0.1:{port}") as ca:
            with await ca.start() as program:
                await command(ca, "ACL", "SETUSER", "ca", "-evalsha")
                sessions = await ca.submit(1)
                assert await to_thread.run_sync(program.end) == ExitCode.CONFIG
                assert program.named("supervisor.failed")[0]["why"].startswith("store.username: the user lacks")
            await command(ca, "ACL", "SETUSER", "ca", "+evalsha")
            with await ca.start() as program:
                await ca.until_done(1)
                await audit_done(ca, sessions, [program])
                assert await to_thread.run_sync(program.stop) == ExitCode.OK


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    """After some tries the program ends with the code of a store that is away, and names its address."""
    port = service_port()
    code, why = refuse(make_authority(tmp_path, f'[store]\nurl = "redis://127.0.0.1:{port}"\n'))
    assert code == ExitCode.STORE
    assert f"127.0.0.1:{port}" in why


@contextmanager
def an_old_server() -> Iterator[int]:
    """The port of a server that says it is Redis 6.2, and gives this answer to everything."""
    info = b"# Server\r\nredis_version:6.2.14\r\naof_enabled:1\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                while asked := client.recv(4096):
                    for command in asked.split(b"*")[1:]:
                        bulk = b"$%d\r\n%s\r\n" % (len(info), info)
                        client.sendall(
                            b"%0\r\n" if b"HELLO" in command else bulk if b"INFO\r\n" in command else b"+OK\r\n"
                        )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_server_that_is_too_old(tmp_path: Path) -> None:
    """Redis 6.2 is refused by its version."""
    with an_old_server() as port:
        found = refuse(make_authority(tmp_path, f'[store]\nurl = "redis://127.0.0.1:{port}"\n'))
    assert found == (ExitCode.CONFIG, "store.url: the server is Redis 6.2.14; 7.0 or a Valkey is needed")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"appendonly": "no"}, "appendonly is off"),
        ({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
    ],
    ids=["no append-only file", "eviction"],
)
async def test_a_store_that_may_forget_is_used_under_protest(
    tmp_path: Path, options: dict[str, str], warned: str
) -> None:
    """The start says loudly what is missing; certificates are issued."""
    with Valkey(tmp_path / "valkey", **options) as server:
        async with site(tmp_path / "ca", url=server.url) as ca:
            with await ca.start() as program:
                await issue_some(ca, program)
    assert warned == said(program)[0][: len(warned)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("CONFIG SET appendonly no", "CONFIG SET appendonly yes"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    ],
    ids=["full", "append-only file switched off", "made a replica"],
)
async def test_a_store_that_cannot_keep_writes_is_waited_for(tmp_path: Path, bad: str, good: str) -> None:
    """While the server refuses writes or cannot make them safe, everything waits; then it goes on by itself."""
    with Valkey(tmp_path / "valkey", appendfsync="everysec") as server:
        async with site(tmp_path / "ca", url=server.url) as ca:
            ca.peer.delay = 0.5
            with await ca.start() as program:
                sessions = await ca.submit(3)
                await ca.until_asked(1)
                await command(ca, *bad.split())
                await to_thread.run_sync(program.wait_for, "store.lost")
                await command(ca, *good.split())
                await to_thread.run_sync(program.wait_for, "store.back")
                await ca.until_done(3)
                await audit_done(ca, sessions, [program])
                assert await to_thread.run_sync(program.stop) == ExitCode.OK
    assert program.named("stage.failed") == []
