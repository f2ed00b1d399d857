"""Where log lines go: one file descriptor, written without holding up the loop. For `supervisor.logs.setup` only.

A line is written at once when the descriptor takes it. When it does not (a pipe whose reader is slow), lines
wait in a bounded backlog that a thread writes, and what does not fit is dropped and counted. A descriptor
whose reader has gone is never written to again; the program goes on.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

_AT_ONCE: Final = 4096
"""POSIX: a pipe that polls as writable takes this many bytes (PIPE_BUF on Linux) without blocking."""
_BACKLOG: Final = 4 << 20
_GONE: Final = frozenset({errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO})


class Output:
    """The logger at the end of structlog's chain: every level's method writes one finished line.

    Args:
        fd: the descriptor; it is neither closed nor made non-blocking, as other processes may share it.
        lost: makes the line that says how many lines were dropped.
    """

    def __init__(self, fd: int, lost: Callable[[int], bytes]) -> None:
        self._fd = fd
        self._lost = lost
        self._lock = threading.Lock()
        self._backlog: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._drainer: threading.Thread | None = None
        self._gone = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write the line, or put it into the backlog; never raises for what the descriptor does."""
        if self._gone:
            return
        with self._lock:
            if self._drainer is None and len(line) <= _AT_ONCE and self._is_writable():
                self._put(line)
                return
            if self._size + len(line) > _BACKLOG:
                self._dropped += 1
                return
            self._backlog.append(line)
            self._size += len(line)
            if self._drainer is None:
                self._drainer = threading.Thread(target=self._drain, name="log-output", daemon=True)
                self._drainer.start()

    debug = info = warning = error = critical = exception = msg = write

    def flush(self, seconds: float) -> None:
        """Wait for the backlog, at most so long."""
        drainer = self._drainer
        if drainer is not None:
            drainer.join(seconds)

    def _is_writable(self) -> bool:
        """Whether a write returns at once; true as well for a broken descriptor, which fails at once."""
        return bool(self._poll.poll(0))

    def _put(self, line: bytes) -> None:
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._gone = error.errno in _GONE
            self._dropped += 1

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._backlog or self._gone:
                    self._backlog.clear()
                    self._size = 0
                    self._drainer = None
                    dropped, self._dropped = self._dropped, 0
                    break
                line = self._backlog.popleft()
                self._size -= len(line)
            self._put(line)
        if dropped:
            self.write(self._lost(dropped))
