"""The queue between the loggers and a destination. For `supervisor.logs` only.

Lines of one turn of the event loop are gathered and written together at its end; a warning or an error, and lines from
outside the loop, are written at once. What the destination does not take then waits in a bounded backlog that a thread
writes, and what does not fit there is dropped and counted. The loop never waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from supervisor.logs.outlet.sink import GoneError, Sink

BACKLOG: Final = 4 << 20
"""Bytes that may wait, where nobody says otherwise."""
_GATHERED: Final = 256
"""Lines of one turn after which the turn's end is not waited for."""
_BATCH: Final = 64
_PATIENCE: Final = 0.5
_AGAIN: Final = 1.0
"""Seconds after which a destination with a fault, such as a full disk, is tried again."""


class Output:
    """Lines on their way to `sink`.

    Args:
        sink: the destination.
        lost: makes the line that says how many lines were dropped.
        limit: bytes that may wait.

    Attributes:
        dropped: lines that were lost, since the start.
    """

    def __init__(self, sink: Sink, lost: Callable[[int], bytes], limit: int = BACKLOG) -> None:
        self.sink = sink
        self.dropped = 0
        self._lost = lost
        self._limit = limit
        self._lock = threading.Lock()
        self._gathered: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._backlog: deque[bytes] = deque()
        self._size = 0
        self._untold = 0
        self._is_full = self._gone = False
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    @property
    def queued(self) -> int:
        """Bytes that wait for the destination."""
        return self._size

    def put(self, line: bytes, *, urgent: bool = False) -> None:
        """Take a line; never waits, and never raises for what the destination does."""
        gathered = self._gathered
        gathered.append(line)
        if not urgent and len(gathered) < _GATHERED:
            loop = asyncio._get_running_loop()  # noqa: SLF001  get_running_loop without the exception: None in a thread
            if loop is not None:
                if loop is not self._loop:
                    self._loop = loop
                    loop.call_soon(self._end_of_turn)
                return
        self.write()

    def _end_of_turn(self) -> None:
        self._loop = None
        self.write()

    def write(self) -> None:
        """Write what was gathered, as far as the destination takes it now; the rest waits for the thread."""
        with self._lock:
            lines = self._gathered[:]
            del self._gathered[: len(lines)]  # a thread may have added one meanwhile
            if not lines:
                return
            if self._thread is None:
                lines = self._send(lines)
            if lines:
                self._keep(lines)

    def _send(self, lines: list[bytes]) -> list[bytes]:
        """What the destination does not take."""
        if self._gone:
            self.dropped += len(lines)
            return []
        try:
            return lines[self.sink.send(lines, 0) :]
        except GoneError:
            self._gone = True
            self.dropped += len(lines)
            return []
        except OSError:
            return lines

    def _keep(self, lines: list[bytes]) -> None:
        """Put lines into the backlog. Once it is full, it takes nothing until half of it is free."""
        if self._ending.is_set():
            self.dropped += len(lines)
            return
        if self._is_full and self._size <= self._limit // 2:
            self._is_full = False
            self._tell()
        for line in lines:
            if self._is_full or self._size + len(line) > self._limit:
                self._is_full = True
                self._untold += 1
                self.dropped += 1
            else:
                self._backlog.append(line)
                self._size += len(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._drain, name="log-output", daemon=True)
            self._thread.start()

    def _tell(self) -> None:
        """Say, between what was kept and what comes next, how many lines are missing there."""
        lost, self._untold = self._lost(self._untold), 0
        self._backlog.append(lost)
        self._size += len(lost)

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._backlog and self._untold:
                    self._is_full = False
                    self._tell()
                if not self._backlog:
                    self._thread = None
                    return
                lines = list(islice(self._backlog, _BATCH))
            try:
                taken = self.sink.send(lines, _PATIENCE)
            except GoneError:
                self._give_up()
                return
            except OSError:
                if self._ending.wait(_AGAIN):
                    self._give_up()
                    return
                continue
            with self._lock:
                for _ in range(taken):
                    self._size -= len(self._backlog.popleft())

    def _give_up(self) -> None:
        with self._lock:
            self._gone = True
            self.dropped += len(self._backlog)
            self._backlog.clear()
            self._size = 0
            self._thread = None

    def flush(self, seconds: float) -> None:
        """Write what was gathered, and wait for the backlog, at most so long."""
        self.write()
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def close(self, seconds: float) -> None:
        """Flush, at most so long; a destination with a fault is not tried again. Then close the destination."""
        self._ending.set()
        self.flush(seconds)
        if self._thread is None:
            self.sink.close()
