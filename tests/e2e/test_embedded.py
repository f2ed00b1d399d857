"""The embedded store as a process: what survives, what dies with what, and who may own a data directory."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from supervisor.embedded import EmbeddedError, embedded_store, socket_path, store_for_command
from supervisor.embedded.binary import server_binary
from supervisor.embedded.owner import pid_file

ROOT = Path(__file__).parents[2]
OWNER = """
import signal, sys, anyio
from pathlib import Path
from supervisor.embedded import embedded_store
async def main():
    # As the program does: a signal wakes the loop, whichever thread the kernel gives it to.
    with anyio.open_signal_receiver(signal.SIGINT) as interrupts:
        async with embedded_store(Path(sys.argv[1])) as store:
            print(store.pid, flush=True)
            await anext(aiter(interrupts))
anyio.run(main)
"""


@contextlib.contextmanager
def owner(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program that owns the directory, in a process group of its own, and the pid of its server."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def ended(pidfd: int, seconds: float = 10) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))


def open_to_others(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]


def folders_of_children() -> list[Path]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [Path(f"/proc/{child}/cwd").resolve() for child in children]


def no_program(folder: Path) -> Path:
    folder.mkdir()
    (folder / "valkey-server").write_bytes(b"")
    return folder / "valkey-server"


def append_file(data_dir: Path) -> Path:
    [path] = (data_dir / "store/appendonlydir").glob("*.incr.aof")
    return path


@contextlib.contextmanager
def running(data_dir: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works in the store's directory and that the pid file names."""
    pid_file(data_dir).parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(command, cwd=data_dir / "store", stdout=subprocess.DEVNULL) as process:
        pid_file(data_dir).write_text(f"{process.pid}\n")
        try:
            yield process
        finally:
            process.kill()


def ask(data_dir: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path(data_dir)))
        client.sendall(f"{command}\r\n".encode())
        return client.recv(4096).decode()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory that does not exist yet."""
    return tmp_path / "data"


@pytest.mark.anyio
async def test_start_is_fast_and_private(data_dir: Path) -> None:
    """It answers within two seconds, on a socket that only its owner can reach, and on no port."""
    began = time.monotonic()
    async with embedded_store(data_dir) as store:
        assert time.monotonic() - began < 2
        assert f"unix://{data_dir}/store/valkey.sock" == store.url
        assert ask(data_dir, "CONFIG GET port").endswith("$1\r\n0\r\n")
        assert ask(data_dir, "CONFIG GET appendfsync").endswith("always\r\n")
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (data_dir, data_dir / "store", store.socket)]
        assert modes == [0o700, 0o700, 0o700]
        assert open_to_others(data_dir) == []
    assert not store.socket.exists()
    assert not pid_file(data_dir).exists()


@pytest.mark.anyio
async def test_data_survives_a_killed_owner(data_dir: Path) -> None:
    """What was acknowledged is there after SIGKILL, and the server does not outlive its owner."""
    with owner(data_dir) as (process, server):
        pidfd = os.pidfd_open(server)
        assert ask(data_dir, "SET a b") == "+OK\r\n"
        process.kill()
        assert ended(pidfd)
        os.close(pidfd)
    async with embedded_store(data_dir) as store:
        assert ask(data_dir, "GET a") == "$1\r\nb\r\n"
        assert not store.aof_report().truncated


@pytest.mark.anyio
async def test_second_owner_is_refused_with_the_pid(data_dir: Path) -> None:
    """One directory has one owner, and the message names it."""
    with owner(data_dir) as (process, _):
        with pytest.raises(EmbeddedError, match=f"in use by process {process.pid}$") as caught:
            async with embedded_store(data_dir):
                pass
        assert process.pid == caught.value.held_by
        assert ask(data_dir, "PING") == "+PONG\r\n"


@pytest.mark.anyio
async def test_left_over_server_is_ended(data_dir: Path) -> None:
    """A server whose owner is gone and that does not end by itself is ended before a new one starts."""
    command = [str(server_binary()), "--port", "0", "--unixsocket", "valkey.sock", "--appendonly", "yes"]
    with running(data_dir, *command) as old:
        async with embedded_store(data_dir) as store:
            assert old.pid == store.left_over
            assert old.wait() == 0
            assert old.pid != store.pid


@pytest.mark.anyio
async def test_process_that_is_not_the_server_is_left_alone(data_dir: Path) -> None:
    """A pid file that names some other process by now does that process no harm."""
    with running(data_dir, "sleep", "60") as other:
        async with embedded_store(data_dir) as store:
            assert store.left_over == 0
            assert other.poll() is None


@pytest.mark.anyio
async def test_unfinished_write_is_cut_off_and_reported(data_dir: Path) -> None:
    """A write that the disk has half of is dropped, the rest is there, and the report counts the bytes."""
    async with embedded_store(data_dir):
        assert ask(data_dir, "SET a b") == "+OK\r\n"
    aof = append_file(data_dir)
    aof.write_bytes(aof.read_bytes() + b"*3\r\n$3\r\nSET\r\n$1")
    async with embedded_store(data_dir) as store:
        report = store.aof_report()
        assert (report.truncated, report.lost) == (True, 15)
        assert ask(data_dir, "GET a") == "$1\r\nb\r\n"


@pytest.mark.anyio
async def test_broken_file_is_reported_in_the_servers_words(data_dir: Path) -> None:
    """A file that is damaged in its middle is not repaired silently: the start fails and says why."""
    async with embedded_store(data_dir):
        assert ask(data_dir, "SET a b") == "+OK\r\n"
    aof = append_file(data_dir)
    aof.write_bytes(b"garbage\r\n" + aof.read_bytes())
    with pytest.raises(EmbeddedError, match="Bad file format reading the append only file"):
        async with embedded_store(data_dir):
            pass


@pytest.mark.anyio
async def test_long_path_is_refused(tmp_path: Path) -> None:
    """The path of a unix socket has a limit, and the message names the setting."""
    with pytest.raises(EmbeddedError, match=r"^data_dir: .* longer than a unix socket's 107 bytes"):
        async with embedded_store(tmp_path / ("x" * 100)):
            pass


@pytest.mark.anyio
async def test_binary_that_cannot_be_run_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without execute permission the message names the file."""
    binary = no_program(data_dir)
    monkeypatch.setattr("supervisor.embedded.opening.server_binary", lambda: binary)
    with pytest.raises(EmbeddedError, match=f"{binary}: Permission denied"):
        async with embedded_store(data_dir):
            pass


