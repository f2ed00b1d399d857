"""Runs the Valkey server: starts it, waits until it answers, watches it, starts it again, stops it.

For `supervisor.embedded` only; `opening` has the ways to it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

from supervisor.embedded.child import ended, spawn
from supervisor.embedded.owner import EmbeddedError, pid_file, socket_path, store_dir
from supervisor.embedded.report import AofReport, aof_report, open_log, read_from, tail

_POLL: Final = 0.003
_PING_LIMIT: Final = 1.0
_START_LIMIT: Final = 30.0
"""Seconds in which the server must answer; reading its file, which it says it does, is not counted."""
_STOP_LIMIT: Final = 10.0
_BACKOFF_FIRST: Final = 0.1
_BACKOFF_MAX: Final = 5.0
_STEADY: Final = 60.0
"""A server that has run so long is restarted without delay."""


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
        self._process = self._spawn()
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
        await ended(process)
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
                await ended(process)
            if process.poll() is None:
                process.kill()
                await ended(process)
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

    def _spawn(self) -> subprocess.Popen[bytes]:
        try:
            log = open_log(self._log)
            try:
                self._log_from = os.fstat(log).st_size
                return spawn(self._data_dir, self._binary, log)
            finally:
                os.close(log)
        except OSError as error:
            raise EmbeddedError(f"store: {error.filename or self._binary}: {error.strerror}") from error

    def _last_words(self) -> str:
        return tail(read_from(self._log, self._log_from)) or "it said nothing"


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
