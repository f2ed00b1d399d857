"""`logs.to = "journald"`: one datagram for each entry, to journald's socket. For `supervisor.logs` only.

An entry that is too big for a datagram is written into a sealed memfd, and its descriptor is sent instead
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Final

from stages.errors import Refused

SOCKET: Final = Path("/run/systemd/journal/socket")
_TOO_BIG: Final = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Journald:
    """Entries for journald. Raises Refused ("logs.to") when nobody listens there at the start."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.setblocking(False)  # noqa: FBT003  its only argument
        try:
            made.connect(str(self._path))
        except OSError as error:
            made.close()
            raise Refused(
                "settings", "logs.to", f"journald does not answer at {self._path}: {error.strerror}"
            ) from None
        self._poll = select.poll()
        self._poll.register(made, select.POLLOUT)
        return made

    def send(self, lines: list[bytes], wait: float) -> int:
        """As `Sink.send` says; a journald that was started again is connected to again."""
        for number, entry in enumerate(lines):
            try:
                self._send(entry)
            except BlockingIOError:
                if number or not wait or not self._poll.poll(int(wait * 1000)):
                    return number
                with suppress(BlockingIOError):
                    self._send(entry)
                    return 1
                return 0
            except OSError:
                if number:
                    return number
                self._again()
                self._send(entry)
        return len(lines)

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.send(entry)
        except OSError as error:
            if error.errno not in _TOO_BIG:
                raise
            self._send_memory(entry)

    def _send_memory(self, entry: bytes) -> None:
        """Send a memfd; journald maps it only when it is sealed, so that nobody can change it any more."""
        fd = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with os.fdopen(fd, "wb", closefd=False) as memory:
                memory.write(entry)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            self._socket.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))])
        finally:
            os.close(fd)

    def _again(self) -> None:
        try:
            made = self._connected()
        except Refused as refused:
            raise OSError(errno.ECONNREFUSED, refused.reason) from None
        self._socket.close()
        self._socket = made

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
