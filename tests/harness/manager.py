"""Plays systemd for the program: holds its listening sockets, passes them at each start, and hears what it tells.

sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import fcntl
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.harness.process import Program

_HIGH: Final = 100
"""Descriptors from here on are not those that a program is passed."""
_SHIM: Final = """
import os, sys
for place, descriptor in enumerate(filter(None, sys.argv[1].split(","))):
    os.dup2(int(descriptor), 3 + place)
for name in ("LISTEN_PID", "WATCHDOG_PID"):
    os.environ[name] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Listening sockets by FileDescriptorName=, and what the program has `told`, in order."""

    def __init__(self, folder: Path) -> None:
        self.told: list[str] = []
        self._names: list[str] = []
        self._descriptors: list[int] = []
        self._sockets: list[socket.socket] = []
        self._address = folder / "notify.sock"
        self._hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._hears.bind(str(self._address))
        self._heard = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in (*self._sockets, self._hears):
            sock.close()

    def listen(self, name: str, port: int) -> None:
        """Hold a socket at a port of 127.0.0.1."""
        self.hold(name, socket.create_server(("127.0.0.1", port), backlog=1024))

    def hold(self, name: str, sock: socket.socket) -> None:
        """Hold any socket, and pass it from now on."""
        high = socket.socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, _HIGH))
        sock.close()
        self._sockets.append(high)
        self._descriptors.append(high.fileno())
        self._names.append(name)

    def start(self, config: Path, *, watchdog: float = 0.0, argv: Sequence[str] = ()) -> Program:
        """Start the program with everything that it is passed; `watchdog` is its interval in seconds."""
        command = list(argv) or [sys.executable, "-m", "supervisor", "run", "--config", str(config)]
        listed = ",".join(map(str, self._descriptors))
        extra = {
            "NOTIFY_SOCKET": str(self._address),
            "LISTEN_FDS": str(len(self._descriptors)),
            "LISTEN_FDNAMES": ":".join(self._names),
        }
        if watchdog:
            extra["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
        return Program(
            config, extra, [sys.executable, "-c", _SHIM, listed, *command], pass_fds=tuple(self._descriptors)
        )

    def wait_for(self, message: str, seconds: float = 30.0) -> str:
        """The next message with this line that was not waited for yet; AssertionError when none comes."""
        deadline = time.monotonic() + seconds
        while True:
            self._hear()
            while self._heard < len(self.told):
                self._heard += 1
                if message in self.told[self._heard - 1].split("\n"):
                    return self.told[self._heard - 1]
            left = deadline - time.monotonic()
            assert left > 0, f"no {message} within {seconds} s, but {self.told}"
            select.select([self._hears], [], [], left)

    def until_quiet(self, seconds: float) -> None:
        """Hear everything until nothing has come for so long."""
        while select.select([self._hears], [], [], seconds)[0]:
            self._hear()
        self._heard = len(self.told)

    def _hear(self) -> None:
        while select.select([self._hears], [], [], 0)[0]:
            self.told.append(self._hears.recv(4096).decode())