@pytest.mark.anyio
async def test_interrupt_of_the_terminal_does_not_reach_it(data_dir: Path) -> None:
    """Ctrl-C signals the program's process group; the server is in another one and stops last."""
    with owner(data_dir) as (process, server):
        assert os.getpgid(process.pid) != os.getpgid(server)
        pidfd = os.pidfd_open(server)
        os.killpg(process.pid, signal.SIGSTOP)
        os.killpg(process.pid, signal.SIGINT)
        assert ask(data_dir, "PING") == "+PONG\r\n"
        os.killpg(process.pid, signal.SIGCONT)
        assert ended(pidfd)
        os.close(pidfd)
        process.wait()


@pytest.mark.anyio
async def test_death_is_noticed_and_it_is_restarted(data_dir: Path) -> None:
    """A server that dies is reported at once, and comes back with its data."""
    async with embedded_store(data_dir) as store:
        ask(data_dir, "SET a b")
        first = store.pid
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, os.kill, first, signal.SIGKILL)
            assert (await store.watch()).startswith("status -9: ")
        await store.restart()
        assert first != store.pid
        assert ask(data_dir, "GET a") == "$1\r\nb\r\n"


@pytest.mark.anyio
async def test_command_uses_the_running_server(data_dir: Path) -> None:
    """A second process talks to the owner's server."""
    with owner(data_dir) as (process, server):
        async with store_for_command(data_dir) as url:
            assert f"unix://{socket_path(data_dir)}" == url
            assert f"process_id:{server}\r\n" in ask(data_dir, "INFO server")
        assert process.poll() is None
        assert ask(data_dir, "PING") == "+PONG\r\n"


@pytest.mark.anyio
async def test_command_starts_a_server_for_the_moment(data_dir: Path) -> None:
    """Without an owner the command is the owner, and leaves nothing running."""
    async with store_for_command(data_dir):
        assert ask(data_dir, "SET a b") == "+OK\r\n"
    assert not socket_path(data_dir).exists()


@pytest.mark.anyio
async def test_server_without_a_pid_file_is_ended(tmp_path: Path) -> None:
    """When the pid file cannot be written (a full disk) no server is left that a second one would write beside."""
    pid_file(tmp_path).mkdir(parents=True)
    with pytest.raises(EmbeddedError, match=r"valkey\.pid"):
        async with embedded_store(tmp_path):
            pytest.fail("it started")
    assert pid_file(tmp_path).parent not in folders_of_children()
