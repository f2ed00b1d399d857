"""`logs.to` is a path: a file that is appended to, and opened again once it was moved. For `supervisor.logs`."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from stages.errors import Refused
from supervisor.logs.outlet.stream import Stream


class LogFile(Stream):
    """A file in append mode: each write goes to its end, also after somebody has cut it short (`copytruncate`).

    It is made with mode 0640 where it is missing. Raises Refused ("logs.to") when it cannot be opened, or is neither a
    file nor a device.
    """

    gone = frozenset()  # a disk that failed may come back, and `reopen` may bring another file

    def __init__(self, path: Path) -> None:
        self.path = path
        self._busy = threading.Lock()
        super().__init__(_opened(path))
        if not _ends_with_a_line(path):  # a killed run, or a full disk, has left half a line
            self._begun = self._rest = b"\n"

    def send(self, lines: list[bytes], wait: float) -> int:
        """As `Sink.send` says."""
        with self._busy:
            return super().send(lines, wait)

    def reopen(self) -> None:
        """Write to what is at the path now. Raises Refused, and goes on with the old file, when that fails."""
        fd = _opened(self.path)
        with self._busy:
            old, self._fd = self._fd, fd
            self._look()
            if self._rest:  # its first part is in the old file
                self._rest = self._begun
        os.close(old)

    def close(self) -> None:
        """Close the file."""
        with self._busy:
            os.close(self._fd)
            self._fd = -1


def _opened(path: Path) -> int:
    try:
        # O_NONBLOCK: a FIFO without a reader is refused instead of being waited for. It changes nothing for a file.
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK, 0o640)
    except OSError as error:
        raise Refused("settings", "logs.to", f"{path} cannot be opened: {error.strerror}") from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISCHR(mode):
        return fd
    os.close(fd)
    raise Refused("settings", "logs.to", f"{path} is not a file")


def _ends_with_a_line(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.seek(0, os.SEEK_END) == 0 or (file.seek(-1, os.SEEK_END) >= 0 and file.read() == b"\n")
    except OSError:
        return True  # it may not be read, or is a device
