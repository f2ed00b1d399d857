"""Lines into a descriptor: a pipe, a terminal, a socket, a file that somebody else opened. For `supervisor.logs`."""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import Final

from supervisor.logs.outlet.sink import GoneError

_AT_ONCE: Final = 4096
"""POSIX: a pipe that polls as writable takes this many bytes (PIPE_BUF on Linux) without blocking."""
_GONE: Final = frozenset({errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO, errno.ECONNRESET})


class Stream:
    """A descriptor that others may share: it is neither closed nor made non-blocking.

    All lines of one call go out in one write, as far as the descriptor takes them. Of a line that was written in part
    the rest goes first the next time.
    """

    gone: frozenset[int] = _GONE

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._begun = self._rest = b""
        self._poll = select.poll()
        self._look()

    def _look(self) -> None:
        """A file takes everything at once; anything else is asked first."""
        try:
            self._is_file = stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError:
            self._is_file = False  # writing will say what is wrong with it
        if not self._is_file:
            self._poll.register(self._fd, select.POLLOUT)

    def is_terminal(self) -> bool:
        """Whether a person may be reading."""
        try:
            return os.isatty(self._fd)
        except OSError:
            return False

    def send(self, lines: list[bytes], wait: float) -> int:
        """As `Sink.send` says."""
        data = self._rest + b"".join(lines)
        try:
            sent = self._write(data, wait)
        except OSError as error:
            if error.errno in self.gone:
                raise GoneError(error.strerror) from error
            raise
        if sent == len(data):
            self._rest = b""
            return len(lines)
        return self._taken(lines, sent)

    def _write(self, data: bytes, wait: float) -> int:
        """Write as much as there is room for; a fault after the first byte ends it without being raised."""
        if self._is_file:
            return os.write(self._fd, data)
        sent, milliseconds = 0, int(wait * 1000)
        while sent < len(data) and self._poll.poll(milliseconds):
            try:
                sent += os.write(self._fd, data[sent : sent + _AT_ONCE] if len(data) > _AT_ONCE else data)
            except OSError as error:
                if not sent and not isinstance(error, BlockingIOError):
                    raise
                break
        return sent

    def _taken(self, lines: list[bytes], sent: int) -> int:
        """How many lines that many bytes are; the rest of the one that was begun is kept and counts as taken."""
        if sent < len(self._rest):
            self._rest = self._rest[sent:]
            return 0
        sent -= len(self._rest)
        self._rest = b""
        for number, line in enumerate(lines):
            if sent < len(line):
                if sent:
                    self._begun, self._rest = line, line[sent:]
                return number + bool(sent)
            sent -= len(line)
        return len(lines)

    def close(self) -> None:
        """Nothing was opened."""
