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

    A write has whole lines: all of a call into a file, else as many as a pipe takes at once. POSIX: up to PIPE_BUF
    bytes stay together, whoever else writes there and whenever the program is killed. Of a longer line the rest goes
    first the next time.
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
        if self._rest:
            self._rest = self._rest[self._write(self._rest, wait) :]
            if self._rest:
                return 0
        taken, count = 0, len(lines)
        while taken < count:
            end = count if self._is_file else _fitting(lines, taken)
            data = lines[taken] if end - taken == 1 else b"".join(lines[taken:end])
            try:
                sent = self._write(data, wait)
            except (OSError, GoneError):
                if taken:
                    return taken  # the next call comes to the fault, and has nothing to its credit
                raise
            if sent < len(data):
                return taken + self._taken(lines[taken:end], sent)
            taken = end
        return count

    def _write(self, data: bytes, wait: float) -> int:
        """Write as much as there is room for; a fault after the first byte ends it without being raised."""
        sent, milliseconds = 0, int(wait * 1000)
        try:
            if self._is_file:
                return os.write(self._fd, data)
            while sent < len(data) and self._poll.poll(milliseconds):
                sent += os.write(self._fd, data[sent : sent + _AT_ONCE] if len(data) > _AT_ONCE else data)
        except BlockingIOError:  # somebody else has made it non-blocking
            return sent
        except OSError as error:
            if sent:
                return sent
            if error.errno in self.gone:
                raise GoneError(error.strerror) from error
            raise
        return sent

    def _taken(self, lines: list[bytes], sent: int) -> int:
        """How many lines that many bytes are; the rest of the one that was begun is kept and counts as taken."""
        for number, line in enumerate(lines):
            if sent < len(line):
                if sent:
                    self._begun, self._rest = line, line[sent:]
                return number + bool(sent)
            sent -= len(line)
        return len(lines)

    def close(self) -> None:
        """Nothing was opened."""


def _fitting(lines: list[bytes], start: int) -> int:
    """The end of the lines from `start` on that one write can have; at least one."""
    size, end = len(lines[start]), start + 1
    while end < len(lines) and (size := size + len(lines[end])) <= _AT_ONCE:
        end += 1
    return end
