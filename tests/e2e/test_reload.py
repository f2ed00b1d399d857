"""SIGHUP: a good file takes effect and drops nothing, a bad one changes nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from stages.store.reading import read_whole
from tests.harness.audit import audit_done
from tests.harness.process import Program
from tests.harness.site import Site, site


async def reload(program: Program, event: str) -> dict[str, object]:
    program.signal(signal.SIGHUP)
    return await to_thread.run_sync(program.wait_for, event)


def write(ca: Site, old: str, new: str) -> None:
    text = ca.config.read_text()
    assert old in text
    ca.config.write_text(text.replace(old, new))


@pytest.mark.anyio
async def test_reload_takes_a_good_file(tmp_path: Path) -> None:
    """Concurrency, log level and name policy take effect at once, restart-only settings are named, nothing is lost."""
    extra = '[queues.testchallenge]\nconcurrency = 2\n[logs]\nlevel = "info"\n[names]\nwildcards = true\n'
    async with site(tmp_path, extra) as ca:
        ca.peer.delay = 3.0
        with await ca.start() as program:
            sessions = await ca.submit(12)
            await ca.until_asked(2)
            write(ca, "concurrency = 2", "concurrency = 12")
            write(ca, "wildcards = true", 'deny_ips = ["127.0.0.0/8"]')
            write(ca, '[logs]\nlevel = "info"', '[recovery]\ninterval = "1h"\n[admin]\nlisten = "127.0.0.1:1"\n[logs]')
            taken = await reload(program, "config.reloaded")
            assert taken["changed"] == ["queues.testchallenge.concurrency", "recovery.interval", "names.deny_ips"]
            assert taken["restart"] == ["admin.listen"]
            await ca.until_asked(12)  # twelve at once now, while the first two still wait for their answers
            ca.peer.delay = 0.0
            [refused] = await ca.submit(1)
            await ca.until(lambda found: found.rejected == 13, 20.0)
            session = await read_whole(ca.store, refused)
            assert session is not None
            assert session.error is not None
            assert session.error.kind == "rejectedIdentifier"
            assert await to_thread.run_sync(program.stop) == 0
    assert {event["session"] for event in program.named("session.rejected")} == {*sessions, refused}


@pytest.mark.anyio
async def test_reload_changes_the_log_level(tmp_path: Path) -> None:
    """At level warning nothing of the usual work is logged any more."""
    async with site(tmp_path, '[logs]\nlevel = "info"\n') as ca:
        with await ca.start() as program:
            await ca.submit(1)
            await ca.until_done(1)
            write(ca, 'level = "info"', 'level = "warning"')
            program.signal(signal.SIGHUP)
            with anyio.fail_after(10):
                before = -1
                while before != len(program.events):  # until a whole session leaves no line
                    before = len(program.events)
                    sessions = await ca.submit(1)
                    await ca.until(lambda found: found.certificates == found.active)
            assert sessions[0] not in {event.get("session") for event in program.events}
            assert await to_thread.run_sync(program.stop) == 0


@pytest.mark.anyio
async def test_reload_with_fewer_workers_under_load(tmp_path: Path) -> None:
    """Concurrency goes down and up again and again while the queues are full: no session is lost or done twice."""
    queues = ("makechallenge", "testchallenge", "issue", "done")
    extra = "".join(f"[queues.{queue}]\nconcurrency = 64\n" for queue in queues)
    async with site(tmp_path, extra) as ca:
        ca.peer.delay = 0.01
        with await ca.start() as program:
            sessions: list[str] = []
            for old, new in ((64, 1), (1, 64), (64, 2), (2, 50), (50, 3), (3, 64)):
                sessions += await ca.submit(40)
                write(ca, f"concurrency = {old}\n", f"concurrency = {new}\n")
                await reload(program, "config.reloaded")
            await ca.until_done(len(sessions))
            await audit_done(ca, sessions, [program])
            assert await to_thread.run_sync(program.stop) == 0
    assert [event for event in program.events if event["level"] in {"error", "warning"}] == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("concurrency = 2", "concurrency = 0"),
        ("concurrency = 2", "concurency = 2"),
        ("concurrency = 2", "concurrency = "),
        ("[names]", '[profiles.odd]\nkey_usages = ["crl_sign"]\n[names]'),
        ("[names]", '[keys]\nblocked_file = "nowhere.txt"\n[names]'),
    ],
)
async def test_reload_refuses_a_bad_file(tmp_path: Path, old: str, new: str) -> None:
    """config.refused names the mistake, the old settings stay, and the work goes on."""
    extra = "[queues.testchallenge]\nconcurrency = 2\n[names]\n"
    async with site(tmp_path, extra) as ca:
        with await ca.start() as program:
            write(ca, old, f'{new}\ndeny_ips = ["127.0.0.0/8"]' if new.endswith("[names]") else new)
            refused = await reload(program, "config.refused")
            assert refused["problems"]
            sessions = await ca.submit(4)
            await ca.until_done(4)
            await audit_done(ca, sessions, [program])
            ca.config.unlink()
            assert (await reload(program, "config.refused"))["problems"]
            assert await to_thread.run_sync(program.stop) == 0
