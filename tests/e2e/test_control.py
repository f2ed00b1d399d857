"""Asking the running program: `reload` with its answer, `check-config --diff`, `--running`, and who owns the socket."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from supervisor.control.asking import NotAnswered, ask
from supervisor.control.messages import SOCKET, Question
from tests.e2e.command import Place
from tests.harness.process import Program
from tests.harness.site import Site, site
from tests.harness.valkey import Valkey

pytestmark = pytest.mark.anyio

CONFIG, NOT_FOUND = 3, 9


async def call(ca: Site, *arguments: str) -> Any:
    """Run a command on the CA's host; how it ended."""
    return await to_thread.run_sync(lambda: Place(ca.folder).call(*arguments))


def write(ca: Site, old: str, new: str) -> None:
    text = ca.config.read_text()
    assert old in text
    ca.config.write_text(text.replace(old, new))


async def test_reload_answers_what_it_has_done(tmp_path: Path) -> None:
    """Changes with both values, those that wait, then the mistakes; what the answer says is what the log says."""
    async with site(tmp_path, "[queues.issue]\nconcurrency = 2\n[store]\n") as ca:
        with await ca.start() as program:
            write(ca, "concurrency = 2", "concurrency = 9")
            write(ca, "[store]", '[store]\nlease = "12s"')
            expected = {
                "pid": program.pid,
                "config": str(ca.config),
                "changes": [
                    {"key": "store.lease", "old": '"10s"', "new": '"12s"', "taken": "restart"},
                    {"key": "queues.issue.concurrency", "old": "2", "new": "9", "taken": "reload"},
                ],
                "warnings": [],
            }
            asked = await call(ca, "check-config", "--diff", "--json")
            assert asked.json == {**expected, "against": "running"}
            assert (await call(ca, "reload", "--json")).json == expected
            logged = await to_thread.run_sync(program.wait_for, "config.reloaded")
            assert (logged["changed"], logged["restart"]) == (["queues.issue.concurrency"], ["store.lease"])
            again = await call(ca, "reload")
            assert (again.code, again.out.split()[-4:]) == (0, ["store.lease", '"10s"', '"12s"', "restart"])
            assert "restart" in again.err
            inside = (await call(ca, "check-config", "--running", "--json")).json
            assert (inside["settings"]["queues"]["issue"]["concurrency"], inside["pid"]) == (9, program.pid)
            assert inside["settings"]["store"]["lease"] == "10s"
            write(ca, "concurrency = 9", 'concurrency = 0\ntimeout = "x"')
            for command in (("reload",), ("check-config", "--diff")):
                refused = await call(ca, *command, "--json")
                problems = [problem["key"] for problem in refused.json["error"]["problems"]]
                assert (refused.code, problems) == (CONFIG, ["queues.issue.concurrency", "queues.issue.timeout"])
            assert len(program.named("config.refused")) == 1
            assert await to_thread.run_sync(program.stop) == 0
            assert not (tmp_path / "data" / SOCKET).exists()


async def test_program_works_the_difference_out_with_its_own_eyes(tmp_path: Path) -> None:
    """Its environment overrides the file, whatever that of the command is; another file can be tried beforehand."""
    async with site(tmp_path) as ca:
        with Program(ca.config, {"CA_SUPERVISOR__QUEUES__DONE__CONCURRENCY": "5"}) as program:
            await to_thread.run_sync(program.wait_for, "supervisor.ready")
            assert (await call(ca, "check-config", "--diff", "--json")).json["changes"] == []
            other = tmp_path / "other.toml"
            other.write_text(ca.config.read_text() + "[queues.done]\nconcurrency = 7\nmax_attempts = 2\n")
            found = await to_thread.run_sync(
                lambda: Place(tmp_path).json("--config", other, "check-config", "--diff")["changes"]
            )
            assert [change["key"] for change in found] == ["queues.done.max_attempts"]
            other.write_text(ca.config.read_text() + '[keys]\nblocked_file = "none"\n')
            assert ask(tmp_path / "data", Question("preview", str(other), other.read_text())).problems != ()
            assert program.named("config.refused") == []
            assert await to_thread.run_sync(program.stop) == 0


async def test_without_a_program_there_is_no_answer(tmp_path: Path) -> None:
    """`reload`, `tune` and --running end with 9 and name the socket; --diff compares with the defaults."""
    async with site(tmp_path, "[queues.issue]\nconcurrency = 2\n") as ca:
        for command in (("reload",), ("tune",), ("check-config", "--running")):
            found = await call(ca, *command)
            assert found.code == NOT_FOUND
            assert found.line == f"{tmp_path}/data/{SOCKET}: no supervisor runs on this data directory"
        compared = (await call(ca, "check-config", "--diff", "--json")).json
        assert (compared["against"], compared["pid"]) == ("defaults", None)
        assert {"key": "queues.issue.concurrency", "old": "32", "new": "2", "taken": None} in compared["changes"]
        assert [change["key"] for change in compared["changes"]] == [
            "queues.issue.concurrency",
            "challenges.types",
            "validation.http_port",
            "validation.allow",
        ]
        ca.config.write_text("data_dir = ")
        assert (await call(ca, "reload")).code == CONFIG


async def test_killed_program_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """Its socket answers nobody, and the next program takes its place; only the program's user can open it."""
    async with site(tmp_path) as ca:
        with await ca.start() as first:
            assert stat.S_IMODE((tmp_path / "data" / SOCKET).stat().st_mode) == 0o600
            first.kill()
        assert (await call(ca, "reload")).code == NOT_FOUND
        with await ca.start() as second:
            assert (await call(ca, "reload", "--json")).json["pid"] == second.pid
            assert await to_thread.run_sync(second.stop) == 0


async def test_second_program_on_the_directory_waits_for_the_socket(tmp_path: Path) -> None:
    """Two with a store elsewhere: the first is asked; when it has ended, the second is."""
    with Valkey(tmp_path / "valkey") as server:
        async with site(tmp_path / "ca", "one_of_several = true\n", url=server.url) as ca:
            with await ca.start() as first, await ca.start() as second:
                assert len(second.named("control.unavailable")) == 1
                assert (await call(ca, "reload", "--json")).json["pid"] == first.pid
                assert await to_thread.run_sync(first.stop) == 0
                await to_thread.run_sync(second.wait_for, "control.available")
                assert (await call(ca, "reload", "--json")).json["pid"] == second.pid
                assert await to_thread.run_sync(second.stop) == 0


async def test_what_is_no_question_is_told_so(tmp_path: Path) -> None:
    """Garbage gets an error, a line without end gets nothing, a silent client is no harm; a stopped program is said."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            silent = socket.socket(socket.AF_UNIX)
            silent.connect(str(tmp_path / "data" / SOCKET))
            for line, expected in ((b"[]\n", b"not understood"), (b'{"ask":"stop"}\n', b"not understood"), (b"x", b"")):
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(10)
                    client.connect(str(tmp_path / "data" / SOCKET))
                    client.sendall(line)
                    client.shutdown(socket.SHUT_WR)
                    answer = await to_thread.run_sync(client.recv, 4096)
                    assert expected in answer
                    assert bool(expected) is bool(answer)
            assert (await call(ca, "reload")).code == 0
            silent.close()
            program.signal(signal.SIGSTOP)
            try:
                with pytest.raises(NotAnswered) as none:
                    await to_thread.run_sync(lambda: ask(tmp_path / "data", Question("settings"), 0.2))
            finally:
                program.signal(signal.SIGCONT)
            assert (none.value.why, none.value.running) == ("no answer within 0.2 s", True)
            assert await to_thread.run_sync(program.stop) == 0
        assert program.named("control.failed") == []


async def test_any_data_directory_has_room_for_the_socket(tmp_path: Path) -> None:
    """A path that is longer than a socket's may be is no obstacle, where the store is elsewhere."""
    folder = tmp_path / "/".join(["d" * 50] * 3)
    assert len(os.fsencode(folder)) > 107
    with Valkey(tmp_path / "valkey") as server:
        async with site(folder, url=server.url) as ca:
            with await ca.start() as program:
                assert (await call(ca, "reload", "--json")).json["pid"] == program.pid
                assert await to_thread.run_sync(program.stop) == 0
